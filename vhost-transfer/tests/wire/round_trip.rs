//! What was written is read, and written again it is the same bytes.

use crate::arbitrary::{device, from_instance, to_instance};
use crate::{opened, sealed};
use proptest::collection::vec;
use proptest::prelude::*;
use vhost_transfer::DeviceState;
use vhost_transfer::frame::{self, FrameError, HEADER_LEN, MAX_BODY, MAX_FDS};
use vhost_transfer::message::{FromInstance, ToInstance};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn a_device_comes_back(state in device()) {
        let bytes = state.to_bytes();
        let back = DeviceState::from_bytes(&bytes).unwrap();
        prop_assert_eq!(back.to_bytes(), bytes);
        prop_assert_eq!(back, state);
    }

    #[test]
    fn a_message_to_an_instance_comes_back(message in to_instance(), fds in 0..=MAX_FDS) {
        let frame = sealed(&message, fds);
        let back: ToInstance = opened(&frame, fds).unwrap();
        prop_assert_eq!(sealed(&back, fds), frame);
        prop_assert_eq!(back, message);
    }

    #[test]
    fn a_message_from_an_instance_comes_back(message in from_instance(), fds in 0..=MAX_FDS) {
        let frame = sealed(&message, fds);
        let back: FromInstance = opened(&frame, fds).unwrap();
        prop_assert_eq!(sealed(&back, fds), frame);
        prop_assert_eq!(back, message);
    }

    #[test]
    fn a_body_comes_back_from_its_frame(body in vec(any::<u8>(), 0..5000), fds in 0..=MAX_FDS) {
        let frame = frame::seal(&body, fds).unwrap();
        prop_assert_eq!(frame.len(), HEADER_LEN + body.len());
        prop_assert_eq!(frame::open(&frame, fds).unwrap(), &body[..]);
    }

    #[test]
    fn a_wrong_number_of_fds_is_refused(body in vec(any::<u8>(), 0..50), said in 0..=MAX_FDS, got in 0..=MAX_FDS) {
        prop_assume!(said != got);
        let frame = frame::seal(&body, said).unwrap();
        prop_assert_eq!(frame::open(&frame, got), Err(FrameError::FdCount { announced: said, got }));
    }
}

#[test]
fn the_limits_of_a_frame_are_exact() {
    let largest = vec![0; MAX_BODY];
    let frame = frame::seal(&largest, MAX_FDS).unwrap();
    assert_eq!(frame::open(&frame, MAX_FDS), Ok(&largest[..]));
    let (bytes, fds) = (MAX_BODY + 1, 0);
    assert_eq!(
        frame::seal(&vec![0; bytes], fds),
        Err(FrameError::TooLarge { bytes, fds })
    );
    let (bytes, fds) = (0, MAX_FDS + 1);
    assert_eq!(
        frame::seal(&[], fds),
        Err(FrameError::TooLarge { bytes, fds })
    );
}
