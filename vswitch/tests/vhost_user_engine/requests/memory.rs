//! Memory regions and the dirty log.

use super::*;

#[test]
fn a_memory_table_replaces_all_regions() {
    let mut subject = Subject::ready();
    let fds = || vec![memfd(0x20_0000), memfd(0x20_0000)];
    let outcome = subject.done(Message::memory_table(&regions(), fds()));
    assert!(
        outcome.memory_changed,
        "other files, even with the same addresses"
    );
    let outcome = subject.done(Message::memory_table(
        &regions()[1..],
        vec![memfd(0x20_0000)],
    ));
    assert!(outcome.memory_changed);
    assert_eq!(subject.0.state.memory, regions()[1..]);
    subject.done(Message::memory_table(&[], vec![]));
    assert!(subject.0.state.memory.is_empty());
}

#[test]
fn a_region_is_removed_by_its_addresses_and_the_stray_fd_is_closed() {
    let mut subject = Subject::ready();
    let [low, mut high] = regions();
    high.mmap_offset = 0; // says nothing
    let stray = memfd(4096);
    let number = stray.as_raw_fd();
    subject.done(Message::region(38, &high, vec![stray]));
    assert_eq!(subject.0.state.memory, [low]);
    let kept: Vec<_> = subject
        .0
        .fds
        .in_order()
        .iter()
        .map(AsRawFd::as_raw_fd)
        .collect();
    assert!(!kept.contains(&number));
    let gone = Refusal::NoSuchRegion {
        guest_addr: high.guest_addr,
        size: high.size,
    };
    assert_eq!(subject.refused(Message::region(38, &high, vec![])), gone);
}

#[test]
fn regions_are_apart_and_end_before_the_last_address() {
    let [low, _] = regions();
    let cases = [
        (low.guest_addr, 0x6000_0000, "guest"),
        (0x6000_0000, low.user_addr + low.size - 4096, "user"),
        (0x6000_0000, low.user_addr - 4096, "user"),
    ];
    for (guest_addr, user_addr, what) in cases {
        let mut subject = Subject::ready();
        let region = vhost_transfer::device::MemoryRegion {
            guest_addr,
            user_addr,
            ..low
        };
        let refusal = subject.refused(Message::region(37, &region, vec![memfd(0x20_0000)]));
        assert!(
            matches!(refusal, Refusal::RegionsOverlap { field, .. } if field.starts_with(what))
        );
    }
    type Change = fn(&mut vhost_transfer::device::MemoryRegion);
    let wrong: [(Change, &str); 8] = [
        (|r| r.size = 0, "is empty"),
        (|r| r.guest_addr = u64::MAX - 4095, "guest address"),
        (|r| r.user_addr = u64::MAX - 4095, "user address"),
        (|r| r.mmap_offset = u64::MAX - 4095, "offset"),
        (|r| r.size = u64::MAX, "beyond the last address"),
        (|r| r.guest_addr += 1, "no multiple of 4096"),
        (|r| r.user_addr += 8, "no multiple of 4096"),
        (|r| r.mmap_offset += 512, "no multiple of 4096"),
    ];
    for (change, text) in wrong {
        let mut subject = Subject::ready();
        let mut region = vhost_transfer::device::MemoryRegion {
            guest_addr: 0x6000_0000,
            size: 0x20_0000,
            user_addr: 0x6000_0000,
            mmap_offset: 0x1000,
        };
        change(&mut region);
        let refusal = subject.refused(Message::region(37, &region, vec![memfd(0x40_0000)]));
        assert!(refusal.to_string().contains(text), "{refusal}");
    }
}

#[test]
fn there_is_an_end_of_slots() {
    let mut subject = Subject::ready();
    let region = |slot: u64| vhost_transfer::device::MemoryRegion {
        guest_addr: 0x100_0000 * (slot + 1),
        size: 0x1000,
        user_addr: 0x100_0000 * (slot + 1),
        mmap_offset: 0,
    };
    let add = |slot| Message::region(37, &region(slot), vec![memfd(0x1000)]);
    (2..64).for_each(|slot| drop(subject.done(add(slot))));
    let full = Refusal::RegionCount { got: 65, limit: 64 };
    assert_eq!(subject.refused(add(64)), full);
    let many: Vec<_> = (0..65).map(region).collect();
    let fds = (0..65).map(|_| memfd(0x1000)).collect();
    assert_eq!(subject.refused(Message::memory_table(&many, fds)), full);
}

#[test]
fn the_dirty_log_is_kept() {
    let log = |size: u64, offset: u64| {
        Message::new(6, [size.to_ne_bytes(), offset.to_ne_bytes()].concat())
    };
    let mut subject = Subject::ready();
    subject.done(log(0x1000, 0x2000).with_fd(memfd(0x3000)));
    subject.done(Message::empty(7).with_fd(event()));
    assert_eq!(
        subject.0.state.log,
        Some(DirtyLog {
            size: 0x1000,
            offset: 0x2000
        })
    );
    assert!(subject.0.state.has_log_event);
    assert_eq!(
        subject.answer(&log(0x1000, 0x2000)),
        Some(0),
        "answered unasked"
    );
    for (size, offset) in [(0, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let refusal = subject.refused(log(size, offset).with_fd(memfd(0x1000)));
        assert_eq!(refusal, Refusal::Log { size, offset });
    }
}
