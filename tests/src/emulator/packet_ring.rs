//! A receive ring shared with the kernel, TPACKET_V2: one slot a frame
//! (Documentation/networking/packet_mmap.rst).

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::uplink::check;

const FRAME_SIZE: u32 = 2048;
const FRAMES_PER_BLOCK: u32 = 32;

/// The mapped ring and the slot that comes next.
pub(super) struct PacketRing {
    base: NonNull<u8>,
    frames: u32,
    next: u32,
    lost_frames: bool,
}

// SAFETY: the mapping belongs to this value alone, and its methods take it exclusively.
unsafe impl Send for PacketRing {}

impl PacketRing {
    /// Gives `socket` a ring of `frames` slots.
    pub(super) fn new(socket: &OwnedFd, frames: u32) -> io::Result<Self> {
        let frames = frames.next_multiple_of(FRAMES_PER_BLOCK);
        let version = libc::tpacket_versions::TPACKET_V2 as i32;
        set(socket, libc::PACKET_VERSION, &version)?;
        let request = libc::tpacket_req {
            tp_block_size: FRAME_SIZE * FRAMES_PER_BLOCK,
            tp_block_nr: frames / FRAMES_PER_BLOCK,
            tp_frame_size: FRAME_SIZE,
            tp_frame_nr: frames,
        };
        set(socket, libc::PACKET_RX_RING, &request)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        let length = length(frames);
        // SAFETY: a new shared mapping at an address that the kernel chooses touches nothing existing.
        let base = unsafe { mmap(None, length, protection, flags, socket, 0) }?.cast();
        Ok(Self {
            base,
            frames,
            next: 0,
            lost_frames: false,
        })
    }

    /// Copies the next frame out, if there is one, and gives its slot back. Returns its length.
    pub(super) fn next(&mut self, frame: &mut [u8]) -> Option<usize> {
        let offset = self.next as usize * FRAME_SIZE as usize;
        // SAFETY: `next` is below `frames`, so the slot is inside the mapping, and page aligned.
        let slot = unsafe { self.base.add(offset) };
        // SAFETY: tp_status is the first, aligned word of the slot, shared with the kernel.
        let status = unsafe { AtomicU32::from_ptr(slot.cast().as_ptr()) };
        let state = status.load(Ordering::Acquire);
        if state & libc::TP_STATUS_USER == 0 {
            return None;
        }
        self.lost_frames = state & libc::TP_STATUS_LOSING != 0;
        let length = copy(slot, frame);
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.frames;
        Some(length)
    }

    /// Whether the kernel had dropped frames by the time of the last one.
    pub(super) fn lost_frames(&self) -> bool {
        self.lost_frames
    }
}

impl Drop for PacketRing {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and nothing borrows from it any more.
        let _ = unsafe { munmap(self.base.cast(), length(self.frames).get()) };
    }
}

/// Copies the frame of a slot that the kernel has given to us.
fn copy(slot: NonNull<u8>, frame: &mut [u8]) -> usize {
    // SAFETY: the slot begins with a tpacket2_hdr, which the kernel does not change while it is ours.
    let header = unsafe { slot.cast::<libc::tpacket2_hdr>().read() };
    let start = usize::from(header.tp_mac).min(FRAME_SIZE as usize);
    let length = (header.tp_snaplen as usize)
        .min(FRAME_SIZE as usize - start)
        .min(frame.len());
    // SAFETY: start and length were cut to the slot's size, length to the frame's.
    unsafe {
        let source = slot.add(start).as_ptr();
        std::ptr::copy_nonoverlapping(source, frame.as_mut_ptr(), length);
    }
    length
}

fn length(frames: u32) -> NonZeroUsize {
    NonZeroUsize::new((frames * FRAME_SIZE) as usize).expect("a ring has frames")
}

fn set<T>(socket: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    let (fd, size) = (socket.as_raw_fd(), size_of::<T>() as libc::socklen_t);
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: pointer and size are those of one plain value, which the kernel only reads.
    check(unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, value, size) }).map(drop)
}
