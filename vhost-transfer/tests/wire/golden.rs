//! The files in `tests/golden/v1` are what version 1 of the format writes. They are read, and
//! written again to the same bytes, by every later version.
//!
//! A new sample: add it here and run with `UPDATE_GOLDEN=1`, which writes files that do not exist
//! yet and never touches one that does.

use crate::{opened, sealed};
use minicbor::{Decode, Encode};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use vhost_transfer::device::{DeviceState, DirtyLog, MemoryRegion, RingState, SocketMode};
use vhost_transfer::frame::HEADER_LEN;
use vhost_transfer::message::*;
use vhost_transfer::{InstanceId, PortId, Term};

const TERM: TermRef = TermRef { term: Term(7) };

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// The file of a sample; with UPDATE_GOLDEN it is made when it does not exist.
fn golden(name: &str, current: &[u8]) -> Vec<u8> {
    let path = directory().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        fs::create_dir_all(directory()).expect("the source tree is writable");
        fs::write(&path, current).expect("the source tree is writable");
    }
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE_GOLDEN=1", path.display()))
}

fn check_message<M>(name: &str, message: &M, fds: usize)
where
    M: Encode<()> + for<'b> Decode<'b, ()> + Debug + PartialEq,
{
    let written = sealed(message, fds);
    let golden = golden(name, &written);
    let read: M = opened(&golden, fds).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(&read, message, "{name} is read as something else");
    // A later version may say another format and lowest reader: bytes 4 to 8.
    assert_eq!(written[..4], golden[..4], "{name}: magic");
    assert_eq!(
        written[8..HEADER_LEN],
        golden[8..HEADER_LEN],
        "{name}: header"
    );
    assert_eq!(written[HEADER_LEN..], golden[HEADER_LEN..], "{name}: body");
    assert_eq!(golden[4..8], [1, 0, 1, 0], "{name} is of format 1");
}

fn check_device(name: &str, state: &DeviceState) {
    let written = state.to_bytes();
    let golden = golden(name, &written);
    let read = DeviceState::from_bytes(&golden).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(&read, state, "{name} is read as something else");
    assert_eq!(written, golden, "{name} is written differently");
}

fn port(number: u16) -> PortId {
    PortId::new(number).expect("in range")
}

fn fresh_device() -> DeviceState {
    DeviceState::new(port(3), SocketMode::Client, 64)
}

fn running_device() -> DeviceState {
    let ring = |at: u64| RingState {
        size: 256,
        desc_addr: at,
        avail_addr: at + 0x1000,
        used_addr: at + 0x2000,
        log_used: true,
        log_addr: 0xfeed_0000,
        base: 0xffff,
        started: true,
        enabled: true,
        has_kick: true,
        has_call: true,
        has_err: false,
        starts: 2,
    };
    let region = |at: u64| MemoryRegion {
        guest_addr: at,
        size: 0x4000_0000,
        user_addr: 0x7f00_0000_0000 + at,
        mmap_offset: at,
    };
    DeviceState {
        must_understand: vec![1, 10, 15],
        revision: 12,
        socket_mode: SocketMode::Server,
        features: 0x1_7060_8003,
        protocol_features: 0x8b_e3ff,
        status: 0x0f,
        owned: true,
        mtu: Some(9000),
        pending_rarp: Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        memory: vec![region(0), region(0x1_0000_0000)],
        log: Some(DirtyLog {
            size: 0x10_0000,
            offset: 0x1000,
        }),
        has_log_event: true,
        has_backend_channel: true,
        rings: vec![
            ring(0x7f00_0010_0000),
            ring(0x7f00_0020_0000),
            RingState::default(),
        ],
        at_hand: Some(vec![5, 0, 0, 0, 9, 0, 0, 0].into()),
        ..fresh_device()
    }
}

fn update() -> DeviceUpdate {
    DeviceUpdate {
        port: port(3),
        revision: 12,
        summary: DeviceSummary {
            features: 0x1_7060_8003,
            protocol_features: 0x8b_e3ff,
            rings_running: 2,
            memory_bytes: 0x8000_0000,
            memory_regions: 2,
        },
        packed: running_device().to_bytes().into(),
    }
}

fn to_instance_samples() -> Vec<ToInstance> {
    vec![
        ToInstance::Setup(Setup {
            instance: InstanceId::B,
            lane_cpus: vec![2, 4],
            poll: Poll::Adaptive,
            memory_mib: 512,
            hugepages: true,
            file_prefix: "vswsup-b".into(),
            uplink: Some("net_af_packet0,iface=eth1".into()),
            mac_aging_s: 300,
            drain_us: 200,
            rejoin_at: None,
            memory_files: None,
            uplink_later: None,
            first_packet: None,
        }),
        ToInstance::Setup(Setup {
            instance: InstanceId::A,
            lane_cpus: vec![3],
            poll: Poll::Busy,
            memory_mib: 128,
            hugepages: false,
            file_prefix: "vswsup-a".into(),
            uplink: Some("0000:03:10.0".into()),
            mac_aging_s: 300,
            drain_us: 30,
            rejoin_at: Some("/run/vswsup/lifeline.sock".into()),
            memory_files: Some(2),
            uplink_later: Some(true),
            first_packet: Some(true),
        }),
        ToInstance::AddPort(AddPort {
            port: port(3),
            name: "vm3".into(),
            mode: SocketMode::Client,
            path: "/run/vm3.sock".into(),
        }),
        ToInstance::RemovePort(PortRef { port: port(511) }),
        ToInstance::Device(update()),
        ToInstance::DeviceGone(PortRef { port: port(3) }),
        ToInstance::Stored(Revision {
            port: port(3),
            revision: 12,
        }),
        ToInstance::StandBy,
        ToInstance::Activate(TERM),
        ToInstance::Prepare(TERM),
        ToInstance::Quiesce(Quiesce {
            term: Term(7),
            reconnect: true,
        }),
        ToInstance::Abort(TERM),
        ToInstance::Stop,
        ToInstance::StandDown,
        ToInstance::OpenUplink,
        ToInstance::CloseUplink,
    ]
}

/// File and number of fds. A new kind does not compile until it is named here; then add a sample.
fn to_instance_file(message: &ToInstance) -> (&'static str, usize) {
    match message {
        ToInstance::Setup(setup) if setup.memory_files.is_some() => {
            ("to_instance.setup_files.bin", 3)
        }
        ToInstance::Setup(_) => ("to_instance.setup.bin", 1),
        ToInstance::AddPort(_) => ("to_instance.add_port.bin", 0),
        ToInstance::RemovePort(_) => ("to_instance.remove_port.bin", 0),
        ToInstance::Device(_) => ("to_instance.device.bin", 10),
        ToInstance::DeviceGone(_) => ("to_instance.device_gone.bin", 0),
        ToInstance::Stored(_) => ("to_instance.stored.bin", 0),
        ToInstance::StandBy => ("to_instance.stand_by.bin", 0),
        ToInstance::Activate(_) => ("to_instance.activate.bin", 0),
        ToInstance::Prepare(_) => ("to_instance.prepare.bin", 0),
        ToInstance::Quiesce(_) => ("to_instance.quiesce.bin", 0),
        ToInstance::Abort(_) => ("to_instance.abort.bin", 0),
        ToInstance::Stop => ("to_instance.stop.bin", 0),
        ToInstance::StandDown => ("to_instance.stand_down.bin", 0),
        ToInstance::OpenUplink => ("to_instance.open_uplink.bin", 0),
        ToInstance::CloseUplink => ("to_instance.close_uplink.bin", 0),
    }
}

fn from_instance_samples() -> Vec<FromInstance> {
    vec![
        FromInstance::Hello(Hello {
            version: "0.1.0".into(),
            dpdk: "DPDK 22.11.5".into(),
            ledger_layout: 1,
        }),
        FromInstance::Warm(Warm {
            uplink_mac: Some([2, 0, 0, 0, 0, 1]),
            phases: vec![Phase {
                name: "eal".into(),
                us: 123_456,
                at_us: None,
            }],
        }),
        FromInstance::Device(update()),
        FromInstance::DeviceGone(DeviceGone {
            port: port(3),
            trouble: Some("ring 1: loop".into()),
        }),
        FromInstance::Mapped(Mapped {
            port: port(3),
            revision: 12,
            trouble: None,
        }),
        FromInstance::Prepared(TERM),
        FromInstance::Refused(Refused {
            term: Term(7),
            reason: "uplink is down".into(),
        }),
        FromInstance::Quiesced(TERM),
        FromInstance::Released(Released {
            term: Term(7),
            drained: 42,
        }),
        FromInstance::Active(Active {
            term: Term(7),
            after_death: false,
            freeze_ns: Some(31_415),
        }),
        FromInstance::StandingBy,
        FromInstance::PortTrouble(PortTrouble {
            port: port(3),
            trouble: "socket in use".into(),
        }),
        FromInstance::Fatal(Fatal {
            reason: "no hugepages".into(),
        }),
        FromInstance::Aborted(Aborted {
            term: Term(7),
            discarded: 5,
        }),
        FromInstance::Rejoin(Rejoin {
            instance: InstanceId::B,
            hello: Hello {
                version: "0.1.0".into(),
                dpdk: "DPDK 22.11.5".into(),
                ledger_layout: 1,
            },
            standing: Standing::Active,
            term: Term(7),
        }),
        FromInstance::Port(AddPort {
            port: port(3),
            name: "vm3".into(),
            mode: SocketMode::Server,
            path: "/run/vm3.sock".into(),
        }),
        FromInstance::Rejoined,
        FromInstance::StoodDown,
        FromInstance::UplinkClosed,
        FromInstance::UplinkOpened(UplinkOpened {
            trouble: Some("the device is in use".into()),
            phases: vec![Phase {
                name: "uplink probe".into(),
                us: 1234,
                at_us: Some(56),
            }],
        }),
        FromInstance::FirstPacket(FirstPacket {
            term: Term(7),
            after_us: 42,
        }),
    ]
}

/// As [`to_instance_file`].
fn from_instance_file(message: &FromInstance) -> (&'static str, usize) {
    match message {
        FromInstance::Hello(_) => ("from_instance.hello.bin", 0),
        FromInstance::Warm(_) => ("from_instance.warm.bin", 0),
        FromInstance::Device(_) => ("from_instance.device.bin", 10),
        FromInstance::DeviceGone(_) => ("from_instance.device_gone.bin", 0),
        FromInstance::Mapped(_) => ("from_instance.mapped.bin", 0),
        FromInstance::Prepared(_) => ("from_instance.prepared.bin", 0),
        FromInstance::Refused(_) => ("from_instance.refused.bin", 0),
        FromInstance::Quiesced(_) => ("from_instance.quiesced.bin", 0),
        FromInstance::Released(_) => ("from_instance.released.bin", 0),
        FromInstance::Active(_) => ("from_instance.active.bin", 0),
        FromInstance::StandingBy => ("from_instance.standing_by.bin", 0),
        FromInstance::PortTrouble(_) => ("from_instance.port_trouble.bin", 0),
        FromInstance::Fatal(_) => ("from_instance.fatal.bin", 0),
        FromInstance::Aborted(_) => ("from_instance.aborted.bin", 0),
        FromInstance::Rejoin(_) => ("from_instance.rejoin.bin", 1),
        FromInstance::Port(_) => ("from_instance.port.bin", 1),
        FromInstance::Rejoined => ("from_instance.rejoined.bin", 0),
        FromInstance::StoodDown => ("from_instance.stood_down.bin", 0),
        FromInstance::UplinkClosed => ("from_instance.uplink_closed.bin", 0),
        FromInstance::UplinkOpened(_) => ("from_instance.uplink_opened.bin", 0),
        FromInstance::FirstPacket(_) => ("from_instance.first_packet.bin", 0),
    }
}

fn devices() -> [(&'static str, DeviceState); 2] {
    [
        ("device.fresh.bin", fresh_device()),
        ("device.running.bin", running_device()),
    ]
}

#[test]
fn golden_files_of_format_1_are_read_and_written_for_ever() {
    let mut known = BTreeSet::new();
    for message in to_instance_samples() {
        let (name, fds) = to_instance_file(&message);
        check_message(name, &message, fds);
        known.insert(name.to_owned());
    }
    for message in from_instance_samples() {
        let (name, fds) = from_instance_file(&message);
        check_message(name, &message, fds);
        known.insert(name.to_owned());
    }
    for (name, state) in devices() {
        check_device(name, &state);
        known.insert(name.to_owned());
    }
    assert_eq!(known, files(), "every file has a sample");
}

fn files() -> BTreeSet<String> {
    fs::read_dir(directory())
        .expect("the golden files are there")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .collect()
}
