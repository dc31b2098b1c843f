//! A recording that nobody made, for tests: five promotes, the third of them the median one.

use super::counts::Counts;
use super::measured::{FlowMeasured, Measured, Recording, Trace, TracedFlow};
use super::options::Options;
use super::outcome::Outcome;
use clap::Parser;

pub(super) const SENT: u64 = 10_000;
pub(super) const LOST_BY_RESTART: u64 = 30_000;

pub(super) fn options() -> Options {
    Options::parse_from(["demo"])
}

pub(super) fn outcome() -> Outcome {
    Outcome::new(&options(), &recording())
}

pub(super) fn recording() -> Recording {
    Recording {
        promotes: [70.0, 50.0, 80.0, 1200.0, 90.0].map(promote).to_vec(),
        reconnect: moved(9_000.0, 0, 3),
        restart: moved(612_345.0, LOST_BY_RESTART, 3),
        voids: vec!["the instrument stalled for 120 ms".into()],
    }
}

fn promote(blackout_us: f64) -> Measured {
    Measured {
        freeze_us: Some(blackout_us / 4.0),
        ..moved(blackout_us, 0, 0)
    }
}

fn moved(blackout_us: f64, lost: u64, reconnects: u64) -> Measured {
    let counts = Counts {
        sent: SENT + lost,
        received: SENT,
        lost,
        disconnects: reconnects,
        reconnects,
        ..Counts::default()
    };
    let flow = |share: f64| FlowMeasured {
        counts,
        blackout_us: blackout_us * share,
        noise_us: 40.0 * share,
    };
    Measured {
        flows: [1.0, 0.9, 0.8].map(flow).to_vec(),
        freeze_us: None,
        stall_us: blackout_us / 2.0,
        reconnects,
        trace: trace(blackout_us),
    }
}

/// 5 packets a step, but none where the gap covers the whole step.
fn trace(gap_us: f64) -> Trace {
    let (step_us, from_us) = ((gap_us / 50.0).max(100.0), -gap_us / 2.0 - 5_000.0);
    let gap = (500.0, 500.0 + gap_us);
    let packets = |step: i32| {
        let begin = from_us + f64::from(step) * step_us;
        if begin >= gap.0 && begin + step_us <= gap.1 {
            0
        } else {
            (step_us / 20.0) as u32
        }
    };
    let flow = || TracedFlow {
        packets: (0..150).map(packets).collect(),
        gap_us: gap,
    };
    Trace {
        from_us,
        step_us,
        done_us: 700.0 + gap_us,
        flows: vec![flow(), flow(), flow()],
    }
}
