//! Anything at all on the socket.

use crate::support::host::Host;
use crate::support::message::Message;
use crate::support::script::{FEATURES, PROTOCOL_FEATURES, Peer, regions};
use crate::support::{event, memfd};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rustix::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use vhost_transfer::DeviceFds;
use vhost_transfer::device::MemoryRegion;
use vswitch::vhost_user::{Request, check};

/// A kind of fd.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Event,
    Memory,
    Short,
}

impl Kind {
    fn fd(self) -> OwnedFd {
        match self {
            Self::Event => event(),
            Self::Memory => memfd(0x20_0000),
            Self::Short => memfd(10),
        }
    }
}

/// What is put into the socket.
#[derive(Debug, Clone)]
enum Input {
    Bytes(Vec<u8>, Vec<Kind>),
    Request {
        code: u32,
        flags: u32,
        payload: Vec<u8>,
        fds: Vec<Kind>,
    },
    /// Of a sensible life, by its place.
    Sensible(Index),
    Handover,
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    vec(select(vec![Kind::Event, Kind::Memory, Kind::Short]), 0..3)
}

/// Numbers that matter.
fn number() -> impl Strategy<Value = u64> {
    let [low, high] = regions();
    let known = vec![
        0,
        1,
        2,
        255,
        256,
        257,
        100,
        0xffff,
        0x1_0000,
        1500,
        FEATURES,
        PROTOCOL_FEATURES,
        low.user_addr,
        high.user_addr,
        high.guest_addr,
        low.size,
        u64::MAX,
        1 << 63,
        u64::MAX - 4095,
        0x7f00_0000_0000 + 0x20_0000 - 4096,
    ];
    prop_oneof![4 => select(known), 1 => any::<u64>()]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let words = vec(number(), 0..6).prop_map(|words| {
        words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect::<Vec<u8>>()
    });
    let halves = vec(number(), 2..3).prop_map(|words| {
        words
            .iter()
            .flat_map(|word| (*word as u32).to_ne_bytes())
            .collect::<Vec<u8>>()
    });
    prop_oneof![3 => words, 2 => halves, 1 => vec(any::<u8>(), 0..300)]
}

fn input() -> impl Strategy<Value = Input> {
    let request = (
        0u32..44,
        select(vec![1u32, 9, 9, 9, 2, 5]),
        payload(),
        kinds(),
    )
        .prop_map(|(code, flags, payload, fds)| Input::Request {
            code,
            flags,
            payload,
            fds,
        });
    prop_oneof![
        1 => (vec(any::<u8>(), 1..64), kinds()).prop_map(|(bytes, fds)| Input::Bytes(bytes, fds)),
        8 => request,
        8 => any::<Index>().prop_map(Input::Sensible),
        1 => Just(Input::Handover),
    ]
}

fn send(host: &mut Host, front_end: &mut crate::support::front_end::FrontEnd, input: &Input) {
    let fds = |kinds: &[Kind]| kinds.iter().map(|kind| kind.fd()).collect::<Vec<_>>();
    match input {
        Input::Bytes(bytes, kinds) => front_end.send_raw(bytes, &fds(kinds)),
        Input::Request {
            code,
            flags,
            payload,
            fds: kinds,
        } => {
            front_end.send(&Message {
                code: *code,
                flags: *flags,
                payload: payload.clone(),
                fds: fds(kinds),
            });
        }
        Input::Sensible(index) => {
            let mut life = Peer::Qemu10.life();
            front_end.send(&life.swap_remove(index.index(life.len())));
        }
        Input::Handover => {
            let device = host.backend.world.vault.clone().expect("stored");
            host.serve(false);
            host.adopt(device).expect("what was stored can be adopted");
            host.serve(true);
        }
    }
}

/// What holds of a device at any time.
fn sound(host: &Host) -> Result<(), TestCaseError> {
    let Some(device) = host.port.device() else {
        return Ok(());
    };
    prop_assert_eq!(
        DeviceFds::expected(&device.state),
        device.fds.in_order().len()
    );
    prop_assert_eq!(check(&device.state), Ok(()));
    prop_assert_eq!(device.state.rings.len(), device.fds.rings.len());
    let memory = host.port.memory().expect("with the device");
    let all_mapped = |region: &MemoryRegion| {
        memory
            .user_range(region.user_addr, region.size as usize)
            .is_some()
    };
    prop_assert!(device.state.memory.iter().all(all_mapped));
    let vault = host.backend.world.vault.as_ref().expect("stored");
    prop_assert_eq!(&vault.state.rings, &device.state.rings);
    prop_assert_eq!(vault.state.revision, device.state.revision);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A front end may send what it likes: the port stays sound, and the next one is served.
    #[test]
    fn a_port_stays_sound(inputs in vec(input(), 1..60)) {
        let (mut host, mut front_end, listener) = Host::with_front_end();
        for input in &inputs {
            if host.port.device().is_none() {
                break;
            }
            send(&mut host, &mut front_end, input);
            host.run();
            while std::iter::from_fn(|| front_end.some_answer()).count() > 0 {}
            sound(&host)?;
        }
        let _ = rustix::net::shutdown(front_end.stream.as_fd(), Shutdown::Both);
        host.run();
        prop_assert!(host.port.device().is_none());
        let mut next = listener.connect();
        host.run_until(|host| host.port.device().is_some());
        prop_assert!(host.exchange(&mut next, &Message::empty(1)).is_some());
    }

    #[test]
    fn any_payload_is_read_or_refused(code: u32, payload in vec(any::<u8>(), 0..5000)) {
        let _ = Request::parse(code, &payload);
    }

    #[test]
    fn any_payload_of_a_known_request_is_read_or_refused(code in 0u32..44, payload in payload()) {
        let _ = Request::parse(code, &payload);
    }
}
