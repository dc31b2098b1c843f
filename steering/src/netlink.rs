//! Requests to rtnetlink and generic netlink, and their answers. Source: Linux `Documentation/userspace-api/netlink/intro.rst`.

pub(crate) mod bridge;
pub(crate) mod changes;
pub(crate) mod devlink;
pub(crate) mod fdb;
pub(crate) mod flower;
pub(crate) mod link;
pub(crate) mod switch;
pub(crate) mod tc;
pub(crate) mod vf;

use std::cell::Cell;
use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};

/// A socket to a part of the kernel, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: Cell<u32>,
}

impl Netlink {
    /// To rtnetlink.
    pub(crate) fn open() -> io::Result<Self> {
        Self::to(NETLINK_ROUTE)
    }

    /// To generic netlink.
    fn open_generic() -> io::Result<Self> {
        Self::to(NETLINK_GENERIC)
    }

    fn to(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: Cell::new(0),
        })
    }

    /// Has the kernel carry out one request, with `flags` beside REQUEST and ACK.
    fn change(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.exchange(request, NLM_F_ACK | flags).map(|_| ())
    }

    /// Asks for one object.
    fn get(&self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.exchange(request, NLM_F_ACK)
    }

    /// Asks for all objects of a kind.
    fn dump(&self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.exchange(request, NLM_F_DUMP)
    }

    /// Sends a request and collects its answers up to the one that ends them.
    fn exchange<M>(&self, request: M, flags: u16) -> io::Result<Vec<M>>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
    {
        let sequence = self.send(request, flags)?;
        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            for message in messages(&datagram) {
                let message = message?;
                if message.header.sequence_number != sequence {
                    continue;
                }
                if let NetlinkPayload::InnerMessage(answer) = message.payload {
                    answers.push(answer);
                } else {
                    return end(message.payload).map(|()| answers);
                }
            }
        }
    }

    fn send<M>(&self, request: M, flags: u16) -> io::Result<u32>
    where
        M: NetlinkSerializable + Into<NetlinkPayload<M>>,
    {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(sequence)
    }
}

/// The payload that ends an answer: what came of the request.
fn end<M>(payload: NetlinkPayload<M>) -> io::Result<()> {
    if let NetlinkPayload::Error(error) = payload {
        return errno(error.raw_code());
    }
    if let NetlinkPayload::Done(done) = payload {
        return errno(done.code);
    }
    Err(io::Error::other(
        "the kernel ended its answer in an unknown way",
    ))
}

/// 0, or the negative of an error number.
fn errno(code: i32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.saturating_abs())),
    }
}

/// The messages in one datagram of the kernel.
fn messages<M: NetlinkDeserializable>(
    datagram: &[u8],
) -> impl Iterator<Item = io::Result<NetlinkMessage<M>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parsed = NetlinkMessage::<M>::deserialize(rest);
        let length = parsed
            .as_ref()
            .map_or(rest.len(), |m| m.header.length as usize);
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        Some(parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
    })
}
