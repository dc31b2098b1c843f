//! Names of instances, ports and terms.

use crate::MAX_PORTS;
use minicbor::{Decode, Decoder, Encode, decode};
use std::fmt;

/// One of the two vswitch processes. Which of them is active is a [`Role`], never its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum InstanceId {
    /// The first.
    #[n(0)]
    A,
    /// The second.
    #[n(1)]
    B,
}

impl InstanceId {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other of the two.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What an instance does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// It owns the rings and the NIC's traffic.
    #[n(0)]
    Active,
    /// It is completely started and waits for the lane locks.
    #[n(1)]
    Standby,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Standby => "standby",
        })
    }
}

/// Number of the current ownership; every move adds one. 0: nobody has owned the lanes yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Term(#[n(0)] pub u64);

impl Term {
    /// The term of the next ownership.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A port of the switch, less than [`MAX_PORTS`] and never used for two ports at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u16);

impl PortId {
    /// The port that leads to the NIC.
    pub const UPLINK: Self = Self(0);

    /// `None` when `number` is not less than [`MAX_PORTS`].
    pub fn new(number: u16) -> Option<Self> {
        (number < MAX_PORTS).then_some(Self(number))
    }

    /// The number, always less than [`MAX_PORTS`].
    pub fn get(self) -> u16 {
        self.0
    }

    /// The number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> Encode<C> for PortId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u16(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PortId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(d.u16()?).ok_or_else(|| decode::Error::message("port number out of range"))
    }
}
