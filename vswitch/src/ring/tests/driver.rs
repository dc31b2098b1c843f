//! A driver in a memfd, which can write whatever it likes.

use crate::memory::GuestMemory;
use crate::ring::{Cursor, Frame, Ring, Room, Taken};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use vhost_transfer::device::{MemoryRegion, RingFds, RingState, SocketMode};
use vhost_transfer::ledger::{Predecessor, RingPosition, RingSlot, Tenure};
use vhost_transfer::{DeviceState, PortId, Term};

pub(super) const MEMORY: u64 = 1 << 20;
/// The front end's addresses differ from the guest's, so that a mix-up shows.
pub(super) const USER: u64 = 0x7f00_0000_0000;
pub(super) const SIZE: u16 = 8;
pub(super) const DESC: u64 = 0x1000;
pub(super) const AVAIL: u64 = 0x2000;
pub(super) const USED: u64 = 0x3000;
pub(super) const BUFFERS: u64 = 0x10000;
pub(super) const HEADER: usize = 12;

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

pub(super) struct Driver {
    file: std::fs::File,
    pub(super) ring: Ring,
    pub(super) cursor: Cursor,
    pub(super) slot: RingSlot,
    pub(super) frame: Frame,
    pub(super) room: Room,
    call: Arc<OwnedFd>,
    err: Arc<OwnedFd>,
}

impl Driver {
    pub(super) fn new(features: u64) -> Self {
        let memfd = memfd_create(c"ring-test", MFdFlags::MFD_CLOEXEC).unwrap();
        ftruncate(&memfd, MEMORY as i64).unwrap();
        let file = std::fs::File::from(memfd.try_clone().unwrap());
        let region = MemoryRegion {
            guest_addr: 0,
            size: MEMORY,
            user_addr: USER,
            mmap_offset: 0,
        };
        let memory = Arc::new(
            GuestMemory::map(&[region], &[Arc::new(memfd)], &GuestMemory::default()).unwrap(),
        );
        let mut device = DeviceState::new(PortId::new(1).unwrap(), SocketMode::Server, 8);
        device.features = features;
        let state = RingState {
            size: SIZE,
            desc_addr: USER + DESC,
            avail_addr: USER + AVAIL,
            used_addr: USER + USED,
            started: true,
            enabled: true,
            ..RingState::default()
        };
        let [call, err] = [(); 2].map(|()| {
            Arc::new(OwnedFd::from(
                EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap(),
            ))
        });
        let fds = RingFds {
            kick: None,
            call: Some(Arc::clone(&call)),
            err: Some(Arc::clone(&err)),
        };
        let ring = Ring::new(&device, &state, &fds, &memory).unwrap();
        let mut driver = Self {
            file,
            ring,
            cursor: Cursor::unplaced(),
            slot: RingSlot::default(),
            frame: Frame::default(),
            room: Room::default(),
            call,
            err,
        };
        driver.begin(Term(1), Predecessor::Released);
        driver
    }

    /// The owner changes.
    pub(super) fn begin(&mut self, term: Term, predecessor: Predecessor) {
        let tenure = Tenure { term, predecessor };
        self.cursor
            .place(&self.ring, &self.slot, tenure.term, tenure.predecessor);
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).unwrap();
    }

    pub(super) fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    pub(super) fn descriptor(
        &self,
        table: u64,
        index: u16,
        addr: u64,
        len: u32,
        flags: u16,
        next: u16,
    ) {
        let at = table + u64::from(index) * 16;
        self.write(at, &addr.to_le_bytes());
        self.write(at + 8, &len.to_le_bytes());
        self.write(at + 12, &flags.to_le_bytes());
        self.write(at + 14, &next.to_le_bytes());
    }

    /// Makes `heads` available, the first one at free-running `index`.
    pub(super) fn make_available(&self, index: u16, heads: &[u16]) {
        for (step, head) in (0..).zip(heads) {
            let place = u64::from(index.wrapping_add(step) % SIZE);
            self.write(AVAIL + 4 + place * 2, &head.to_le_bytes());
        }
        self.set_avail_index(index.wrapping_add(heads.len() as u16));
    }

    pub(super) fn set_avail_index(&self, index: u16) {
        self.write(AVAIL + 2, &index.to_le_bytes());
    }

    pub(super) fn used_index(&self) -> u16 {
        u16::from_le_bytes(self.read(USED + 2))
    }

    /// Head and length of the used entry at free-running `index`.
    pub(super) fn used(&self, index: u16) -> (u32, u32) {
        let at = USED + 4 + u64::from(index % SIZE) * 8;
        (
            u32::from_le_bytes(self.read(at)),
            u32::from_le_bytes(self.read(at + 4)),
        )
    }

    pub(super) fn set_position(&self, index: u16) {
        self.slot.publish(RingPosition::split(index));
    }

    /// Takes all that the driver made available; the packets' bytes, `None` for garbage.
    pub(super) fn take_all(&mut self) -> Vec<Option<Vec<u8>>> {
        let count = self.ring.transmittable(&mut self.cursor, u16::MAX);
        let mut packets = Vec::new();
        for _ in 0..count {
            match self.ring.take(&mut self.cursor, &mut self.frame) {
                Some(Taken::Packet) => packets.push(Some(self.frame_bytes())),
                Some(Taken::Garbage) => packets.push(None),
                None => break,
            }
        }
        self.ring.complete(&mut self.cursor, &self.slot);
        packets
    }

    fn frame_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.frame.len() as usize];
        // SAFETY: the vector has the frame's length and is not guest memory.
        unsafe {
            self.frame
                .copy_to(std::ptr::NonNull::from(&mut bytes[..]).cast())
        };
        bytes
    }

    pub(super) fn calls(&self) -> u64 {
        count(&self.call)
    }

    pub(super) fn errors(&self) -> u64 {
        count(&self.err)
    }
}

fn count(event: &OwnedFd) -> u64 {
    let mut word = [0; 8];
    match nix::unistd::read(event, &mut word) {
        Ok(_) => u64::from_ne_bytes(word),
        Err(_) => 0,
    }
}
