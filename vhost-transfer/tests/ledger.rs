//! The ledger as two processes see it: two mappings of one memory, and what is refused.

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::uio::pwrite;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;
use vhost_transfer::ledger::{LAYOUT_VERSION, LedgerError, RingPosition};
use vhost_transfer::{Ledger, MAX_LANES, MAX_PORTS, MAX_RINGS, PortId, Term};

/// Two mappings of one ledger.
fn twice() -> (Ledger, Ledger) {
    let ledger = Ledger::create().unwrap();
    let fd = ledger.fd().try_clone_to_owned().unwrap();
    (ledger, Ledger::open(fd).unwrap())
}

fn port(number: u16) -> PortId {
    PortId::new(number).unwrap()
}

fn memfd(bytes: &[u8], length: i64, seals: SealFlag) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = memfd_create(c"not-a-ledger", flags).unwrap();
    nix::unistd::ftruncate(&fd, length).unwrap();
    pwrite(&fd, bytes, 0).unwrap();
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    fd
}

fn length_of(ledger: &Ledger) -> i64 {
    nix::sys::stat::fstat(ledger.fd()).unwrap().st_size
}

const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_SEAL);

/// Every slot gets a value of its own, so that no two of them lie on one another.
#[test]
fn one_mapping_reads_what_the_other_wrote() {
    let (writer, reader) = twice();
    let each = || (0..MAX_PORTS).flat_map(|p| (0..MAX_RINGS).map(move |r| (port(p), r)));
    let value = |port: PortId, ring: u16| RingPosition::split(port.get() << 4 | ring);
    each().for_each(|(p, r)| writer.ring(p, r).unwrap().publish(value(p, r)));
    for p in (0..MAX_PORTS).map(port) {
        writer.counters(p).rx_packets.store(p.get().into(), Relaxed);
        writer
            .counters(p)
            .rx_dropped
            .store(1000 + u64::from(p.get()), Relaxed);
    }
    for p in (0..MAX_PORTS).map(port) {
        writer.handled(p).store(2000 + u64::from(p.get()), Relaxed);
    }
    for lane in 0..MAX_LANES {
        writer.lane(lane).note_released(100 + u64::from(lane));
        writer.lane(lane).note_resumed(200 + u64::from(lane));
        writer.lane(lane).beat(300 + u64::from(lane));
    }
    assert!(each().all(|(p, r)| reader.ring(p, r).unwrap().position() == value(p, r)));
    for p in (0..MAX_PORTS).map(port) {
        assert_eq!(reader.counters(p).rx_packets.load(Relaxed), p.get().into());
        assert_eq!(
            reader.counters(p).rx_dropped.load(Relaxed),
            1000 + u64::from(p.get())
        );
        assert_eq!(reader.handled(p).load(Relaxed), 2000 + u64::from(p.get()));
    }
    for lane in 0..MAX_LANES {
        let slot = reader.lane(lane);
        let told = (slot.released_at(), slot.resumed_at(), slot.heartbeat());
        let lane = u64::from(lane);
        assert_eq!(told, (100 + lane, 200 + lane, 300 + lane));
    }
}

#[test]
fn only_earlier_terms_are_asked_to_let_go() {
    let (supervisor, instance) = twice();
    assert_eq!(instance.handover().term(), Term(0));
    assert!(!instance.handover().must_release(Term(0)));
    supervisor.handover().release_for(Term(5));
    assert!(instance.handover().must_release(Term(4)));
    assert!(!instance.handover().must_release(Term(5)));
    supervisor.handover().revoke(Term(4));
    assert!(instance.handover().must_release(Term(4)), "not its word");
    supervisor.handover().revoke(Term(5));
    assert!(!instance.handover().must_release(Term(4)));
    assert!(instance.handover().must_release(Term(3)));
    supervisor.handover().release_for(Term(5));
    assert!(instance.handover().must_release(Term(4)), "asked again");
    instance.handover().begin(Term(5));
    assert_eq!(supervisor.handover().term(), Term(5));
}

#[test]
fn the_last_term_has_no_next() {
    assert_eq!(Term(1).next(), Term(2));
    assert_eq!(Term(u64::MAX).next(), Term(u64::MAX));
}

#[test]
fn a_ring_beyond_the_last_is_none() {
    let ledger = Ledger::create().unwrap();
    assert!(ledger.ring(port(0), MAX_RINGS).is_none());
    assert!(ledger.ring(port(MAX_PORTS - 1), MAX_RINGS - 1).is_some());
    assert!(ledger.ring(port(MAX_PORTS - 1), u16::MAX).is_none());
}

#[test]
fn a_ledger_cannot_change_its_size() {
    let ledger = Ledger::create().unwrap();
    let length = length_of(&ledger);
    for other in [0, length - 4096, length + 4096] {
        assert!(nix::unistd::ftruncate(ledger.fd(), other).is_err());
    }
}

#[test]
fn memory_that_is_no_ledger_is_refused() {
    let length = length_of(&Ledger::create().unwrap());
    let version = |got: u32| [&b"VSLG"[..], &got.to_ne_bytes()].concat();
    let refused =
        |bytes: &[u8], length, seals| Ledger::open(memfd(bytes, length, seals)).unwrap_err();

    let foreign = refused(&[0xff; 64], length, SEALS);
    assert!(
        matches!(foreign, LedgerError::Version { got: 0 }),
        "{foreign}"
    );
    let empty = refused(&[], 0, SEALS);
    assert!(matches!(empty, LedgerError::Version { got: 0 }), "{empty}");
    let newer = refused(&version(LAYOUT_VERSION + 1), length + 4096, SEALS);
    assert!(
        matches!(newer, LedgerError::Version { got } if got == LAYOUT_VERSION + 1),
        "a longer layout is told by its version: {newer}"
    );
    let short = refused(&version(LAYOUT_VERSION), length - 4096, SEALS);
    assert!(matches!(short, LedgerError::Shape { .. }), "{short}");
    let unsealed = refused(&version(LAYOUT_VERSION), length, SealFlag::F_SEAL_GROW);
    assert!(matches!(unsealed, LedgerError::Shape { .. }), "{unsealed}");
}

#[test]
fn a_pipe_is_no_ledger() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let refused = Ledger::open(reader.into()).unwrap_err();
    assert!(matches!(refused, LedgerError::Io(_)), "{refused}");
}
