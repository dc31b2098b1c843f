//! What keeps those who take part in a move from waiting for the machine.

use nix::sys::prctl;
use nix::unistd::Pid;
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

/// Who comes before all ordinary threads of its CPU; who is further down, before those above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// A lane that takes over after a death. It must nap often.
    Lane = 1,
    /// A control thread that is to tell the supervisor of a takeover: until then the NIC is not steered.
    ControlThread = 2,
    /// The supervisor, at all times: mostly asleep, and the one that notices who runs for ever.
    Supervisor = 3,
}

/// Of what nobody waits for: the least share of a CPU.
const NICEST: i32 = 19;
const RESET_ON_FORK: u64 = libc::SCHED_FLAG_RESET_ON_FORK as u64;

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

/// Asks for short slices for this thread: then it mostly gets its CPU when it wakes, and not when the
/// slice of whoever runs there is over. It gets no more of the CPU by it. And its naps end when they
/// should, not 50 µs later. It comes first no longer.
///
/// Linux 6.12 has such slices (`PREEMPT_SHORT`); older kernels ignore the request. A thread to which
/// the operator gave a scheduling policy keeps it.
///
/// # Errors
/// What sched_getattr(2), sched_setscheduler(2), prctl(2) and sched_setattr(2) say.
pub fn wake_at_once(slices: Slices) -> io::Result<()> {
    if comes_first(&attributes(None)?) {
        take_turns()?;
    }
    prctl::set_timerslack(1)?;
    let mut attributes = attributes(None)?;
    if !is_ordinary(&attributes) {
        return Ok(());
    }
    attributes.sched_runtime = slices.ns();
    set(None, &attributes)
}

/// Makes this thread an ordinary one, whoever chose its policy. Its nice value stays.
/// Async-signal-safe.
///
/// # Errors
/// What sched_setscheduler(2) says.
pub fn take_turns() -> io::Result<()> {
    let ordinary = libc::sched_param { sched_priority: 0 };
    // Without privileges nobody may take back that children begin anew.
    let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads the structure.
    done(unsafe { libc::sched_setscheduler(0, policy, &raw const ordinary) }.into())
}

/// Puts `thread`, or this one, before all ordinary threads of its CPU: `SCHED_RR` (sched(7)).
///
/// Short slices are not enough beside a process that dies, which has gigabytes of page tables to tear down
/// where it ran. The scheduler is fair: who was preempted by others has a claim to its CPU, and who
/// has just run has none, until the next tick, which is up to 10 ms.
///
/// What the thread starts is ordinary again. A thread to which the operator gave a scheduling policy or
/// a nice value keeps it.
///
/// # Errors
/// What the calls named above say; without `CAP_SYS_NICE`, `EPERM`.
pub fn come_first(thread: Option<Pid>, rank: Rank) -> io::Result<()> {
    let mut attributes = attributes(thread)?;
    if !is_ordinary(&attributes) || attributes.sched_nice != 0 {
        return Ok(());
    }
    attributes.sched_policy = libc::SCHED_RR as u32;
    attributes.sched_priority = rank as u32;
    attributes.sched_flags |= RESET_ON_FORK;
    set(thread, &attributes)
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
    let mut attributes = attributes(None)?;
    attributes.sched_nice = NICEST;
    attributes.sched_runtime = 0;
    set(None, &attributes)
}

fn is_ordinary(attributes: &libc::sched_attr) -> bool {
    attributes.sched_policy == libc::SCHED_OTHER as u32
}

/// By [`come_first`], and not by the operator.
fn comes_first(attributes: &libc::sched_attr) -> bool {
    let ranks = Rank::Lane as u32..=Rank::Supervisor as u32;
    attributes.sched_policy == libc::SCHED_RR as u32
        && ranks.contains(&attributes.sched_priority)
        && attributes.sched_flags & RESET_ON_FORK != 0
}

fn id(thread: Option<Pid>) -> libc::pid_t {
    thread.map_or(0, Pid::as_raw)
}

fn attributes(thread: Option<Pid>) -> io::Result<libc::sched_attr> {
    let size = mem::size_of::<libc::sched_attr>();
    // SAFETY: all zeroes is a value of this plain struct.
    let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
    let thread = id(thread);
    // SAFETY: the kernel writes at most `size` bytes, which the structure has.
    done(unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            thread,
            &raw mut attributes,
            size,
            0,
        )
    })?;
    Ok(attributes)
}

fn set(thread: Option<Pid>, attributes: &libc::sched_attr) -> io::Result<()> {
    let thread = id(thread);
    // SAFETY: the kernel reads the structure, whose size it tells.
    done(unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const *attributes, 0) })
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
    use std::thread;

    fn mine() -> libc::sched_attr {
        attributes(None).expect("attributes")
    }

    /// In a thread of its own.
    fn alone(what: fn()) {
        thread::spawn(what).join().expect("no panic");
    }

    #[test]
    fn who_steps_back_is_as_nice_as_can_be() {
        alone(|| {
            step_back().expect("everybody may");
            assert_eq!(mine().sched_nice, NICEST);
        });
    }

    #[test]
    fn only_the_slice_of_a_thread_changes() {
        alone(|| {
            let before = mine();
            wake_at_once(Slices::Waiting).expect("a short slice");
            let after = mine();
            assert_eq!(after.sched_policy, before.sched_policy);
            assert_eq!(after.sched_nice, before.sched_nice);
            assert!(
                [Slices::Waiting.ns(), 0].contains(&after.sched_runtime),
                "short, or not known to this kernel: {}",
                after.sched_runtime
            );
        });
    }

    #[test]
    fn a_thread_comes_first_until_it_waits_and_what_it_starts_does_not() {
        alone(|| {
            come_first(None, Rank::Lane).expect("this test needs CAP_SYS_NICE");
            let first = mine();
            assert!(comes_first(&first));
            assert_eq!(first.sched_priority, Rank::Lane as u32);
            alone(|| assert!(is_ordinary(&mine())));
            wake_at_once(Slices::Waiting).expect("a short slice");
            assert!(is_ordinary(&mine()));
            assert!([Slices::Waiting.ns(), 0].contains(&mine().sched_runtime));
            assert_eq!(prctl::get_timerslack().expect("a slack"), 1);
        });
    }

    #[test]
    fn what_the_operator_chose_stays() {
        alone(|| {
            step_back().expect("everybody may");
            come_first(None, Rank::Lane).expect("nothing to do");
            assert!(is_ordinary(&mine()));
        });
        // systemd's CPUSchedulingPolicy=, without and with CPUSchedulingResetOnFork=.
        alone(|| stays(libc::SCHED_FIFO, 0));
        alone(|| stays(libc::SCHED_RR, RESET_ON_FORK));
    }

    fn stays(policy: i32, flags: u64) {
        let mut chosen = mine();
        chosen.sched_policy = policy as u32;
        chosen.sched_priority = 7;
        chosen.sched_flags |= flags;
        set(None, &chosen).expect("this test needs CAP_SYS_NICE");
        come_first(None, Rank::Supervisor).expect("nothing to do");
        wake_at_once(Slices::Waiting).expect("nothing to do");
        assert_eq!(mine().sched_policy, policy as u32);
        assert_eq!(mine().sched_priority, 7);
    }
}
