//! Two instances that cannot be one pair.

use super::super::DaemonError;
use super::Adopted;
use nix::sys::stat::fstat;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use vhost_transfer::message::Standing;

/// Which one has to go, and why.
pub(super) fn loser(adopted: &[Adopted]) -> Result<Option<(usize, &'static str)>, DaemonError> {
    let [first, second] = adopted else {
        return Ok(None);
    };
    let loser = usize::from(claim(first) >= claim(second));
    if memory(first)? != memory(second)? {
        return Ok(Some((loser, "it has another ledger than the other one")));
    }
    let both = is_active(first) && is_active(second);
    Ok(both.then_some((loser, "the other one has its lanes")))
}

/// Of two the greater one is kept.
fn claim(instance: &Adopted) -> (bool, bool) {
    (is_active(instance), has_first_lane(instance))
}

fn is_active(instance: &Adopted) -> bool {
    instance.told.rejoin.standing == Standing::Active
}

/// While nobody holds the lane, who had it last has it.
fn has_first_lane(instance: &Adopted) -> bool {
    let lane = instance.told.ledger.lane(0);
    let last = || lane.thread.load(Relaxed);
    let thread = lane.lock.holder().unwrap_or_else(last);
    let task = format!("/proc/{}/task/{thread}", instance.orphan.pid);
    Path::new(&task).exists()
}

/// What tells one ledger from another.
fn memory(instance: &Adopted) -> Result<(u64, u64), DaemonError> {
    fstat(instance.told.ledger.fd())
        .map(|file| (file.st_dev, file.st_ino))
        .map_err(|error| DaemonError::Adopt(format!("ledger: {error}")))
}
