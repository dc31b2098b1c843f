//! `[memory]`.

use super::{Fault, Findings, duplicates, fault, relative};
use crate::config::{Config, Memory, MemoryFile};
use std::path::Path;

/// They are sent with one message, behind the ledger.
const MOST: usize = 64;

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let Some(memory) = &config.memory else {
        return;
    };
    findings.add("memory.files", number(memory));
    for (index, file) in memory.files.iter().enumerate() {
        let key = format!("memory.files[{index}]");
        findings.add(&key, relative(Path::new(&file.path)));
        findings.add(&key, shared(file, config.vswitch.standby));
    }
    let paths = memory.files.iter().map(|file| &file.path);
    for (second, first) in duplicates(paths) {
        let key = format!("memory.files[{second}]");
        let problem = format!("the same file as memory.files[{first}]");
        findings.add(&key, Some(fault(problem, "name each file once")));
    }
    for key in ["vswitch.memory", "vswitch.hugepages"] {
        let is_set = findings.places.of(key).position.is_some();
        findings.add(key, is_set.then(unused));
    }
}

fn number(memory: &Memory) -> Option<Fault> {
    let count = memory.files.len();
    (count == 0 || count > MOST).then(|| {
        fault(
            format!("{count} files"),
            format!("name 1 to {MOST} files, or remove the section [memory]"),
        )
    })
}

fn shared(file: &MemoryFile, with_standby: bool) -> Option<Fault> {
    (with_standby && !file.is_own()).then(|| {
        fault(
            format!(
                "`{}` would be the memory of both instances at a time",
                file.path
            ),
            format!(
                "put `{}` into the path, or set vswitch.standby = false",
                MemoryFile::INSTANCE
            ),
        )
    })
}

fn unused() -> Fault {
    fault(
        "not used where DPDK's memory is in files",
        "remove it, or the section [memory]",
    )
}
