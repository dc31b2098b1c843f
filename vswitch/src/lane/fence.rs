//! A dying process lets go of its lanes at once.
//!
//! The kernel frees a robust lock when its thread ends, and a thread that dumps core ends after the
//! dump, seconds later. So the handler of a fatal signal parks the other lanes where they are, has
//! every lane abandon its lock, waits until all have, and only then lets the signal kill the
//! process: the core is still written, and by then the standby serves. SIGKILL needs nothing of it.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::*};
use std::time::Duration;
use vhost_transfer::MAX_LANES;
use vhost_transfer::ledger::LaneSlot;

const FATAL: [Signal; 5] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGABRT,
];
/// How long the dying thread waits for the others: they need a few µs.
const PATIENCE: Duration = Duration::from_millis(5);

/// What a signal handler can reach: it has no other argument than its signal's number.
static LANES: [Fenced; MAX_LANES as usize] = [const { Fenced::new() }; MAX_LANES as usize];
static DYING: AtomicBool = AtomicBool::new(false);

struct Fenced {
    /// 0 while there is no such lane.
    thread: AtomicI32,
    slot: AtomicPtr<LaneSlot>,
    holds: AtomicBool,
}

impl Fenced {
    const fn new() -> Self {
        Self {
            thread: AtomicI32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            holds: AtomicBool::new(false),
        }
    }
}

/// Installs the handlers for the whole process.
pub(super) fn install() -> nix::Result<()> {
    let on_stack = SaFlags::SA_ONSTACK;
    let fatal = SigAction::new(SigHandler::Handler(fatal), on_stack, SigSet::all());
    for signal in FATAL {
        // SAFETY: the handler calls only what is async-signal-safe.
        unsafe { sigaction(signal, &fatal)? };
    }
    // SAFETY: zeroes are a valid `sigaction`. nix has no real-time signals; this handler too calls
    // only what is async-signal-safe.
    let outcome = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = park as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(park_signal(), &action, ptr::null_mut())
    };
    nix::errno::Errno::result(outcome).map(drop)
}

/// The calling thread is lane `number` from now on.
pub(super) fn enrol(number: u16, slot: &LaneSlot) {
    let lane = &LANES[usize::from(number)];
    lane.slot.store(ptr::from_ref(slot).cast_mut(), Relaxed);
    // SAFETY: gettid(2) has no arguments and does not fail.
    lane.thread.store(unsafe { libc::gettid() }, Release);
}

/// The calling thread, lane `number`, holds its lock from now on, or does not any more.
pub(super) fn holds(number: u16, holds: bool) {
    LANES[usize::from(number)].holds.store(holds, Release);
}

extern "C" fn fatal(signal: i32) {
    if DYING.swap(true, AcqRel) {
        park(signal);
    }
    // SAFETY: getpid(2), gettid(2) and tgkill(2) are async-signal-safe.
    let (process, me) = unsafe { (libc::getpid(), libc::gettid()) };
    let threads = LANES.iter().map(|lane| lane.thread.load(Acquire));
    for thread in threads.filter(|&thread| thread != 0 && thread != me) {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, park_signal()) };
    }
    abandon(me);
    wait_for_all();
    // SAFETY: signal(2) and raise(3) are async-signal-safe; the signal is blocked until this
    // handler returns, and kills then.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

extern "C" fn park(_: i32) {
    // SAFETY: gettid(2) is async-signal-safe.
    abandon(unsafe { libc::gettid() });
    loop {
        // SAFETY: pause(2) is async-signal-safe.
        unsafe { libc::pause() };
    }
}

/// Lets go of the lane that is thread `me`, if it is one and holds its lock.
fn abandon(me: i32) {
    if let Some(lane) = LANES.iter().find(|lane| lane.thread.load(Acquire) == me)
        && lane.holds.swap(false, AcqRel)
    {
        // SAFETY: the slot was enrolled by this very thread, which holds its lock and will do
        // nothing any more but park or die; the ledger stays mapped until the process ends.
        unsafe { (*lane.slot.load(Relaxed)).abandon() };
    }
}

fn wait_for_all() {
    let until = super::monotonic_ns() + PATIENCE.as_nanos() as u64;
    let held = || LANES.iter().any(|lane| lane.holds.load(Acquire));
    while held() && super::monotonic_ns() < until {
        std::hint::spin_loop();
    }
}

fn park_signal() -> i32 {
    libc::SIGRTMIN() + 1
}
