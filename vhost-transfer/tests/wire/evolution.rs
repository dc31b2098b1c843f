//! Old readers read new writers and new readers read old ones, or they say no.

use crate::arbitrary::device;
use crate::{opened, sealed};
use minicbor::{Decode, Decoder, Encode, Encoder};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vhost_transfer::device::{DeviceState, MemoryRegion, PackError, RingState, SocketMode};
use vhost_transfer::frame::{self, FORMAT, FrameError};
use vhost_transfer::message::{Poll, ToInstance};
use vhost_transfer::{PortId, Term};

/// Number and encoded value of each field of a map.
type Fields = BTreeMap<u32, Vec<u8>>;

/// The fields that version 1 may leave out.
const OPTIONAL: [u32; 4] = [8, 9, 12, 16];
/// The first number that version 1 does not know.
const UNKNOWN: u32 = DeviceState::KNOWN_FIELDS;

fn fields(map: &[u8]) -> Fields {
    let mut decoder = Decoder::new(map);
    let count = decoder.map().unwrap().expect("of known length");
    let field = |_| {
        let number = decoder.u32().unwrap();
        let start = decoder.position();
        decoder.skip().unwrap();
        (number, map[start..decoder.position()].to_vec())
    };
    (0..count).map(field).collect()
}

fn map_of(fields: &Fields) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(fields.len() as u64).unwrap();
    for (&number, value) in fields {
        encoder.u32(number).unwrap();
        encoder.writer_mut().extend_from_slice(value);
    }
    encoder.into_writer()
}

/// What a later version may put into a field: a number, text, bytes, nested and unbounded things.
fn foreign_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(|n| minicbor::to_vec(n).unwrap()),
        ".{0,20}".prop_map(|text| minicbor::to_vec(text).unwrap()),
        Just(vec![0x43, 1, 2, 3]),
        Just(vec![0xf6]),
        Just(vec![0xfb, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let items = prop::collection::vec(inner, 0..4);
        prop_oneof![
            items
                .clone()
                .prop_map(|items| [vec![0x80 | items.len() as u8], items.concat()].concat()),
            items
                .clone()
                .prop_map(|items| [vec![0x9f], items.concat(), vec![0xff]].concat()),
            items.prop_map(|items| {
                let pairs = items
                    .iter()
                    .flat_map(|value| [&[0x07], &value[..]].concat());
                [vec![0xa0 | items.len() as u8], pairs.collect()].concat()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn an_old_reader_skips_fields_that_it_does_not_know(
        state in device(), number in UNKNOWN.., value in foreign_value()
    ) {
        let mut fields = fields(&state.to_bytes());
        fields.insert(number, value);
        prop_assert_eq!(DeviceState::from_bytes(&map_of(&fields)).unwrap(), state);
    }

    #[test]
    fn an_old_reader_refuses_what_it_must_understand_and_does_not(
        state in device(), number in UNKNOWN.., value in foreign_value()
    ) {
        let marked = DeviceState { must_understand: vec![1, number], ..state };
        let mut fields = fields(&marked.to_bytes());
        fields.insert(number, value);
        let refused = DeviceState::from_bytes(&map_of(&fields));
        prop_assert!(matches!(refused, Err(PackError::UnknownField(n)) if n == number), "{:?}", refused);
    }

    #[test]
    fn a_missing_field_is_none_or_an_error(state in device(), number in 0..UNKNOWN) {
        let mut fields = fields(&state.to_bytes());
        fields.remove(&number);
        let read = DeviceState::from_bytes(&map_of(&fields));
        if OPTIONAL.contains(&number) {
            let mut without = state;
            match number {
                8 => without.mtu = None,
                9 => without.pending_rarp = None,
                12 => without.log = None,
                _ => without.at_hand = None,
            }
            prop_assert_eq!(read.unwrap(), without);
        } else {
            prop_assert!(matches!(read, Err(PackError::Malformed(_))), "{:?}", read);
        }
    }

    #[test]
    fn a_peer_is_refused_by_the_reader_that_it_wants(format: u16, lowest: u16) {
        let mut frame = frame::seal(&[0x80], 0).unwrap();
        frame[4..6].copy_from_slice(&format.to_le_bytes());
        frame[6..8].copy_from_slice(&lowest.to_le_bytes());
        match frame::open(&frame, 0) {
            Ok(body) => {
                prop_assert!(lowest <= FORMAT);
                prop_assert_eq!(body, &[0x80]);
            }
            Err(error) => prop_assert_eq!(error, FrameError::TooNew { format, lowest }),
        }
    }
}

/// The boundary itself, which random numbers seldom meet.
#[test]
fn a_peer_that_wants_the_next_format_is_refused() {
    let mut frame = frame::seal(&[], 0).unwrap();
    frame[4..6].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    assert_eq!(
        frame::open(&frame, 0),
        Ok(&[][..]),
        "a newer peer that old readers understand"
    );
    frame[6..8].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    let (format, lowest) = (FORMAT + 1, FORMAT + 1);
    assert_eq!(
        frame::open(&frame, 0),
        Err(FrameError::TooNew { format, lowest })
    );
}

/// A memory region as a later version may have it.
#[derive(Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
struct LaterRegion {
    #[n(0)]
    guest_addr: u64,
    #[n(1)]
    size: u64,
    #[n(2)]
    user_addr: u64,
    #[n(3)]
    mmap_offset: u64,
    #[n(4)]
    numa_node: Option<u16>,
    #[n(5)]
    #[cbor(default)]
    read_only: bool,
}

#[test]
fn a_later_reader_gives_new_fields_their_defaults() {
    let old = MemoryRegion {
        guest_addr: 1,
        size: 2,
        user_addr: 3,
        mmap_offset: 4,
    };
    let read: LaterRegion = minicbor::decode(&minicbor::to_vec(old).unwrap()).unwrap();
    assert_eq!(
        (read.guest_addr, read.size, read.user_addr, read.mmap_offset),
        (1, 2, 3, 4)
    );
    assert_eq!((read.numa_node, read.read_only), (None, false));
}

#[test]
fn an_old_reader_skips_new_fields_of_parts() {
    let new = LaterRegion {
        guest_addr: 1,
        size: 2,
        user_addr: 3,
        mmap_offset: 4,
        numa_node: Some(1),
        read_only: true,
    };
    let state = DeviceState {
        memory: vec![MemoryRegion {
            guest_addr: 1,
            size: 2,
            user_addr: 3,
            mmap_offset: 4,
        }],
        rings: vec![RingState::default()],
        ..DeviceState::new(PortId::UPLINK, SocketMode::Server, 1)
    };
    let mut parts = fields(&state.to_bytes());
    parts.insert(10, minicbor::to_vec([new]).unwrap());
    let mut ring = fields(&minicbor::to_vec(RingState::default()).unwrap());
    ring.insert(13, vec![0x82, 1, 2]);
    parts.insert(15, [vec![0x81], map_of(&ring)].concat());
    assert_eq!(DeviceState::from_bytes(&map_of(&parts)).unwrap(), state);
}

#[test]
fn a_message_may_get_fields_but_not_kinds() {
    // Activate(TermRef { term: 7 }) with a field 9; StandBy with content; kind 99.
    let more = frame::seal(&[0x82, 7, 0x81, 0xa2, 0, 7, 9, 0x81, 0xf5], 0).unwrap();
    let term = vhost_transfer::message::TermRef { term: Term(7) };
    assert_eq!(opened(&more, 0), Ok(ToInstance::Activate(term)));
    let content = frame::seal(&[0x82, 6, 0x81, 0xa1, 0, 7], 0).unwrap();
    assert_eq!(opened(&content, 0), Ok(ToInstance::StandBy));
    let kind = frame::seal(&[0x82, 0x18, 99, 0x80], 0).unwrap();
    let refused = opened::<ToInstance>(&kind, 0);
    assert!(matches!(refused, Err(FrameError::Body(_))), "{refused:?}");
}

#[test]
fn an_unknown_choice_is_refused() {
    assert!(minicbor::decode::<Poll>(&[1]).is_ok());
    assert!(minicbor::decode::<Poll>(&[2]).is_err());
}

#[test]
fn a_port_out_of_range_is_refused() {
    let stored = |port: u16| {
        let body = [
            &[0x82, 5, 0x81, 0xa2, 0, 0x19][..],
            &port.to_be_bytes(),
            &[1, 1],
        ]
        .concat();
        opened::<ToInstance>(&frame::seal(&body, 0).unwrap(), 0)
    };
    assert!(stored(511).is_ok());
    assert!(matches!(stored(512), Err(FrameError::Body(_))));
    assert_eq!(
        sealed(&stored(511).unwrap(), 0).len(),
        frame::HEADER_LEN + 10
    );
}
