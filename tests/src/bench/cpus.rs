//! Who runs where.

use super::error::{Error, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const THIS_THREAD: Pid = Pid::from_raw(0);

/// Gives the last CPU to the instrument: the calling thread, and threads and processes that it makes
/// from now on, keep to the others. So the work of a promote takes its time from the lanes that it
/// moves, if from anybody, and is never mistaken for a gap because the instrument waited for it.
///
/// # Errors
/// [`Error::OneCpu`].
pub(crate) fn reserve_for_instrument() -> Result<usize> {
    let mut cpus = sched_getaffinity(THIS_THREAD).map_err(Error::system)?;
    let all: Vec<usize> = (0..CpuSet::count())
        .filter(|cpu| cpus.is_set(*cpu).unwrap_or(false))
        .collect();
    let [_, .., last] = all[..] else {
        return Err(Error::OneCpu);
    };
    cpus.unset(last).map_err(Error::system)?;
    sched_setaffinity(THIS_THREAD, &cpus).map_err(Error::system)?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, whose affinity goes with it.
    #[test]
    fn the_last_cpu_is_given_away() {
        let (reserved, left) = std::thread::spawn(|| {
            let reserved = reserve_for_instrument().unwrap();
            (reserved, sched_getaffinity(THIS_THREAD).unwrap())
        })
        .join()
        .unwrap();
        assert!(!left.is_set(reserved).unwrap());
        assert!((0..reserved).any(|cpu| left.is_set(cpu).unwrap()));
    }
}
