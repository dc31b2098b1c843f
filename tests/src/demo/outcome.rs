//! The result, as JSON prints it.

use super::counts::Counts;
use super::measured::{FLOWS, Measured, Recording};
use super::options::Options;
use crate::statistics::{Difference, Summary, two_sample};
use serde::Serialize;
use std::process::ExitCode;

const AT_LEAST_ONE: &str = "a run has at least one promote";

/// What the demo showed. All times are microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Promotes that were measured; every one of them succeeded.
    pub promotes: u32,
    /// Frames a second of each flow.
    pub rate: u32,
    /// Bytes of a frame on the wire.
    pub frame_size: u16,
    /// Each flow over all promotes.
    pub flows: Vec<FlowOutcome>,
    /// Longest gaps of windows without a move, as long and as many as those with a promote, all flows.
    pub noise_us: Summary,
    /// The longest blackout of each promote against the longest gap of each window without one.
    pub promote_against_noise: Difference,
    /// From the old lanes' last burst to the new lanes' first, as the instances tell.
    pub freeze_us: Option<Summary>,
    /// Longest time in each promote's window that the instrument itself did not run, from 100 µs on: a
    /// blackout of this length is the machine's, not the promote's.
    pub stall_us: Summary,
    /// One promote that closes the connections, so that guests connect again.
    pub reconnect: MoveOutcome,
    /// One plain restart of the whole switch.
    pub restart: MoveOutcome,
    /// Measurements in which the instrument stalled for too long; each was repeated.
    pub void_runs: usize,
    /// Why, one for each.
    pub void_reasons: Vec<String>,
    /// Each promote, in order.
    pub each_promote: Vec<PromoteOutcome>,
}

/// One flow over one or more moves.
#[derive(Clone, Debug, Serialize)]
pub struct FlowOutcome {
    /// `vm-to-vm`, `uplink-to-vm` or `vm-to-uplink`.
    pub name: &'static str,
    /// Its frames, and the connections of its ends.
    #[serde(flatten)]
    pub counts: Counts,
    /// Longest gap between two arrivals around each move.
    pub blackout_us: Summary,
    /// Longest gap of each window of the same length without one.
    pub noise_us: Summary,
}

/// One move.
#[derive(Clone, Debug, Serialize)]
pub struct MoveOutcome {
    /// Longest time that the instrument itself did not run meanwhile, from 100 µs on.
    pub stall_us: f64,
    /// vhost-user connections made again, all guests.
    pub reconnects: u64,
    /// Each flow.
    pub flows: Vec<FlowOutcome>,
}

/// One promote.
#[derive(Clone, Debug, Serialize)]
pub struct PromoteOutcome {
    /// Its number, from 1.
    pub promote: u32,
    /// From the old lanes' last burst to the new lanes' first, as the instances tell.
    pub freeze_us: Option<f64>,
    /// What it was for guests and flows.
    #[serde(flatten)]
    pub outcome: MoveOutcome,
}

/// Whether the promotes were what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No frame was lost, doubled, reordered or changed, and no guest disconnected.
    Unnoticed,
    /// One was.
    Noticed,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Unnoticed => Self::SUCCESS,
            Verdict::Noticed => Self::FAILURE,
        }
    }
}

impl Outcome {
    pub(super) fn new(options: &Options, recording: &Recording) -> Self {
        let promotes = &recording.promotes;
        let flows = promotes.iter().flat_map(|promote| &promote.flows);
        let noise: Vec<f64> = flows.map(|flow| flow.noise_us).collect();
        let freezes: Vec<f64> = promotes
            .iter()
            .filter_map(|promote| promote.freeze_us)
            .collect();
        let stalls: Vec<f64> = promotes.iter().map(|promote| promote.stall_us).collect();
        Self {
            promotes: promotes.len() as u32,
            rate: options.rate,
            frame_size: options.frame_size,
            flows: flows_over(promotes),
            noise_us: summary(&noise),
            promote_against_noise: difference(promotes),
            freeze_us: Summary::of(&freezes),
            stall_us: summary(&stalls),
            reconnect: MoveOutcome::new(&recording.reconnect),
            restart: MoveOutcome::new(&recording.restart),
            void_runs: recording.voids.len(),
            void_reasons: recording.voids.clone(),
            each_promote: (1..).zip(promotes).map(PromoteOutcome::new).collect(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .expect("numbers, strings and lists can be written as JSON")
    }

    /// Whether the promotes went unnoticed.
    pub fn verdict(&self) -> Verdict {
        match self.flows.iter().all(|flow| flow.counts.is_clean()) {
            true => Verdict::Unnoticed,
            false => Verdict::Noticed,
        }
    }
}

impl MoveOutcome {
    fn new(measured: &Measured) -> Self {
        Self {
            stall_us: measured.stall_us,
            reconnects: measured.reconnects,
            flows: flows_over(std::slice::from_ref(measured)),
        }
    }

    /// The frames of all flows.
    pub fn counts(&self) -> Counts {
        self.flows.iter().map(|flow| flow.counts).sum()
    }

    /// The longest blackout of its flows.
    pub fn blackout_us(&self) -> f64 {
        self.flows
            .iter()
            .map(|flow| flow.blackout_us.max)
            .fold(0.0, f64::max)
    }
}

impl PromoteOutcome {
    fn new((promote, measured): (u32, &Measured)) -> Self {
        Self {
            promote,
            freeze_us: measured.freeze_us,
            outcome: MoveOutcome::new(measured),
        }
    }
}

fn flows_over(moves: &[Measured]) -> Vec<FlowOutcome> {
    let flow = |place: usize| moves.iter().map(move |measured| measured.flows[place]);
    let one = |place: usize| FlowOutcome {
        name: FLOWS[place].key,
        counts: flow(place).map(|flow| flow.counts).sum(),
        blackout_us: summary(&flow(place).map(|flow| flow.blackout_us).collect::<Vec<_>>()),
        noise_us: summary(&flow(place).map(|flow| flow.noise_us).collect::<Vec<_>>()),
    };
    (0..FLOWS.len()).map(one).collect()
}

fn difference(promotes: &[Measured]) -> Difference {
    let [blackouts, noise] = [Measured::blackout_us, Measured::noise_us]
        .map(|longest| promotes.iter().map(longest).collect::<Vec<f64>>());
    two_sample(&blackouts, &noise).expect(AT_LEAST_ONE)
}

fn summary(values: &[f64]) -> Summary {
    Summary::of(values).expect(AT_LEAST_ONE)
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    fn json(outcome: &Outcome) -> serde_json::Value {
        serde_json::from_str(&outcome.to_json()).unwrap()
    }

    #[test]
    fn the_fields_are_those_that_readers_look_for() {
        let json = json(&made_up::outcome());
        assert_eq!(json["promotes"], 5);
        assert_eq!(json["void_runs"], 1);
        for summary in [&json["noise_us"], &json["freeze_us"], &json["stall_us"]] {
            assert_summary(summary);
        }
        for moves in [
            &json,
            &json["reconnect"],
            &json["restart"],
            &json["each_promote"][4],
        ] {
            let flows = moves["flows"].as_array().unwrap();
            let names: Vec<_> = flows
                .iter()
                .map(|flow| flow["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, ["vm-to-vm", "uplink-to-vm", "vm-to-uplink"]);
            flows.iter().for_each(assert_flow);
        }
    }

    fn assert_flow(flow: &serde_json::Value) {
        for count in [
            "sent",
            "received",
            "lost",
            "doubled",
            "reordered",
            "disconnects",
        ] {
            assert!(flow[count].is_u64(), "{count}: {flow}");
        }
        assert_summary(&flow["blackout_us"]);
    }

    fn assert_summary(summary: &serde_json::Value) {
        for part in ["median", "p99", "max"] {
            assert!(summary[part].is_f64(), "{part}: {summary}");
        }
    }

    #[test]
    fn counts_are_summed_and_gaps_are_summarized_over_promotes() {
        let outcome = made_up::outcome();
        assert_eq!(outcome.flows[0].counts.sent, 5 * made_up::SENT);
        assert_eq!(
            outcome.flows[0].blackout_us.median,
            outcome.each_promote[2].outcome.flows[0].blackout_us.max
        );
        assert_eq!(outcome.restart.counts().lost, 3 * made_up::LOST_BY_RESTART);
        assert_eq!(outcome.restart.reconnects, 3);
    }

    #[test]
    fn one_frame_or_one_guest_decides_the_verdict() {
        assert_eq!(made_up::outcome().verdict(), Verdict::Unnoticed);
        let spoil: [fn(&mut Counts); 5] = [
            |counts| counts.lost += 1,
            |counts| counts.doubled += 1,
            |counts| counts.reordered += 1,
            |counts| counts.corrupted += 1,
            |counts| counts.disconnects += 1,
        ];
        for spoil in spoil {
            let mut recording = made_up::recording();
            spoil(&mut recording.promotes[3].flows[2].counts);
            let outcome = Outcome::new(&made_up::options(), &recording);
            assert_eq!(outcome.verdict(), Verdict::Noticed);
        }
    }
}
