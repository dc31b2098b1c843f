//! A dying process lets go of its lanes at once.
//!
//! The kernel frees a robust lock when its thread ends, and a thread that dumps core ends after the
//! dump, seconds later. So the handler of a fatal signal parks the other lanes where they are, has
//! every lane abandon its lock, waits until all have, and only then lets the signal kill the
//! process: the core is still written, and by then the standby serves. SIGKILL needs nothing of it.
//! Before, it notes in the ledger over which port the thread died.
//!
//! SIGBUS over guest memory is not fatal: see `memory/registry.rs`.

use crate::memory;
use libc::siginfo_t;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Pid, gettid};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, Ordering::*};
use std::time::Duration;
use vhost_transfer::ledger::{Death, InstanceSlot, LaneSlot};
use vhost_transfer::{MAX_LANES, PortId, on_time};

const FATAL: [Signal; 4] = [
    Signal::SIGSEGV,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGABRT,
];
/// How long the dying thread waits for the others: they need a few µs, and a CPU.
const PATIENCE: Duration = Duration::from_millis(50);
/// Between two looks at them.
static NAP: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 20_000,
};

/// What a signal handler can reach: it has no argument of ours.
static LANES: [Fenced; MAX_LANES as usize] = [const { Fenced::new() }; MAX_LANES as usize];
static INSTANCE: AtomicPtr<InstanceSlot> = AtomicPtr::new(ptr::null_mut());
/// The control thread, and that it is parked.
static CONTROL: AtomicI32 = AtomicI32::new(0);
static CONTROL_RESTS: AtomicBool = AtomicBool::new(false);
static DYING: AtomicBool = AtomicBool::new(false);

struct Fenced {
    /// 0 while there is no such lane.
    thread: AtomicI32,
    slot: AtomicPtr<LaneSlot>,
    /// [`FREE`], [`HELD`] or [`LEAVING`]; only the lane's own thread writes it.
    lock: AtomicU8,
}

/// The lane has no lock, or is about to get it.
const FREE: u8 = 0;
/// It has it, and can be parked.
const HELD: u8 = 1;
/// It has it still, and lets go of it next.
const LEAVING: u8 = 2;

impl Fenced {
    const fn new() -> Self {
        Self {
            thread: AtomicI32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            lock: AtomicU8::new(FREE),
        }
    }

    fn slot(&self) -> Option<&LaneSlot> {
        // SAFETY: null, or enrolled; the ledger stays mapped until the process ends.
        unsafe { self.slot.load(Acquire).as_ref() }
    }
}

/// Installs the handlers for the whole process, which is this instance. The calling thread is its
/// control thread.
pub(super) fn install(instance: &InstanceSlot) -> nix::Result<()> {
    INSTANCE.store(ptr::from_ref(instance).cast_mut(), Release);
    CONTROL.store(gettid().as_raw(), Release);
    let on_stack = SaFlags::SA_ONSTACK;
    let fatal = SigAction::new(SigHandler::Handler(fatal), on_stack, SigSet::all());
    for signal in FATAL {
        // SAFETY: the handler calls only what is async-signal-safe.
        unsafe { sigaction(signal, &fatal)? };
    }
    let bus = SigAction::new(SigHandler::SigAction(bus), on_stack, SigSet::all());
    // SAFETY: as above.
    unsafe { sigaction(Signal::SIGBUS, &bus)? };
    // SAFETY: zeroes are a valid `sigaction`. nix has no real-time signals; this handler too calls
    // only what is async-signal-safe, and nothing interrupts it half-way.
    let outcome = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigfillset(&raw mut action.sa_mask);
        action.sa_sigaction = park as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(park_signal(), &action, ptr::null_mut())
    };
    nix::errno::Errno::result(outcome).map(drop)
}

/// The control thread; `None` before [`install`].
pub(super) fn control() -> Option<Pid> {
    let thread = CONTROL.load(Acquire);
    (thread != 0).then(|| Pid::from_raw(thread))
}

/// The calling thread is lane `number` from now on.
pub(super) fn enrol(number: u16, slot: &LaneSlot) {
    let lane = &LANES[usize::from(number)];
    lane.slot.store(ptr::from_ref(slot).cast_mut(), Release);
    // SAFETY: gettid(2) has no arguments and does not fail.
    lane.thread.store(unsafe { libc::gettid() }, Release);
}

/// The calling thread, lane `number`, holds its lock from now on. In a process that dies it lets go
/// of it again and rests: the signal to park may have come just before.
pub(super) fn holds(number: u16) {
    LANES[usize::from(number)].lock.store(HELD, SeqCst);
    if DYING.load(SeqCst) {
        // SAFETY: gettid(2) has no arguments and does not fail.
        rest(unsafe { libc::gettid() });
    }
}

/// The next thing that the calling thread, lane `number`, does is to let go of its lock.
pub(super) fn lets_go(number: u16) {
    LANES[usize::from(number)].lock.store(LEAVING, Release);
}

/// The calling thread, lane `number`, has let go of its lock.
pub(super) fn has_let_go(number: u16) {
    LANES[usize::from(number)].lock.store(FREE, Release);
}

/// Guest memory that its front end took away is replaced, and the thread goes on.
extern "C" fn bus(signal: i32, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO a valid siginfo; every thread has an errno.
    let (code, address, errno) = unsafe {
        (
            (*info).si_code,
            (*info).si_addr().addr(),
            libc::__errno_location(),
        )
    };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // The kernel's own signals have positive codes, and only they have an address (sigaction(2)).
    if code <= 0 || !memory::lost_at(address) {
        fatal(signal);
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

extern "C" fn fatal(signal: i32) {
    // SAFETY: getpid(2), gettid(2) and tgkill(2) are async-signal-safe.
    let (process, me) = unsafe { (libc::getpid(), libc::gettid()) };
    if DYING.swap(true, SeqCst) {
        rest(me);
    }
    note_death(signal, me);
    let lanes = LANES.iter().map(|lane| lane.thread.load(Acquire));
    let threads = lanes.chain([CONTROL.load(Acquire)]);
    for thread in threads.filter(|&thread| thread != 0 && thread != me) {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, park_signal()) };
    }
    wait_for_others(me);
    abandon(me);
    take_turns();
    // SAFETY: signal(2) and raise(3) are async-signal-safe; the signal is blocked until this
    // handler returns, and kills then.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Nobody waits any more for what this thread does: its core dump, or its share of tearing down memory.
fn take_turns() {
    let _ = on_time::take_turns();
}

/// A lane that does not hold its lock goes on: it may be about to get it, see [`holds`], or to let go of it.
extern "C" fn park(_: i32) {
    // SAFETY: gettid(2) is async-signal-safe.
    let me = unsafe { libc::gettid() };
    if lane_of(me).is_none_or(|lane| lane.lock.load(Acquire) == HELD) {
        rest(me);
    }
}

/// Leaves all as it is, and is nobody's owner any more.
fn rest(me: i32) -> ! {
    if me == CONTROL.load(Acquire) {
        CONTROL_RESTS.store(true, Release);
    }
    abandon(me);
    take_turns();
    loop {
        // SAFETY: pause(2) is async-signal-safe.
        unsafe { libc::pause() };
    }
}

/// Tells the supervisor of what thread `me` dies, and over which port.
fn note_death(signal: i32, me: i32) {
    // SAFETY: null, or set by `install`; the ledger stays mapped until the process ends.
    let Some(instance) = (unsafe { INSTANCE.load(Acquire).as_ref() }) else {
        return;
    };
    let serving = match lane_of(me).and_then(Fenced::slot) {
        Some(slot) => slot.serving.load(Relaxed),
        None if instance.thread.load(Relaxed) == me => instance.serving.load(Relaxed),
        None => 0,
    };
    let port = u16::try_from(serving).ok().and_then(PortId::new);
    instance.note_death(Death {
        signal: signal as u8,
        port: port.filter(|&port| port != PortId::UPLINK),
    });
}

fn lane_of(thread: i32) -> Option<&'static Fenced> {
    LANES
        .iter()
        .find(|lane| lane.thread.load(Acquire) == thread)
}

/// Lets go of the lane that is thread `me`, if it is one and holds its lock.
fn abandon(me: i32) {
    if let Some(lane) = lane_of(me)
        && let Some(slot) = lane.slot()
        && lane
            .lock
            .compare_exchange(HELD, LEAVING, AcqRel, Acquire)
            .is_ok()
    {
        // SAFETY: the slot was enrolled by this very thread, which holds its lock and will do
        // nothing any more but park or die.
        unsafe { slot.abandon(super::monotonic_ns()) };
        // Only now may the process be killed: until then nobody else could have the lock.
        lane.lock.store(FREE, Release);
    }
}

/// Until no lane has its lock but the calling one, and the control thread leaves the front ends alone.
fn wait_for_others(me: i32) {
    let until = super::monotonic_ns() + PATIENCE.as_nanos() as u64;
    let runs = |lane: &Fenced| lane.thread.load(Acquire) != me && lane.lock.load(Acquire) != FREE;
    let control = CONTROL.load(Acquire);
    let answers = || control != 0 && control != me && !CONTROL_RESTS.load(Acquire);
    while (LANES.iter().any(runs) || answers()) && super::monotonic_ns() < until {
        // They may share this thread's CPU, and it may come before them.
        // SAFETY: nanosleep(2) is async-signal-safe, reads the time, and is told to write nothing.
        unsafe { libc::nanosleep(&raw const NAP, ptr::null_mut()) };
    }
}

fn park_signal() -> i32 {
    libc::SIGRTMIN() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestMemory;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::unistd::ftruncate;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use vhost_transfer::device::MemoryRegion;
    use vhost_transfer::{InstanceId, Ledger};

    const REGION: MemoryRegion = MemoryRegion {
        guest_addr: 0,
        size: 0x4000,
        user_addr: 0x1000_0000,
        mmap_offset: 0,
    };
    const LAST: u64 = REGION.size - 1;

    fn memory() -> (Arc<OwnedFd>, GuestMemory) {
        let file = memfd_create(c"guest", MFdFlags::MFD_CLOEXEC).unwrap();
        ftruncate(&file, REGION.size as i64).unwrap();
        let file = Arc::new(file);
        let memory = GuestMemory::map(&[REGION], &[Arc::clone(&file)], &GuestMemory::default());
        (file, memory.unwrap())
    }

    fn read(memory: &GuestMemory, addr: u64) -> u8 {
        let (at, _) = memory.guest_range(addr, 1).unwrap();
        // SAFETY: a byte of a mapping that lives.
        unsafe { at.read_volatile() }
    }

    fn write(memory: &GuestMemory, addr: u64, byte: u8) {
        let (at, _) = memory.guest_range(addr, 1).unwrap();
        // SAFETY: as above.
        unsafe { at.write_volatile(byte) }
    }

    #[test]
    fn memory_that_was_taken_away_is_lost_and_nothing_else_is() {
        install(Ledger::create().unwrap().instance(InstanceId::A)).unwrap();
        let ((cut_off, lost), (_file, kept)) = (memory(), memory());
        for memory in [&lost, &kept] {
            write(memory, 0, 1);
            write(memory, LAST, 2);
        }
        ftruncate(&cut_off, 0x1000).unwrap();
        assert_eq!(read(&lost, 0), 1, "what is left of the file is there");
        assert!(!lost.is_lost(), "nobody has touched the rest");

        assert_eq!(read(&lost, LAST), 0);
        assert!(lost.is_lost());
        write(&lost, LAST, 3);
        assert_eq!([read(&lost, 0), read(&lost, LAST)], [1, 3]);

        assert_eq!([read(&kept, 0), read(&kept, LAST)], [1, 2]);
        assert!(!kept.is_lost());
    }

    /// A successor takes over what its predecessor had, and finds out itself.
    #[test]
    fn memory_is_adopted_as_it_is() {
        install(Ledger::create().unwrap().instance(InstanceId::A)).unwrap();
        let (file, before) = memory();
        ftruncate(&file, 0x1000).unwrap();
        let (regions, fds) = ([REGION], [file]);
        assert!(GuestMemory::map(&regions, &fds, &before).is_err());
        let adopted = GuestMemory::adopt(&regions, &fds, &GuestMemory::default()).unwrap();
        assert!(!adopted.is_lost());
        assert_eq!(read(&adopted, LAST), 0);
        assert!(adopted.is_lost());

        // What is lost is not taken for the same memory when the file is long enough again.
        ftruncate(&fds[0], REGION.size as i64).unwrap();
        let again = GuestMemory::map(&regions, &fds, &adopted).unwrap();
        assert!(!again.is_lost());
    }
}
