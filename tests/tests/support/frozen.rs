//! A file system of its own that can be frozen: whoever writes to it meanwhile sleeps in `D` state,
//! which no signal ends (FIFREEZE of ioctl_fs(2)).

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Bytes that mkfs.ext4 takes for a file system.
const SIZE: u64 = 16 << 20;

/// It is mounted, by a loop device, until dropped. It must be there before those who are to see it start.
pub(crate) struct FileSystem {
    dir: TempDir,
}

/// The file system is frozen until dropped.
pub(crate) struct Frozen<'a>(&'a FileSystem);

impl FileSystem {
    pub(crate) fn mount() -> Self {
        let made = Self {
            dir: tempfile::Builder::new()
                .prefix("vswsup-frozen-")
                .tempdir()
                .unwrap(),
        };
        let image = made.dir.path().join("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(SIZE).unwrap();
        std::fs::create_dir(made.at()).unwrap();
        run("mkfs.ext4", &["-q", "-F"], &[&image]).unwrap();
        run("mount", &["-o", "loop"], &[&image, &made.at()]).unwrap();
        made
    }

    /// Where it is mounted.
    pub(crate) fn at(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    pub(crate) fn freeze(&self) -> Frozen<'_> {
        run("fsfreeze", &["--freeze"], &[&self.at()]).unwrap();
        Frozen(self)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = run("fsfreeze", &["--unfreeze"], &[&self.0.at()]) {
            eprintln!("{error}");
        }
    }
}

impl Drop for FileSystem {
    /// The loop device goes with the mount. It may not be mounted, if that has failed.
    fn drop(&mut self) {
        if let Err(error) = run("umount", &["--lazy"], &[&self.at()]) {
            eprintln!("{error}");
        }
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(options).args(paths).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{program}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{program}: {error}: see scripts/packages")),
    }
}
