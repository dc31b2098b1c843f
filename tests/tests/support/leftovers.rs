//! What a program that was interrupted leaves behind: nothing.

use super::PATIENCE;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Its temporary directory is empty, and no process names it any more.
pub(crate) fn leaves_nothing(temporary: &Path) {
    let left: Vec<_> = temporary.read_dir().unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let begin = Instant::now();
    while let Some(process) = process_of(temporary) {
        assert!(begin.elapsed() < PATIENCE, "still runs: {process}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A process whose command line names the directory.
fn process_of(directory: &Path) -> Option<String> {
    let name = directory.to_str().unwrap();
    let processes = Path::new("/proc").read_dir().unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .find(|line| line.contains(name))
}
