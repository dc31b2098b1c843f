//! What keeps those who take part in a move from waiting for the machine.

use nix::sys::prctl;
use rustix::process::{Pid, getpgid, getppid, setpriority_pgrp};
use std::io;
use std::mem;

/// Who asks for short slices. The shorter one gets its CPU from the longer one when it wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slices {
    /// Mostly asleep, and waited for when it wakes: the supervisor, a control thread, a lane that waits
    /// for its lock.
    Waiting,
    /// A lane that forwards: it may be busy for ever, and must not keep those from its CPU who would
    /// notice.
    Forwarding,
}

/// Of what nobody waits for: the least share of a CPU.
const NICEST: i32 = 19;
/// Of what dies: a tenth of a CPU's share. Its successor waits for its memory, and nobody should for long.
const NICE: i32 = 10;

/// The shortest that the kernel grants (`__setparam_fair`, Linux `kernel/sched/fair.c`); its own
/// choice is 700 µs and more.
const SHORTEST_SLICE_NS: u64 = 100_000;

impl Slices {
    fn ns(self) -> u64 {
        match self {
            Self::Waiting => SHORTEST_SLICE_NS,
            Self::Forwarding => 300_000,
        }
    }
}

/// Asks for short slices for this thread and those that it starts: then it mostly gets its CPU when it
/// wakes, and not when the slice of whoever runs there is over, such as a process that is being torn
/// down. It gets no more of the CPU by it. And its naps end when they should, not 50 µs later.
///
/// Linux 6.12 has such slices (`PREEMPT_SHORT`); older kernels ignore the request. A thread to which
/// the operator gave a scheduling policy keeps it.
///
/// # Errors
/// What prctl(2), sched_getattr(2) and sched_setattr(2) say.
pub fn wake_at_once(slices: Slices) -> io::Result<()> {
    prctl::set_timerslack(1)?;
    let mut attributes = attributes()?;
    if attributes.sched_policy != libc::SCHED_OTHER as u32 {
        return Ok(());
    }
    attributes.sched_runtime = slices.ns();
    set(&attributes)
}

/// Lets others who want its CPU come before this thread, as far as nobody starves: nice 19, and the
/// kernel's own slices.
///
/// Not `SCHED_IDLE`: beside busy threads it would be seconds from one slice to the next, also in the
/// kernel and with something in its hands for which others spin.
///
/// # Errors
/// What sched_getattr(2) and sched_setattr(2) say.
pub fn step_back() -> io::Result<()> {
    let mut attributes = attributes()?;
    attributes.sched_nice = NICEST;
    attributes.sched_runtime = 0;
    set(&attributes)
}

/// Lets who shares the CPUs of a dying process come before it: it has gigabytes of page tables to tear
/// down. `process` leads a group, all of which is meant; this process's own group and its parent's are
/// left alone.
///
/// # Errors
/// What getpgid(2) and setpriority(2) say: there is no such process, or it is somebody else's.
pub fn let_wait(process: Pid) -> io::Result<()> {
    let is_leader = getpgid(Some(process))? == process;
    let mine = [None, getppid()].map(|of| getpgid(of).ok());
    if is_leader && !mine.contains(&Some(process)) {
        setpriority_pgrp(Some(process), NICE)?;
    }
    Ok(())
}

fn attributes() -> io::Result<libc::sched_attr> {
    let size = mem::size_of::<libc::sched_attr>();
    // SAFETY: all zeroes is a value of this plain struct.
    let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most `size` bytes, which the structure has.
    done(unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) })?;
    Ok(attributes)
}

/// For the calling thread.
fn set(attributes: &libc::sched_attr) -> io::Result<()> {
    // SAFETY: the kernel reads the structure, whose size it tells.
    done(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *attributes, 0) })
}

fn done(result: libc::c_long) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn who_steps_back_is_as_nice_as_can_be() {
        step_back().expect("everybody may");
        assert_eq!(attributes().expect("attributes").sched_nice, NICEST);
    }

    #[test]
    fn a_process_in_a_group_of_its_own_waits_and_this_one_does_not() {
        let mut other = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .expect("sleep");
        let nice = |process: Option<Pid>| getpriority_process(process).expect("priority");
        let mine = nice(None);
        let waits = let_wait(Pid::from_child(&other));
        let (its, refused) = (
            nice(Some(Pid::from_child(&other))),
            let_wait(rustix::process::getpid()),
        );
        other.kill().and_then(|()| other.wait()).expect("an end");
        waits.expect("its priority");
        refused.expect("nothing to do");
        assert_eq!((its, nice(None)), (NICE, mine));
    }

    #[test]
    fn only_the_slice_of_a_thread_changes() {
        let before = attributes().expect("attributes");
        wake_at_once(Slices::Waiting).expect("a short slice");
        let after = attributes().expect("attributes");
        assert_eq!(after.sched_policy, before.sched_policy);
        assert_eq!(after.sched_nice, before.sched_nice);
        assert!(
            [Slices::Waiting.ns(), 0].contains(&after.sched_runtime),
            "short, or not known to this kernel: {}",
            after.sched_runtime
        );
    }
}
