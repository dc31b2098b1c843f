//! The ledger as an fd and its mapping.

use super::layout::{self, Layout};
use super::mapping::map;
use super::{Fdb, Handover, InstanceSlot, LAYOUT_VERSION, LaneSlot, PortCounters, RingSlot};
use crate::{InstanceId, MAX_LANES, MAX_RINGS, PortId};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::sys::uio::pread;
use nix::unistd::ftruncate;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

/// Why an fd is not a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The kernel says no.
    #[error("ledger: {0}")]
    Io(#[from] io::Error),
    /// Another size, or it may be truncated under us.
    #[error("ledger has {got} bytes and seals {seals:#x}; {expected} sealed bytes belong there")]
    Shape {
        /// By the layout.
        expected: u64,
        /// By fstat(2).
        got: u64,
        /// By F_GET_SEALS.
        seals: i32,
    },
    /// Of another version; 0: not a ledger at all.
    #[error(
        "ledger has layout {got}, this version shares layout {LAYOUT_VERSION}: run the same version on both sides"
    )]
    Version {
        /// Found.
        got: u32,
    },
}

/// A mapping of the ledger. Dropping it closes the fd; the memory stays mapped until the process ends.
#[derive(Debug)]
pub struct Ledger {
    fd: OwnedFd,
    mapping: &'static Layout,
}

const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_SEAL);

impl Ledger {
    /// A fresh one: nobody owns a lane, every ring stands at 0.
    ///
    /// # Errors
    /// Those of memfd_create(2), ftruncate(2), mmap(2).
    pub fn create() -> Result<Self, LedgerError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(c"vswsup-ledger", flags).map_err(io::Error::from)?;
        ftruncate(&fd, size_of::<Layout>() as i64).map_err(io::Error::from)?;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS)).map_err(io::Error::from)?;
        let mapping = map(fd.as_fd())?;
        mapping.initialise()?;
        Ok(Self { fd, mapping })
    }

    /// The ledger behind a received fd.
    ///
    /// # Errors
    /// [`LedgerError::Shape`] and [`LedgerError::Version`] when it is not one of ours.
    pub fn open(fd: OwnedFd) -> Result<Self, LedgerError> {
        check_version(&fd)?;
        check_shape(&fd)?;
        let mapping = map(fd.as_fd())?;
        Ok(Self { fd, mapping })
    }

    /// The memory itself, to be sent.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Who owns the switch, and who is to own it next.
    pub fn handover(&self) -> &Handover {
        &self.mapping.handover
    }

    /// The slot of a lane.
    ///
    /// # Panics
    /// When `lane` is not less than [`MAX_LANES`]; the number of lanes is checked at start.
    pub fn lane(&self, lane: u16) -> &LaneSlot {
        assert!(lane < MAX_LANES, "lane {lane} of {MAX_LANES}");
        &self.mapping.lanes[usize::from(lane)]
    }

    /// The slot of a ring, `None` when `ring` is not less than [`MAX_RINGS`].
    pub fn ring(&self, port: PortId, ring: u16) -> Option<&RingSlot> {
        self.mapping
            .rings
            .get(port.index() * usize::from(MAX_RINGS) + usize::from(ring))
            .filter(|_| ring < MAX_RINGS)
    }

    /// The counters of a port.
    pub fn counters(&self, port: PortId) -> &PortCounters {
        &self.mapping.counters[port.index()]
    }

    /// How far the vhost-user messages of a port's front end are handled, as one word of the
    /// instance's own, so that a successor knows what its predecessor died on.
    pub fn handled(&self, port: PortId) -> &AtomicU64 {
        &self.mapping.handled[port.index()]
    }

    /// The slot of an instance.
    pub fn instance(&self, instance: InstanceId) -> &InstanceSlot {
        &self.mapping.instances[instance as usize]
    }

    /// The forwarding database.
    pub fn fdb(&self) -> &Fdb {
        &self.mapping.fdb
    }
}

/// Reads the version from the file: a ledger of another layout has another size, and may be
/// mapped by nobody who does not know it.
pub(super) fn check_version(fd: &OwnedFd) -> Result<(), LedgerError> {
    let mut header = [0; layout::HEADER_LEN];
    let length = pread(fd, &mut header, 0).map_err(io::Error::from)?;
    match layout::version_in(&header[..length]) {
        LAYOUT_VERSION => Ok(()),
        got => Err(LedgerError::Version { got }),
    }
}

pub(super) fn check_shape(fd: &OwnedFd) -> Result<(), LedgerError> {
    let expected = size_of::<Layout>() as u64;
    let got = fstat(fd).map_err(io::Error::from)?.st_size as u64;
    let seals = fcntl(fd, FcntlArg::F_GET_SEALS).map_err(io::Error::from)?;
    if got == expected && SealFlag::from_bits_truncate(seals).contains(SEALS) {
        return Ok(());
    }
    Err(LedgerError::Shape {
        expected,
        got,
        seals,
    })
}
