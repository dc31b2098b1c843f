//! How much memory a guest can have here.

use crate::bench::Result;
use std::fs;

/// For everything else.
const LEFT: usize = 2 << 30;
/// A guest has at least so much.
const LEAST: usize = 64 << 20;

/// `wanted` bytes, or less where the machine does not have them, which is told.
pub(super) fn available(wanted: usize, tell: impl Fn(&str)) -> Result<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let free = free_kib(&meminfo) << 10;
    let had = wanted.min(free.saturating_sub(LEFT)).max(LEAST);
    if had < wanted {
        let mib = |bytes: usize| bytes >> 20;
        tell(&format!(
            "{} MiB of guest memory cannot be had, {} MiB are free: the guest gets {} MiB",
            mib(wanted),
            mib(free),
            mib(had)
        ));
    }
    Ok(had)
}

fn free_kib(meminfo: &str) -> usize {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read() {
        assert_eq!(free_kib("MemTotal: 9 kB\nMemAvailable:   123 kB\n"), 123);
        assert_eq!(free_kib(""), 0);
        assert_eq!(available(LEAST, |_| ()).unwrap(), LEAST);
    }
}
