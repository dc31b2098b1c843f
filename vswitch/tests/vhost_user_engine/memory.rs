//! Guest memory: where an address is, and which pages are there.

use crate::support::{is_present, memfd};
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use vhost_transfer::device::MemoryRegion;
use vswitch::memory::{GuestMemory, MemoryError};

const PAGE: u64 = 4096;

fn region(guest_addr: u64, size: u64, mmap_offset: u64) -> MemoryRegion {
    MemoryRegion {
        guest_addr,
        size,
        user_addr: 0x7000_0000_0000 + guest_addr,
        mmap_offset,
    }
}

fn map(regions: &[MemoryRegion], fd: &Arc<OwnedFd>) -> Result<GuestMemory, MemoryError> {
    let fds: Vec<_> = regions.iter().map(|_| Arc::clone(fd)).collect();
    GuestMemory::map(regions, &fds, &GuestMemory::default())
}

fn blocks(fd: impl AsFd) -> i64 {
    fstat(fd).expect("fstat").st_blocks
}

fn write(fd: &OwnedFd, offset: u64, bytes: &[u8]) {
    let file = std::fs::File::from(fd.try_clone().expect("dup"));
    file.write_all_at(bytes, offset).expect("write");
}

/// Pages that exist are there before they are touched; a sparse guest does not grow.
#[test]
fn a_sparse_guest_does_not_grow() {
    let fd = Arc::new(memfd(1 << 30));
    let written = [0, 5 * PAGE, 6 * PAGE, (1 << 29) + 100, (1 << 30) - 1];
    written.iter().for_each(|&offset| write(&fd, offset, b"x"));
    let before = blocks(&fd);
    let low = region(0, 1 << 29, 0);
    let high = region(1 << 32, 1 << 29, 1 << 29);
    let memory = map(&[low, high], &fd).expect("maps");
    memory.prefill(&|| true);
    assert_eq!(blocks(&fd), before);
    let at = |offset: u64| match offset.checked_sub(1 << 29) {
        None => memory.guest_range(offset, 1).expect("low").0,
        Some(offset) => memory.guest_range((1 << 32) + offset, 1).expect("high").0,
    };
    for offset in written {
        assert!(is_present(at(offset)), "offset {offset:#x}");
        // SAFETY: one byte of a live mapping that nobody writes now.
        assert_eq!(unsafe { at(offset).read() }, b'x');
    }
    for offset in [
        PAGE,
        4 * PAGE,
        7 * PAGE,
        (1 << 29) - PAGE,
        (1 << 30) - 2 * PAGE,
    ] {
        assert!(!is_present(at(offset)), "offset {offset:#x}");
    }
    write(&fd, 9 * PAGE, b"later");
    assert!(!is_present(at(9 * PAGE)));
    let before = blocks(&fd);
    memory.prefill(&|| true);
    assert!(
        is_present(at(9 * PAGE)),
        "pages that came later are found when asked again"
    );
    assert_eq!(blocks(&fd), before);
}

/// To fill page tables that are full costs as much as to fill empty ones, and is asked for at every
/// promote.
#[test]
fn memory_that_has_not_grown_is_known_to_be_filled() {
    let fd = Arc::new(memfd(16 << 20));
    write(&fd, 0, b"x");
    let memory = map(
        &[region(0, 8 << 20, 0), region(1 << 32, 8 << 20, 8 << 20)],
        &fd,
    );
    let memory = memory.expect("maps");
    assert!(!memory.is_filled(), "never filled");
    memory.prefill(&|| false);
    assert!(!memory.is_filled(), "given up");
    memory.prefill(&|| true);
    assert!(memory.is_filled());
    write(&fd, 9 << 20, b"later");
    assert!(!memory.is_filled(), "a page has come");
    memory.prefill(&|| true);
    assert!(memory.is_filled());
}

/// Nothing is filled any more once there is something better to do.
#[test]
fn filling_can_be_given_up() {
    let fd = Arc::new(memfd(64 << 20));
    (0..32).for_each(|part| write(&fd, part << 21, b"x"));
    let memory = map(&[region(0, 64 << 20, 0)], &fd).expect("maps");
    let left = std::cell::Cell::new(10);
    memory.prefill(&|| left.replace(left.get() - 1) > 0);
    let at = |part: u64| memory.guest_range(part << 21, 1).expect("there").0;
    let filled = (0..32).filter(|&part| is_present(at(part))).count();
    assert_eq!(filled, 10);
}

#[test]
fn only_the_regions_part_of_a_file_is_filled() {
    let fd = Arc::new(memfd(16 * PAGE));
    write(&fd, 0, &[1; 16 * PAGE as usize]);
    let memory = map(&[region(0, 2 * PAGE + 100, 4 * PAGE)], &fd).expect("maps");
    assert_eq!(blocks(&fd), 16 * PAGE as i64 / 512);
    memory.prefill(&|| true);
    let (first, len) = memory.guest_range(0, u32::MAX).expect("there");
    assert_eq!(u64::from(len), 2 * PAGE + 100);
    assert!(is_present(first));
    write(&fd, 4 * PAGE + 7, b"seen");
    // SAFETY: 4 bytes of a live mapping that nobody writes now.
    let seen = unsafe { std::slice::from_raw_parts(first.add(7).as_ptr(), 4) };
    assert_eq!(seen, b"seen");
}

/// A file of the disk is mapped, but not made dirty for nothing.
#[test]
fn a_file_on_a_disk_can_be_memory() {
    let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("file");
    file.set_len(4 * PAGE).expect("length");
    let fd = Arc::new(OwnedFd::from(file));
    let memory = map(&[region(0, 4 * PAGE, 0)], &fd).expect("maps");
    memory.prefill(&|| true);
    assert_eq!(memory.size(), 4 * PAGE);
    assert_eq!(blocks(&fd), 0);
}

/// Mappings are left out of core dumps (proc(5), VmFlags "dd").
#[test]
fn a_core_dump_leaves_the_guest_out() {
    let fd = Arc::new(memfd(64 * PAGE));
    let memory = map(&[region(0, 64 * PAGE, 0)], &fd).expect("maps");
    let start = memory
        .user_range(0x7000_0000_0000, 1)
        .expect("there")
        .as_ptr() as u64;
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let (_, ours) = maps
        .split_once(&format!("{start:x}-"))
        .expect("the mapping");
    let flags = ours
        .lines()
        .find(|line| line.starts_with("VmFlags:"))
        .expect("flags");
    assert!(flags.split_whitespace().any(|flag| flag == "dd"), "{flags}");
}

#[test]
fn what_is_mapped_stays_mapped() {
    let (one, other) = (Arc::new(memfd(64 * PAGE)), Arc::new(memfd(64 * PAGE)));
    let [a, b] = [region(0, 8 * PAGE, 0), region(1 << 32, 8 * PAGE, 8 * PAGE)];
    let before = map(&[a, b], &one).expect("maps");
    let at = |memory: &GuestMemory, region: &MemoryRegion| {
        memory.guest_range(region.guest_addr, 1).expect("there").0
    };
    let duplicate = Arc::new(one.try_clone().expect("dup"));
    let moved = MemoryRegion {
        guest_addr: 1 << 33,
        user_addr: 1 << 40,
        ..b
    };
    let after = GuestMemory::map(&[moved, a], &[duplicate, Arc::clone(&other)], &before);
    let after = after.expect("maps");
    assert_eq!(at(&after, &moved), at(&before, &b), "by another name");
    assert_ne!(at(&after, &a), at(&before, &a), "another file");
    drop(before);
    assert!(after.guest_range(b.guest_addr, 1).is_none());
    // SAFETY: one byte of a mapping that `after` keeps alive.
    assert_eq!(unsafe { at(&after, &moved).read() }, 0);
}

#[test]
fn a_file_must_be_as_large_as_its_region() {
    let fd = Arc::new(memfd(8 * PAGE));
    let beyond = |guest_addr, end| MemoryError::BeyondFile {
        guest_addr,
        end,
        size: 8 * PAGE,
    };
    for (size, offset) in [
        (8 * PAGE + 1, 0),
        (1, 8 * PAGE),
        (PAGE, 1 << 40),
        (8 * PAGE, PAGE),
    ] {
        let refused = map(&[region(0, size, offset)], &fd).expect_err("too large");
        assert_eq!(refused, beyond(0, size + offset));
    }
    assert!(map(&[region(0, 8 * PAGE, 0)], &fd).is_ok());
}

/// Whatever the region is, also one that `check` would never let through.
#[test]
fn absurd_sizes_are_refused() {
    let fd = Arc::new(memfd((1 << 62) + PAGE));
    for (size, offset) in [
        (1 << 62, 0),
        (u64::MAX, 0),
        (u64::MAX, u64::MAX),
        (1 << 61, 1 << 61),
    ] {
        assert!(map(&[region(0, size, offset)], &fd).is_err(), "{size:#x}");
    }
    let memory = map(&[], &fd).expect("nothing is also something");
    assert!(memory.guest_range(0, 1).is_none() && memory.user_range(0, 0).is_none());
}

/// Needs four free hugepages of 2 MiB.
#[test]
fn hugepages_are_filled_only_when_all_are_there() {
    const HUGE: u64 = 2 << 20;
    let free = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free: u64 = free
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    assert!(
        free >= 4,
        "{free} of 4 hugepages are free: write 64 to /proc/sys/vm/nr_hugepages"
    );
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let fd = Arc::new(memfd_create("guest", flags).expect("memfd"));
    ftruncate(&fd, 2 * HUGE).expect("ftruncate");
    let unaligned = region(0, HUGE, HUGE - 3 * PAGE);
    let memory = map(&[unaligned], &fd).expect("maps");
    let first = |memory: &GuestMemory| memory.guest_range(0, 1).expect("there").0;
    memory.prefill(&|| true);
    assert!(!is_present(first(&memory)));
    assert_eq!(blocks(&fd), 0, "a sparse guest does not grow");
    for page in [0, 1] {
        // SAFETY: two bytes of a live mapping, one in each hugepage.
        unsafe { first(&memory).add(page * 3 * PAGE as usize).write(7) };
    }
    assert_eq!(blocks(&fd) as u64 * 512, 2 * HUGE);
    let again = map(&[unaligned], &fd).expect("maps");
    assert!(!is_present(first(&again)));
    again.prefill(&|| true);
    assert!(is_present(first(&again)));
    // SAFETY: one byte of a live mapping that nobody writes now.
    assert_eq!(unsafe { first(&again).read() }, 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Three regions, two of which touch, against a search byte by byte.
    #[test]
    fn ranges_are_the_longest_in_one_region(
        addr in prop_oneof![0..40 * PAGE, any::<u64>()],
        len in prop_oneof![0..9 * PAGE as u32, any::<u32>()],
    ) {
        let fd = Arc::new(memfd(64 * PAGE));
        let regions = [
            region(8 * PAGE, 4 * PAGE, 0),
            region(12 * PAGE, 8 * PAGE, 8 * PAGE),
            region(30 * PAGE, 100, 20 * PAGE),
        ];
        let memory = map(&regions, &fd).expect("maps");
        let home = regions.iter().find(|r| {
            r.guest_addr <= addr && addr - r.guest_addr < r.size
        });
        let rest = home.map(|r| r.guest_addr + r.size - addr);
        let expected = rest.map(|rest| rest.min(len.into())).filter(|_| len > 0);
        let found = memory.guest_range(addr, len);
        prop_assert_eq!(found.map(|(_, len)| u64::from(len)), expected);

        let user_addr = addr.saturating_add(0x7000_0000_0000);
        let whole = memory.user_range(user_addr, len as usize);
        let fits = user_addr - 0x7000_0000_0000 == addr && rest.is_some_and(|rest| u64::from(len) <= rest);
        prop_assert_eq!(whole.is_some(), fits);
        if let (Some((by_guest, _)), Some(by_user)) = (found, whole) {
            prop_assert_eq!(by_guest, by_user);
        }
    }
}
