//! What each request makes of a device.

mod memory;
mod messages;
mod negotiation;
mod rings;

use crate::support::message::Message;
use crate::support::script::{FEATURES, PROTOCOL_FEATURES, Peer, regions, share_slots, start_ring};
use crate::support::{event, memfd};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use vhost_transfer::device::{DirtyLog, RingState, SocketMode};
use vhost_transfer::{Device, DeviceFds, DeviceState, PortId};
use vswitch::vhost_user::features::{protocol, virtio};
use vswitch::vhost_user::{Header, Outcome, Refusal, Request, answer, apply, refuse};

/// A device behind a socket pair, changed by messages as the port would, but for the outer world.
struct Subject(Device);

impl Subject {
    fn new() -> Self {
        let (socket, _) = UnixStream::pair().expect("socket pair");
        let state = DeviceState::new(PortId::UPLINK, SocketMode::Server, 64);
        Self(Device {
            state,
            fds: DeviceFds::new(socket.into()),
        })
    }

    /// Negotiated, memory shared.
    fn ready() -> Self {
        let mut subject = Self::new();
        let messages = Peer::Qemu7.connect().into_iter();
        messages
            .chain([Message::number(2, FEATURES)])
            .chain(share_slots())
            .for_each(|m| {
                subject.done(m);
            });
        subject
    }

    /// As `ready`, with both rings started.
    fn running() -> Self {
        let mut subject = Self::ready();
        (0..2).flat_map(|ring| start_ring(ring, 0)).for_each(|m| {
            subject.done(m);
        });
        subject
    }

    fn apply(&mut self, message: Message) -> Result<Outcome, Refusal> {
        let request = Request::parse(message.code, &message.payload)?;
        let mut outcome = apply(&self.0, &request, message.fds)?;
        if let Some(device) = outcome.device.take() {
            assert_eq!(
                DeviceFds::expected(&device.state),
                device.fds.in_order().len()
            );
            outcome.device = Some(device.clone());
            self.0 = device;
        }
        Ok(outcome)
    }

    fn done(&mut self, message: Message) -> Outcome {
        let code = message.code;
        self.apply(message)
            .unwrap_or_else(|refusal| panic!("request {code}: {refusal}"))
    }

    /// Also checks that nothing changed.
    fn refused(&mut self, message: Message) -> Refusal {
        let before = self.0.clone();
        let refusal = self
            .apply(message)
            .map(|outcome| outcome.device)
            .expect_err("is refused");
        assert_eq!(self.0.state, before.state);
        assert!(!refusal.to_string().is_empty());
        refusal
    }

    fn answer(&self, message: &Message) -> Option<u64> {
        let header = header(message);
        let request = Request::parse(message.code, &message.payload).expect("parses");
        answer(&header, &request, &self.0.state).map(|bytes| {
            assert_eq!(
                Header::from_bytes(bytes[..12].try_into().expect("header")),
                Header {
                    code: message.code,
                    flags: 5,
                    size: 8
                }
            );
            u64::from_ne_bytes(bytes[12..].try_into().expect("number"))
        })
    }

    fn ring(&self, ring: usize) -> &RingState {
        &self.0.state.rings[ring]
    }
}

fn header(message: &Message) -> Header {
    Header {
        code: message.code,
        flags: message.flags,
        size: message.payload.len() as u32,
    }
}
