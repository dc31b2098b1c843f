//! Where the kernel has written a core: core(5).

use std::fs;
use std::path::{Path, PathBuf};

/// The core file of process `pid`, when the kernel writes plain files and it is there. A core that
/// is piped to a program is that program's business.
pub(super) fn find(pid: i32) -> Option<PathBuf> {
    let setting = |name: &str| fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).ok();
    let pattern = setting("core_pattern")?;
    let adds_pid = setting("core_uses_pid").is_some_and(|text| text.trim() != "0");
    let name = expand(pattern.trim_end(), pid, adds_pid)?;
    // Instances run in the directory that the supervisor runs in.
    std::path::absolute(name).ok().filter(|path| path.exists())
}

/// `None` for a pipe, and for what only the kernel knows.
fn expand(pattern: &str, pid: i32, adds_pid: bool) -> Option<String> {
    if pattern.is_empty() || pattern.starts_with('|') {
        return None;
    }
    let mut name = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => match characters.next()? {
                'p' | 'P' => name += &pid.to_string(),
                '%' => name.push('%'),
                _ => return None,
            },
            other => name.push(other),
        }
    }
    if adds_pid && !pattern.contains("%p") {
        name += &format!(".{pid}");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_names_as_far_as_they_can() {
        for (pattern, adds_pid, name) in [
            ("core", false, Some("core")),
            ("core", true, Some("core.7")),
            ("/var/core/%p", true, Some("/var/core/7")),
            ("/c/100%%.%P", false, Some("/c/100%.7")),
            ("/c/%e.%p", false, None),
            ("|/usr/bin/collect %p", false, None),
            ("core%", false, None),
            ("", false, None),
        ] {
            assert_eq!(expand(pattern, 7, adds_pid).as_deref(), name, "{pattern}");
        }
    }
}
