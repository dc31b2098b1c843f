//! Any bytes give a value or an error, and take no more memory than a small multiple of themselves.

use crate::arbitrary::{device, to_instance};
use crate::memory::peak_of;
use crate::{opened, sealed};
use proptest::collection::vec;
use proptest::prelude::*;
use vhost_transfer::DeviceState;
use vhost_transfer::device::PackError;
use vhost_transfer::frame::{self, HEADER_LEN, MAX_BODY};
use vhost_transfer::message::{FromInstance, ToInstance};

/// Decodes `bytes` as everything that they could be; returns the most heap that any took.
fn decode_as_all(bytes: &[u8]) -> usize {
    let frame = frame::seal(bytes, 0).expect("test bodies are within the limit");
    [
        peak_of(|| DeviceState::from_bytes(bytes)),
        peak_of(|| opened::<ToInstance>(&frame, 0)),
        peak_of(|| opened::<FromInstance>(&frame, 0)),
        peak_of(|| frame::open(bytes, 0).map(<[u8]>::to_vec)),
    ]
    .into_iter()
    .max()
    .expect("four decoders")
}

/// 64 bytes of memory for each of input, and a little for the error.
fn allowed(input: usize) -> usize {
    64 * input + 4096
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(any::<u8>(), 0..3000)) {
        prop_assert!(decode_as_all(&bytes) <= allowed(bytes.len()));
    }

    /// Random bytes rarely get past the first: these look like CBOR for longer.
    #[test]
    fn any_tokens_are_a_value_or_an_error(
        tokens in vec(prop_oneof![0x00u8..0x20, 0x40u8..0x48, 0x60u8..0x68, 0x80u8..0xc0, 0xc0u8..0xdc, 0xf4u8..=0xff], 0..800)
    ) {
        prop_assert!(decode_as_all(&tokens) <= allowed(tokens.len()));
    }

    #[test]
    fn a_changed_device_is_a_value_or_an_error(state in device(), at: prop::sample::Index, to: u8) {
        let mut bytes = state.to_bytes();
        *at.get_mut(&mut bytes) = to;
        prop_assert!(decode_as_all(&bytes) <= allowed(bytes.len()));
    }

    #[test]
    fn a_cut_device_is_an_error(state in device(), at: prop::sample::Index) {
        let bytes = state.to_bytes();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(matches!(DeviceState::from_bytes(cut), Err(PackError::Malformed(_))));
    }

    #[test]
    fn bytes_after_a_device_are_an_error(state in device(), more in vec(any::<u8>(), 1..20)) {
        let bytes = [state.to_bytes(), more].concat();
        prop_assert!(matches!(DeviceState::from_bytes(&bytes), Err(PackError::Malformed(_))));
    }

    /// The header tells its length, count and checksum, so no other body comes out of a changed frame.
    #[test]
    fn a_changed_frame_is_refused_or_the_same(message in to_instance(), at: prop::sample::Index, to: u8) {
        let frame = sealed(&message, 3);
        let mut changed = frame.clone();
        *at.get_mut(&mut changed) = to;
        match frame::open(&changed, 3) {
            Ok(body) => prop_assert_eq!(body, &frame[HEADER_LEN..]),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_frame_of_another_length_is_refused(message in to_instance(), at: prop::sample::Index, more in vec(any::<u8>(), 1..20)) {
        let frame = sealed(&message, 0);
        prop_assert!(frame::open(&frame[..at.index(frame.len())], 0).is_err());
        prop_assert!(frame::open(&[frame, more].concat(), 0).is_err());
    }
}

/// Announces 2^64-1 elements, or nests as deep as the largest body can.
#[test]
fn lies_about_length_and_depth_take_no_memory() {
    let announced = |kind: u8| [&[0xa1, 0x00, kind | 27][..], &[0xff; 8], &[0x01; 8]].concat();
    let nested = |tokens: &[u8]| {
        [
            &[0xa1, 0x18, 0x40],
            &tokens.repeat((MAX_BODY - 3) / tokens.len())[..],
        ]
        .concat()
    };
    let inputs = [
        announced(0x40),
        announced(0x60),
        announced(0x80),
        announced(0xa0),
        nested(&[0x81]),
        nested(&[0x9f]),
        nested(&[0xbf]),
        nested(&[0x82, 0x9f]),
        nested(&[0xc0]),
        nested(&[0xa1, 0x00]),
        nested(&[0x00]),
    ];
    for bytes in inputs {
        let peak = decode_as_all(&bytes);
        assert!(
            peak <= allowed(bytes.len()),
            "{:x?}...: {peak}",
            &bytes[..8]
        );
    }
}

#[test]
fn more_regions_or_rings_than_allowed_are_refused() {
    let mut state = DeviceState::new(
        vhost_transfer::PortId::UPLINK,
        vhost_transfer::device::SocketMode::Server,
        64,
    );
    state.rings = vec![Default::default(); usize::from(vhost_transfer::MAX_RINGS) + 1];
    let refused = DeviceState::from_bytes(&state.to_bytes());
    assert!(
        matches!(
            refused,
            Err(PackError::TooMany {
                what: "rings",
                got: 17,
                limit: 16
            })
        ),
        "{refused:?}"
    );
}
