//! What came of it.

use super::{Kind, Options};
use crate::failover::{Observed, Traffic};
use crate::statistics::Summary;
use serde::Serialize;
use std::collections::BTreeMap;
use vswitch::switch::BURST;

/// The result, as it is written.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Decided the deaths.
    pub seed: u64,
    /// Frames a second of each flow.
    pub rate: u32,
    /// Frames that a lane has in hand at most.
    pub burst: usize,
    /// Lanes.
    pub lanes: usize,
    /// Rounds that say nothing about frames, because the instrument itself failed, and were repeated.
    pub void: u32,
    /// How many of these there may be before the machine is too busy for this.
    pub void_limit: u32,
    /// By kind.
    pub kinds: BTreeMap<Kind, KindOutcome>,
    /// How often the ledger was looked at for two owners.
    pub looks: u64,
    /// Everything that must not be.
    pub violations: Vec<String>,
}

/// The deaths of one kind. Frames are those of rounds that are not void.
#[derive(Debug, Default, Serialize)]
pub struct KindOutcome {
    /// Processes that died.
    pub deaths: u32,
    /// Rounds that say nothing about frames; not among the deaths.
    pub void: u32,
    /// Frames lost, of all rounds.
    pub lost: u64,
    /// Frames lost in one round, at most.
    pub lost_max: u64,
    /// Frames doubled, of all rounds.
    pub doubled: u64,
    /// Frames doubled in one round, at most.
    pub doubled_max: u64,
    /// Frames that were overtaken.
    pub reordered: u64,
    /// The longest gap of any flow in a round, µs.
    pub blackout_us: Option<Summary>,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// Times that the system did not recover.
    pub stuck: u32,
    #[serde(skip)]
    blackouts: Vec<f64>,
}

impl Outcome {
    pub(super) fn new(seed: u64, options: &Options) -> Self {
        Self {
            seed,
            rate: Traffic::USUAL.rate,
            burst: BURST,
            lanes: options.lanes.len(),
            void: 0,
            void_limit: options.void_limit(),
            kinds: BTreeMap::new(),
            looks: 0,
            violations: Vec::new(),
        }
    }

    /// Processes that died in rounds that count.
    pub fn deaths(&self) -> u32 {
        self.kinds.values().map(|kind| kind.deaths).sum()
    }

    /// The system has not recovered.
    pub fn is_stuck(&self) -> bool {
        self.kinds.values().any(|kind| kind.stuck > 0)
    }

    /// The instrument failed in so many rounds that the others may have been chosen by it.
    pub fn is_void(&self) -> bool {
        self.void > self.void_limit
    }

    /// There are to be more deaths, and nothing speaks against it.
    pub(super) fn goes_on(&self, deaths: u32) -> bool {
        self.deaths() < deaths && !self.is_stuck() && !self.is_void()
    }

    /// Everything held, in rounds that count.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty() && !self.is_stuck() && !self.is_void()
    }

    pub(super) fn add(&mut self, kind: Kind, observed: Option<Observed>, broken: Vec<String>) {
        let before = self.deaths();
        let broken = broken.into_iter();
        self.violations
            .extend(broken.map(|what| format!("death {before}, {kind}: {what}")));
        let of_kind = self.kinds.entry(kind).or_default();
        match observed {
            Some(observed) => of_kind.add(kind, &observed),
            None => of_kind.stuck += 1,
        }
        self.void = self.kinds.values().map(|kind| kind.void).sum();
    }

    pub(super) fn add_witnessed(&mut self, looks: u64, found: Vec<String>) {
        self.looks = looks;
        let found = found.into_iter();
        self.violations
            .extend(found.map(|what| format!("ledger: {what}")));
    }
}

impl KindOutcome {
    fn add(&mut self, kind: Kind, observed: &Observed) {
        self.disconnects += observed.disconnects;
        let total = observed.total();
        self.reordered += total.reordered;
        if observed.void.is_some() {
            self.void += 1;
            return;
        }
        self.deaths += kind.deaths();
        self.lost += total.lost;
        self.lost_max = self.lost_max.max(total.lost);
        self.doubled += total.doubled;
        self.doubled_max = self.doubled_max.max(total.doubled);
        self.blackouts.push(observed.blackout() as f64 / 1e3);
        self.blackout_us = Summary::of(&self.blackouts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Window;
    use crate::failover::FlowObserved;
    use clap::Parser;

    fn observed(void: Option<&str>) -> Observed {
        let mut flow = FlowObserved::default();
        (flow.tally.lost, flow.blackout) = (5, 2000);
        Observed {
            flows: vec![flow; 3],
            rate: Traffic::USUAL.rate,
            disconnects: 0,
            window: Window::new(0, 1),
            stall: 0,
            terms: 1,
            void: void.map(str::to_owned),
        }
    }

    #[test]
    fn void_rounds_are_counted_and_repeated() {
        let options = Options::try_parse_from(["chaos"]).unwrap();
        let mut outcome = Outcome::new(7, &options);
        outcome.add(Kind::Double, Some(observed(None)), vec![]);
        outcome.add(Kind::Double, Some(observed(Some("late"))), vec![]);
        let double = &outcome.kinds[&Kind::Double];
        assert_eq!((double.deaths, double.void, double.lost_max), (2, 1, 15));
        assert_eq!(double.blackout_us.unwrap().max, 2.0);
        assert!(outcome.is_well());
    }

    #[test]
    fn a_run_with_too_many_void_rounds_is_not_well() {
        let options = Options::try_parse_from(["chaos", "--deaths", "8"]).unwrap();
        let mut outcome = Outcome::new(7, &options);
        let rounds = 0..=outcome.void_limit;
        for round in rounds {
            assert!(
                outcome.is_well() && !outcome.is_void(),
                "{round} void rounds"
            );
            outcome.add(Kind::Sigkill, Some(observed(Some("late"))), vec![]);
        }
        assert!(outcome.is_void() && !outcome.is_well());
        assert!(outcome.to_string().contains("VOID"), "{outcome}");
        let json = serde_json::to_value(&outcome).unwrap();
        assert_eq!(json["void"], outcome.void_limit + 1);
    }

    #[test]
    fn what_does_not_recover_or_hold_is_not_well() {
        let options = Options::try_parse_from(["chaos"]).unwrap();
        let mut outcome = Outcome::new(7, &options);
        outcome.add(Kind::Sigkill, None, vec![]);
        assert!(outcome.is_stuck() && !outcome.is_well());
        let mut outcome = Outcome::new(7, &options);
        outcome.add_witnessed(9, vec!["the term went back".to_owned()]);
        assert!(!outcome.is_well());
        assert!(serde_json::to_value(&outcome).unwrap()["violations"][0].is_string());
    }
}
