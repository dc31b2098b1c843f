//! Hugepages for a while.

use std::fs;
use std::io;

const NUMBER: &str = "/proc/sys/vm/nr_hugepages";

/// Enough free hugepages; when dropped, there are as many in all as before.
#[derive(Debug)]
pub struct Hugepages {
    before: u64,
}

impl Hugepages {
    /// Raises `vm.nr_hugepages` when less than `mib` are free.
    ///
    /// # Errors
    /// When the kernel has no more, or does not let this process change it.
    pub fn at_least(mib: u64) -> io::Result<Self> {
        let before = fs::read_to_string(NUMBER)?;
        let before: u64 = before.trim().parse().map_err(io::Error::other)?;
        let borrowed = Self { before };
        let page = meminfo("Hugepagesize:")? / 1024;
        let wanted = mib.div_ceil(page.max(1));
        let missing = wanted.saturating_sub(Self::free()?);
        if missing > 0 {
            fs::write(NUMBER, (before + missing).to_string())?;
        }
        match Self::free()? {
            free if free >= wanted => Ok(borrowed),
            free => Err(io::Error::other(format!(
                "{wanted} free hugepages are needed for {mib} MiB, and the kernel gives {free}: free \
                 memory, or ask for less"
            ))),
        }
    }

    /// Free hugepages of the default size.
    ///
    /// # Errors
    /// On a kernel without hugepages.
    pub fn free() -> io::Result<u64> {
        meminfo("HugePages_Free:")
    }
}

impl Drop for Hugepages {
    fn drop(&mut self) {
        if let Err(error) = fs::write(NUMBER, self.before.to_string()) {
            eprintln!("{NUMBER}: {error}");
        }
    }
}

fn meminfo(field: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    let number = number.ok_or_else(|| io::Error::other("this kernel has no hugepages"))?;
    number.parse().map_err(io::Error::other)
}
