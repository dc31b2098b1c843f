//! What the instrument needs of its process: a CPU for the polling thread, and descriptors.

use std::io;

use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use super::error::{Result, system};

const THIS_THREAD: Pid = Pid::from_raw(0);

/// Pins the calling thread to `cpu`, or to the last of the CPUs it may use, and puts it there, if
/// `realtime`, before all that is not.
pub(crate) fn settle(cpu: Option<usize>, realtime: bool) -> Result<()> {
    let cpu = cpu.map_or_else(last_cpu, Ok)?;
    let mut set = CpuSet::new();
    set.set(cpu).map_err(system(format!("use CPU {cpu}")))?;
    let pinned = sched_setaffinity(THIS_THREAD, &set);
    pinned.map_err(system(format!("pin the instrument to CPU {cpu}")))?;
    match realtime {
        true => be_realtime().map_err(system("use SCHED_FIFO (this needs CAP_SYS_NICE)")),
        false => Ok(()),
    }
}

/// A device takes eight descriptors: 255 of them are more than the usual limit of 1,024.
pub(crate) fn allow_many_descriptors() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system("ask for the fd limit"))?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(system("raise the fd limit"))
}

fn last_cpu() -> Result<usize> {
    let allowed = sched_getaffinity(THIS_THREAD).map_err(system("ask for the CPU affinity"))?;
    let last = (0..CpuSet::count())
        .rev()
        .find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    Ok(last.unwrap_or(0))
}

fn be_realtime() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel only reads the parameters.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
