//! Strategies for every value that travels.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use vhost_transfer::device::{DeviceState, DirtyLog, MemoryRegion, RingState, SocketMode};
use vhost_transfer::message::*;
use vhost_transfer::{InstanceId, MAX_MEMORY_REGIONS, MAX_PORTS, MAX_RINGS, PortId, Term};

fn port() -> impl Strategy<Value = PortId> {
    (0..MAX_PORTS).prop_filter_map("in range", PortId::new)
}

fn term() -> impl Strategy<Value = Term> {
    any::<u64>().prop_map(Term)
}

fn text() -> impl Strategy<Value = String> {
    ".{0,40}"
}

fn socket_mode() -> impl Strategy<Value = SocketMode> {
    prop_oneof![Just(SocketMode::Server), Just(SocketMode::Client)]
}

prop_compose! {
    fn region()(guest_addr: u64, size: u64, user_addr: u64, mmap_offset: u64) -> MemoryRegion {
        MemoryRegion { guest_addr, size, user_addr, mmap_offset }
    }
}

prop_compose! {
    fn ring()(
        (size, base, starts) in any::<(u16, u32, u32)>(),
        (desc_addr, avail_addr, used_addr, log_addr) in any::<(u64, u64, u64, u64)>(),
        (log_used, started, enabled) in any::<(bool, bool, bool)>(),
        (has_kick, has_call, has_err) in any::<(bool, bool, bool)>(),
    ) -> RingState {
        RingState {
            size, desc_addr, avail_addr, used_addr, log_used, log_addr, base, started, enabled,
            has_kick, has_call, has_err, starts,
        }
    }
}

prop_compose! {
    /// A device of this version.
    pub(crate) fn device()(
        (port, socket_mode) in (port(), socket_mode()),
        (revision, features, protocol_features, status, owned) in any::<(u64, u64, u64, u8, bool)>(),
        (mtu, at_hand) in any::<(Option<u16>, Option<Vec<u8>>)>(),
        pending_rarp: Option<[u8; 6]>,
        memory in vec(region(), 0..=MAX_MEMORY_REGIONS),
        memory_slots: u16,
        log in option::of(any::<(u64, u64)>().prop_map(|(size, offset)| DirtyLog { size, offset })),
        (has_log_event, has_backend_channel) in any::<(bool, bool)>(),
        rings in vec(ring(), 0..=usize::from(MAX_RINGS)),
        must_understand in vec(0..DeviceState::KNOWN_FIELDS, 0..4),
    ) -> DeviceState {
        DeviceState {
            must_understand, port, revision, socket_mode, features, protocol_features, status, owned,
            mtu, pending_rarp, memory, memory_slots, log, has_log_event, has_backend_channel, rings,
            at_hand: at_hand.map(Into::into),
        }
    }
}

prop_compose! {
    fn update()(
        port in port(),
        revision: u64,
        (features, protocol_features, memory_bytes) in any::<(u64, u64, u64)>(),
        (rings_running, memory_regions) in any::<(u16, u16)>(),
        packed in vec(any::<u8>(), 0..2000),
    ) -> DeviceUpdate {
        let summary = DeviceSummary {
            features, protocol_features, rings_running, memory_bytes, memory_regions,
        };
        DeviceUpdate { port, revision, summary, packed: packed.into() }
    }
}

prop_compose! {
    fn setup()(
        instance in prop::sample::select(&InstanceId::BOTH[..]),
        poll in prop_oneof![Just(Poll::Busy), Just(Poll::Adaptive)],
        lane_cpus in vec(any::<u16>(), 0..20),
        (memory_mib, mac_aging_s, drain_us, hugepages) in any::<(u32, u32, u32, bool)>(),
        file_prefix in text(),
        (uplink, rejoin_at) in (option::of(text()), option::of(text())),
        (memory_files, uplink_later, first_packet) in any::<(Option<u16>, Option<bool>, Option<bool>)>(),
    ) -> Setup {
        Setup {
            instance, lane_cpus, poll, memory_mib, hugepages, file_prefix, uplink, mac_aging_s,
            drain_us, rejoin_at, memory_files, uplink_later, first_packet,
        }
    }
}

fn add_port() -> impl Strategy<Value = AddPort> {
    let parts = (port(), text(), socket_mode(), text());
    parts.prop_map(|(port, name, mode, path)| AddPort {
        port,
        name,
        mode,
        path,
    })
}

fn port_ref() -> impl Strategy<Value = PortRef> {
    port().prop_map(|port| PortRef { port })
}

fn term_ref() -> impl Strategy<Value = TermRef> {
    term().prop_map(|term| TermRef { term })
}

/// Any message to an instance.
pub(crate) fn to_instance() -> impl Strategy<Value = ToInstance> {
    use ToInstance as To;
    let revision = (port(), any::<u64>()).prop_map(|(port, revision)| Revision { port, revision });
    let quiesce = (term(), any::<bool>()).prop_map(|(term, reconnect)| Quiesce { term, reconnect });
    prop_oneof![
        setup().prop_map(To::Setup),
        add_port().prop_map(To::AddPort),
        port_ref().prop_map(To::RemovePort),
        update().prop_map(To::Device),
        port_ref().prop_map(To::DeviceGone),
        revision.prop_map(To::Stored),
        Just(To::StandBy),
        term_ref().prop_map(To::Activate),
        term_ref().prop_map(To::Prepare),
        quiesce.prop_map(To::Quiesce),
        term_ref().prop_map(To::Abort),
        Just(To::Stop),
        Just(To::StandDown),
        Just(To::OpenUplink),
        Just(To::CloseUplink),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let parts = (text(), text(), any::<u32>());
    parts.prop_map(|(version, dpdk, ledger_layout)| Hello {
        version,
        dpdk,
        ledger_layout,
    })
}

fn phase() -> impl Strategy<Value = Phase> {
    let parts = (text(), any::<u64>(), any::<Option<u64>>());
    parts.prop_map(|(name, us, at_us)| Phase { name, us, at_us })
}

fn warm() -> impl Strategy<Value = Warm> {
    let parts = (any::<Option<[u8; 6]>>(), vec(phase(), 0..8));
    parts.prop_map(|(uplink_mac, phases)| Warm { uplink_mac, phases })
}

fn gone() -> impl Strategy<Value = DeviceGone> {
    (port(), option::of(text())).prop_map(|(port, trouble)| DeviceGone { port, trouble })
}

fn mapped() -> impl Strategy<Value = Mapped> {
    let parts = (port(), any::<u64>(), option::of(text()));
    parts.prop_map(|(port, revision, trouble)| Mapped {
        port,
        revision,
        trouble,
    })
}

fn active() -> impl Strategy<Value = Active> {
    let parts = (term(), any::<bool>(), any::<Option<u64>>());
    parts.prop_map(|(term, after_death, freeze_ns)| Active {
        term,
        after_death,
        freeze_ns,
    })
}

/// Any message from an instance.
pub(crate) fn from_instance() -> impl Strategy<Value = FromInstance> {
    use FromInstance as From;
    let refused = (term(), text()).prop_map(|(term, reason)| Refused { term, reason });
    let released = (term(), any::<u64>()).prop_map(|(term, drained)| Released { term, drained });
    let aborted = (term(), any::<u64>()).prop_map(|(term, discarded)| Aborted { term, discarded });
    let trouble = (port(), text()).prop_map(|(port, trouble)| PortTrouble { port, trouble });
    let standing = prop_oneof![Just(Standing::Active), Just(Standing::Standby)];
    let instance = prop::sample::select(&InstanceId::BOTH[..]);
    let rejoin = (instance, hello(), standing, term());
    let rejoin = rejoin.prop_map(|(instance, hello, standing, term)| Rejoin {
        instance,
        hello,
        standing,
        term,
    });
    let opened = (option::of(text()), vec(phase(), 0..8));
    let opened = opened.prop_map(|(trouble, phases)| UplinkOpened { trouble, phases });
    let first = (term(), any::<u64>());
    let first = first.prop_map(|(term, after_us)| FirstPacket { term, after_us });
    prop_oneof![
        opened.prop_map(From::UplinkOpened),
        first.prop_map(From::FirstPacket),
        Just(From::UplinkClosed),
        hello().prop_map(From::Hello),
        rejoin.prop_map(From::Rejoin),
        add_port().prop_map(From::Port),
        Just(From::Rejoined),
        Just(From::StoodDown),
        warm().prop_map(From::Warm),
        update().prop_map(From::Device),
        gone().prop_map(From::DeviceGone),
        mapped().prop_map(From::Mapped),
        term_ref().prop_map(From::Prepared),
        refused.prop_map(From::Refused),
        term_ref().prop_map(From::Quiesced),
        released.prop_map(From::Released),
        active().prop_map(From::Active),
        Just(From::StandingBy),
        trouble.prop_map(From::PortTrouble),
        text().prop_map(|reason| From::Fatal(Fatal { reason })),
        aborted.prop_map(From::Aborted),
    ]
}
