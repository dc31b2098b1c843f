//! Huge pages for a test, returned afterwards.

use std::fs;

const NR: &str = "/proc/sys/vm/nr_hugepages";

/// At least this many free huge pages; when dropped, there are as many in all as before.
pub(crate) struct Borrowed {
    before: u64,
}

impl Borrowed {
    /// Raises `vm.nr_hugepages` when fewer than `pages` are free.
    pub(crate) fn at_least(pages: u64) -> Self {
        let borrowed = Self {
            before: number(&fs::read_to_string(NR).expect("huge pages")),
        };
        let missing = pages.saturating_sub(free());
        if missing > 0 {
            fs::write(NR, (borrowed.before + missing).to_string())
                .expect("this test needs root, or free huge pages");
        }
        assert!(
            free() >= pages,
            "the kernel has no {pages} huge pages to give, only {}",
            free()
        );
        borrowed
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        fs::write(NR, self.before.to_string()).ok();
    }
}

/// Free pages of the default size.
pub(crate) fn free() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").expect("/proc is mounted");
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("HugePages_Free:"));
    number(line.expect("a kernel with huge pages"))
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect("a number")
}
