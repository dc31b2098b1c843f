//! Requests of a front end, and how they are read.

use super::Refusal;
use super::wire::Reader;
use std::fmt;
use vhost_transfer::MAX_MEMORY_REGIONS;
use vhost_transfer::device::{DirtyLog, MemoryRegion};

/// A request whose payload has been read. Ring indices and values are still what the front end says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names and meanings are those of the specification
pub enum Request {
    GetFeatures,
    SetFeatures(u64),
    SetOwner,
    ResetOwner,
    SetMemTable(Vec<MemoryRegion>),
    SetLogBase(DirtyLog),
    SetLogFd,
    SetVringNum {
        ring: u32,
        size: u32,
    },
    SetVringAddr(RingAddresses),
    SetVringBase {
        ring: u32,
        base: u32,
    },
    GetVringBase {
        ring: u32,
    },
    SetVringEvent {
        event: RingEvent,
        ring: u32,
        has_fd: bool,
    },
    GetProtocolFeatures,
    SetProtocolFeatures(u64),
    GetQueueNum,
    SetVringEnable {
        ring: u32,
        enabled: bool,
    },
    SendRarp([u8; 6]),
    NetSetMtu(u64),
    ResetDevice,
    GetMaxMemSlots,
    AddMemReg(MemoryRegion),
    RemMemReg(MemoryRegion),
    SetStatus(u64),
    GetStatus,
}

/// Which eventfd of a ring is set: SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RingEvent {
    Kick,
    Call,
    Err,
}

/// The payload of SET_VRING_ADDR; addresses are those of the front end's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RingAddresses {
    pub ring: u32,
    pub log_used: bool,
    pub desc: u64,
    pub used: u64,
    pub avail: u64,
    pub log: u64,
}

const NO_FD: u64 = 1 << 8;
const RING_MASK: u64 = 0xff;
const LOG_USED: u32 = 1;
const REGION_LEN: usize = 32;

impl Request {
    /// Reads the payload of request `code`.
    ///
    /// # Errors
    /// [`Refusal`], never a panic, whatever the bytes are.
    pub fn parse(code: u32, payload: &[u8]) -> Result<Self, Refusal> {
        let none = |request| sized(payload, 0).map(|_| request);
        let number = || sized(payload, 8).and_then(|mut reader| field(reader.u64()));
        match code {
            1 => none(Self::GetFeatures),
            2 => number().map(Self::SetFeatures),
            3 => none(Self::SetOwner),
            4 => none(Self::ResetOwner),
            5 => memory_table(payload).map(Self::SetMemTable),
            6 => dirty_log(payload).map(Self::SetLogBase),
            7 => none(Self::SetLogFd),
            8 => ring_state(payload).map(|(ring, size)| Self::SetVringNum { ring, size }),
            9 => ring_addresses(payload).map(Self::SetVringAddr),
            10 => ring_state(payload).map(|(ring, base)| Self::SetVringBase { ring, base }),
            11 => ring_state(payload).map(|(ring, _)| Self::GetVringBase { ring }),
            12 => number().map(|word| ring_event(RingEvent::Kick, word)),
            13 => number().map(|word| ring_event(RingEvent::Call, word)),
            14 => number().map(|word| ring_event(RingEvent::Err, word)),
            15 => none(Self::GetProtocolFeatures),
            16 => number().map(Self::SetProtocolFeatures),
            17 => none(Self::GetQueueNum),
            18 => ring_enable(payload),
            19 => number().map(|word| Self::SendRarp(address(word))),
            20 => number().map(Self::NetSetMtu),
            34 => none(Self::ResetDevice),
            36 => none(Self::GetMaxMemSlots),
            37 => single_region(payload).map(Self::AddMemReg),
            38 => single_region(payload).map(Self::RemMemReg),
            39 => number().map(Self::SetStatus),
            40 => none(Self::GetStatus),
            code => Err(Refusal::UnknownRequest(code)),
        }
    }

    /// The least and the most fds that come with it.
    pub(super) fn fds(&self) -> (usize, usize) {
        match self {
            Self::SetMemTable(regions) => (regions.len(), regions.len()),
            Self::SetLogBase(_) | Self::SetLogFd | Self::AddMemReg(_) => (1, 1),
            Self::SetVringEvent { has_fd, .. } => (usize::from(*has_fd), usize::from(*has_fd)),
            // Some front ends send the region's fd along; it is of no use.
            Self::RemMemReg(_) => (0, 1),
            Self::GetFeatures
            | Self::SetFeatures(_)
            | Self::SetOwner
            | Self::ResetOwner
            | Self::SetVringNum { .. }
            | Self::SetVringAddr(_)
            | Self::SetVringBase { .. }
            | Self::GetVringBase { .. }
            | Self::GetProtocolFeatures
            | Self::SetProtocolFeatures(_)
            | Self::GetQueueNum
            | Self::SetVringEnable { .. }
            | Self::SendRarp(_)
            | Self::NetSetMtu(_)
            | Self::ResetDevice
            | Self::GetMaxMemSlots
            | Self::SetStatus(_)
            | Self::GetStatus => (0, 0),
        }
    }
}

/// The specification's name of request `code`, for people.
#[derive(Debug, Clone, Copy)]
pub struct Name(pub u32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 20] = [
            "GET_FEATURES",
            "SET_FEATURES",
            "SET_OWNER",
            "RESET_OWNER",
            "SET_MEM_TABLE",
            "SET_LOG_BASE",
            "SET_LOG_FD",
            "SET_VRING_NUM",
            "SET_VRING_ADDR",
            "SET_VRING_BASE",
            "GET_VRING_BASE",
            "SET_VRING_KICK",
            "SET_VRING_CALL",
            "SET_VRING_ERR",
            "GET_PROTOCOL_FEATURES",
            "SET_PROTOCOL_FEATURES",
            "GET_QUEUE_NUM",
            "SET_VRING_ENABLE",
            "SEND_RARP",
            "NET_SET_MTU",
        ];
        match self.0 {
            code @ 1..=20 => f.write_str(NAMES[code as usize - 1]),
            34 => f.write_str("RESET_DEVICE"),
            36 => f.write_str("GET_MAX_MEM_SLOTS"),
            37 => f.write_str("ADD_MEM_REG"),
            38 => f.write_str("REM_MEM_REG"),
            39 => f.write_str("SET_STATUS"),
            40 => f.write_str("GET_STATUS"),
            code => write!(f, "request {code}"),
        }
    }
}

fn sized(payload: &[u8], expected: usize) -> Result<Reader<'_>, Refusal> {
    match payload.len() {
        got if got == expected => Ok(Reader(payload)),
        got => Err(Refusal::PayloadSize { expected, got }),
    }
}

/// A number that must be there, since the size was checked.
fn field<T>(number: Option<T>) -> Result<T, Refusal> {
    number.ok_or(Refusal::PayloadSize {
        expected: size_of::<T>(),
        got: 0,
    })
}

fn ring_state(payload: &[u8]) -> Result<(u32, u32), Refusal> {
    let mut reader = sized(payload, 8)?;
    Ok((field(reader.u32())?, field(reader.u32())?))
}

fn ring_enable(payload: &[u8]) -> Result<Request, Refusal> {
    match ring_state(payload)? {
        (ring, on @ (0 | 1)) => Ok(Request::SetVringEnable {
            ring,
            enabled: on == 1,
        }),
        (_, value) => Err(Refusal::Enable(value)),
    }
}

fn ring_event(event: RingEvent, word: u64) -> Request {
    let ring = (word & RING_MASK) as u32;
    Request::SetVringEvent {
        event,
        ring,
        has_fd: word & NO_FD == 0,
    }
}

fn ring_addresses(payload: &[u8]) -> Result<RingAddresses, Refusal> {
    let mut reader = sized(payload, 40)?;
    let (ring, flags) = (field(reader.u32())?, field(reader.u32())?);
    Ok(RingAddresses {
        ring,
        log_used: flags & LOG_USED != 0,
        desc: field(reader.u64())?,
        used: field(reader.u64())?,
        avail: field(reader.u64())?,
        log: field(reader.u64())?,
    })
}

fn dirty_log(payload: &[u8]) -> Result<DirtyLog, Refusal> {
    let mut reader = sized(payload, 16)?;
    Ok(DirtyLog {
        size: field(reader.u64())?,
        offset: field(reader.u64())?,
    })
}

fn memory_table(payload: &[u8]) -> Result<Vec<MemoryRegion>, Refusal> {
    let mut reader = Reader(payload);
    let too_short = Refusal::PayloadSize {
        expected: 8,
        got: payload.len(),
    };
    let (Some(count), Some(_padding)) = (reader.u32(), reader.u32()) else {
        return Err(too_short);
    };
    let count = count as usize;
    if count > MAX_MEMORY_REGIONS {
        return Err(Refusal::RegionCount {
            got: count,
            limit: MAX_MEMORY_REGIONS,
        });
    }
    sized(payload, 8 + count * REGION_LEN)?;
    (0..count).map(|_| region(&mut reader)).collect()
}

fn single_region(payload: &[u8]) -> Result<MemoryRegion, Refusal> {
    let mut reader = sized(payload, 8 + REGION_LEN)?;
    let _padding = field(reader.u64())?;
    region(&mut reader)
}

fn region(reader: &mut Reader<'_>) -> Result<MemoryRegion, Refusal> {
    Ok(MemoryRegion {
        guest_addr: field(reader.u64())?,
        size: field(reader.u64())?,
        user_addr: field(reader.u64())?,
        mmap_offset: field(reader.u64())?,
    })
}

/// The six bytes that stand first in memory.
fn address(word: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, _, _] = word.to_ne_bytes();
    [a, b, c, d, e, f]
}
