//! What deaths may cost, by the code of the switch: docs/architecture.md, "What a death can cost".

use super::stage::{FLOWS, Path};
use super::{FlowObserved, Observed};
use std::time::Duration;
use vswitch::switch::BURST;

/// How far a lane may be behind its uplink when it dies: what waits in its receive ring is lost with
/// it. A lane that shares its CPU waits so long for it now and then.
const BEHIND: Duration = Duration::from_millis(20);

/// What may be lost and doubled in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Deaths of instances that own the lanes, or may own them.
    pub owners: u64,
    /// Promotes that may be called off by a death: what the NIC has delivered to the standby by then
    /// is lost, which is a matter of time as well.
    pub promotes: u64,
    /// For how long the NIC may have delivered to both instances when it was steered.
    pub twice: Duration,
    /// Packets that a NIC may have taken from an owner and not sent yet when that dies, or lets go without
    /// having been told: it loses those of the dead, or sends them late. The software NIC sends before it
    /// returns.
    pub in_nic: u64,
    /// The NIC gives the owner nothing, and may take nothing from it, until traffic has moved.
    pub deaf: bool,
}

impl Bound {
    /// So many owners die.
    pub fn owners(owners: u64) -> Self {
        Self {
            owners,
            promotes: 0,
            twice: Duration::ZERO,
            in_nic: 0,
            deaf: false,
        }
    }

    /// The uplink of the active instance goes deaf, with a NIC that may deliver to both for so long.
    pub fn deaf(twice: Duration) -> Self {
        Self {
            deaf: true,
            ..Self::promote(twice)
        }
    }

    /// A promote that succeeds, with a NIC that may deliver to both for so long.
    pub fn promote(twice: Duration) -> Self {
        Self {
            twice,
            ..Self::nothing()
        }
    }

    /// One instance dies in a promote, and nobody knows which one owned the lanes then.
    pub fn in_a_promote() -> Self {
        Self {
            promotes: 1,
            ..Self::owners(1)
        }
    }

    /// No owner dies: nothing is lost or doubled.
    pub fn nothing() -> Self {
        Self::owners(0)
    }

    /// Everything in which `observed` is worse than this. Frames are not judged when it is void.
    pub fn violations(&self, observed: &Observed) -> Vec<String> {
        let mut found = Vec::new();
        if observed.disconnects > 0 {
            found.push(format!("{} disconnects", observed.disconnects));
        }
        for ((name, path), flow) in FLOWS.iter().zip(&observed.flows) {
            let never = [
                ("reordered", flow.tally.reordered, self.late(*path)),
                ("corrupted", flow.tally.corrupted, 0),
                ("doubled", flow.tally.doubled, self.doubled(*path)),
            ];
            let lost = (
                "lost",
                flow.tally.lost,
                self.lost(*path, flow, observed.rate),
            );
            let lost = observed.void.is_none().then_some(lost);
            if *path == Path::FromUplink {
                found.extend(self.doubled_too_long(name, flow));
            }
            for (what, count, limit) in never.into_iter().chain(lost) {
                if count > limit {
                    found.push(format!("{name}: {count} {what}, at most {limit} may be"));
                }
            }
        }
        found
    }

    /// A guest's burst whose buffers it has not got back is taken again. A burst from the NIC is in
    /// the dead process, and nobody can; but the NIC may double what it gets while it is steered.
    fn doubled(&self, path: Path) -> u64 {
        match path {
            Path::Guests | Path::ToUplink => self.owners * BURST as u64,
            Path::FromUplink if self.twice.is_zero() => 0,
            Path::FromUplink => u64::MAX,
        }
    }

    /// What was doubled was so for longer than the NIC was steered.
    fn doubled_too_long(&self, name: &str, flow: &FlowObserved) -> Option<String> {
        let (twice, most) = (Duration::from_nanos(flow.twice), self.twice);
        (twice > most && !most.is_zero())
            .then(|| format!("{name}: doubled for {twice:?} at least, at most {most:?} may be"))
    }

    /// What is taken again are copies of what has arrived, and what follows is newer.
    fn late(&self, path: Path) -> u64 {
        match path {
            Path::Guests | Path::FromUplink => 0,
            Path::ToUplink => self.in_nic,
        }
    }

    /// What a guest has sent waits in its own memory. What the NIC has delivered to the dead instance
    /// is gone, until it is steered.
    fn lost(&self, path: Path, flow: &FlowObserved, rate: u32) -> u64 {
        let time = Duration::from_nanos(flow.outage) + BEHIND;
        let meanwhile = (f64::from(rate) * time.as_secs_f64()) as u64;
        match path {
            Path::Guests => 0,
            Path::ToUplink if self.deaf => meanwhile,
            Path::ToUplink => self.owners * self.in_nic,
            Path::FromUplink if self.deaf => meanwhile,
            Path::FromUplink if self.owners + self.promotes == 0 => 0,
            Path::FromUplink => self.owners * BURST as u64 + meanwhile,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Window;
    use crate::failover::{Tally, Traffic};

    fn observed(change: impl Fn(usize, &mut FlowObserved)) -> Observed {
        let mut flows = vec![FlowObserved::default(); FLOWS.len()];
        for (place, flow) in flows.iter_mut().enumerate() {
            change(place, flow);
        }
        Observed {
            flows,
            rate: Traffic::USUAL.rate,
            disconnects: 0,
            window: Window::new(0, 1),
            terms: 1,
            stall: 0,
            void: None,
        }
    }

    fn tally(lost: u64, doubled: u64) -> Tally {
        Tally {
            lost,
            doubled,
            ..Tally::default()
        }
    }

    #[test]
    fn a_death_may_double_one_burst_of_a_guest_and_no_more() {
        let doubled = |count| {
            observed(move |place, flow| {
                if FLOWS[place].1 != Path::FromUplink {
                    flow.tally = tally(0, count);
                }
            })
        };
        let one = Bound::owners(1);
        assert_eq!(one.violations(&doubled(32)), [""; 0]);
        assert_eq!(one.violations(&doubled(33)).len(), 2);
        assert_eq!(Bound::nothing().violations(&doubled(1)).len(), 2);
    }

    #[test]
    fn a_guest_loses_nothing_and_the_uplink_as_much_as_time_takes() {
        let lost = |count, outage| {
            observed(move |_, flow| {
                flow.tally = tally(count, 0);
                flow.outage = outage;
            })
        };
        let violations = Bound::owners(1).violations(&lost(1, 0));
        assert_eq!(violations.len(), 2, "{violations:?}");
        let most = 32 + u64::from(Traffic::USUAL.rate) * 120 / 1000;
        let found = |count| Bound::owners(1).violations(&lost(count, 100_000_000)).len();
        assert_eq!((found(most), found(most + 1)), (2, 3));
        assert_eq!(Bound::nothing().violations(&lost(1, 0)).len(), 3);
    }

    #[test]
    fn a_nic_may_deliver_twice_while_it_is_steered() {
        let doubled = |twice| {
            observed(move |place, flow| {
                if FLOWS[place].1 == Path::FromUplink {
                    (flow.tally, flow.twice) = (tally(0, 3), twice);
                }
            })
        };
        let found = |ms, twice| {
            let bound = Bound::promote(Duration::from_millis(ms));
            bound.violations(&doubled(twice)).len()
        };
        assert_eq!((found(5, 0), found(5, 5_000_000)), (0, 0));
        assert_eq!((found(5, 5_000_001), found(0, 0)), (1, 1));
    }

    #[test]
    fn what_a_nic_has_taken_from_the_dead_is_lost_or_late() {
        let observed = observed(|place, flow| {
            if FLOWS[place].1 == Path::ToUplink {
                (flow.tally.lost, flow.tally.reordered) = (5, 4);
            }
        });
        let queue = |in_nic| Bound {
            in_nic,
            ..Bound::owners(1)
        };
        assert_eq!(queue(5).violations(&observed), [""; 0]);
        assert_eq!(queue(4).violations(&observed).len(), 1);
        assert_eq!(queue(3).violations(&observed).len(), 2);
    }

    #[test]
    fn a_deaf_uplink_loses_as_much_as_time_takes_and_guests_among_themselves_nothing() {
        let most = u64::from(Traffic::USUAL.rate) * 1020 / 1000;
        let found = |of_guests, by_uplink| {
            let observed = observed(|place, flow| {
                let lost = match FLOWS[place].1 {
                    Path::Guests => of_guests,
                    Path::FromUplink | Path::ToUplink => by_uplink,
                };
                flow.tally = tally(lost, 0);
                flow.outage = 1_000_000_000;
            });
            Bound::deaf(Duration::ZERO).violations(&observed).len()
        };
        assert_eq!((found(0, most), found(0, most + 1)), (0, 2));
        assert_eq!(found(1, 0), 1);
    }

    #[test]
    fn a_failing_instrument_excuses_losses_and_nothing_else() {
        let mut observed = observed(|_, flow| flow.tally = tally(9999, 33));
        observed.void = Some("it stalled".into());
        observed.disconnects = 1;
        assert_eq!(Bound::owners(1).violations(&observed).len(), 4);
    }
}
