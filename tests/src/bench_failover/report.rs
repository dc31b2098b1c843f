//! The result, as it is written, and for people.

use super::Options;
use super::round::Round;
use crate::bench::{Counts, Error, Result};
use crate::statistics::Summary;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// What happens in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nothing.
    Quiet,
    /// The active instance gets SIGKILL.
    Sigkill,
    /// The active instance gets SIGSEGV, and its core is dumped.
    SigsegvCore,
    /// The active instance gets SIGSTOP.
    Hang,
    /// All of the switch is killed and started again; its two instances start at the same time.
    RestartWithoutStandby,
}

/// All windows of one cause with so many devices.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// What happened.
    pub cause: Cause,
    /// Devices of all guests; one of them carries flows.
    pub devices: usize,
    /// Windows.
    pub runs: usize,
    /// The longest gap of any flow, µs; of a hang less the time of its detection.
    pub blackout_us: Summary,
    /// Median blackout less that of quiet windows with as many devices, µs.
    pub above_noise_us: f64,
    /// Frames that did not arrive.
    pub lost: u64,
    /// Frames that arrived twice.
    pub doubled: u64,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// Windows after which some flow did not go on, or there was no spare.
    pub stuck: u64,
    /// Cores written.
    pub cores: u64,
    /// Windows measured again, because the instrument failed.
    pub void: usize,
    /// Guest memory in the page tables of the instance that died, KiB, median.
    pub resident_kib: f64,
    /// All frames.
    pub counts: Counts,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// By cause and number of devices.
    pub cases: Vec<Case>,
    /// The noise floor, µs: the longest gap of any flow in a quiet window.
    pub noise_us: Summary,
    /// Bytes of the busy guest's memory, in 4 KiB pages, all touched.
    pub guest_memory: usize,
    /// Taken off the blackout of a hang, µs.
    pub detection_us: u64,
    /// Frames a second of each flow.
    pub rate: u32,
    /// Decided the order.
    pub seed: u64,
    /// Every window that counts.
    pub windows: Vec<WindowReport>,
}

/// One window, µs.
#[derive(Debug, Clone, Serialize)]
pub struct WindowReport {
    /// What happened in it.
    pub cause: Cause,
    /// Devices of all guests.
    pub devices: usize,
    /// The longest gap of any flow; of a hang with the time of its detection.
    pub blackout_us: f64,
    /// How long the instrument itself did not run, at most; 0 below 100 µs.
    pub stall_us: f64,
    /// Length.
    pub length_us: f64,
}

/// Rounds by cause and number of devices.
#[derive(Debug, Default)]
pub(super) struct Measured {
    rounds: BTreeMap<(Cause, usize), Vec<Round>>,
    void: BTreeMap<(Cause, usize), usize>,
}

impl Measured {
    /// False when the round is void.
    pub(super) fn add(&mut self, cause: Cause, devices: usize, round: Round) -> bool {
        let key = (cause, devices);
        let counts = round.void.is_none();
        if counts {
            self.rounds.entry(key).or_default().push(round);
        } else {
            *self.void.entry(key).or_default() += 1;
        }
        counts
    }

    fn windows(&self) -> Vec<WindowReport> {
        let rounds = self.rounds.iter();
        let of_one = |(&(cause, devices), rounds): (&(Cause, usize), &Vec<Round>)| {
            let report = |round: &Round| WindowReport {
                cause,
                devices,
                blackout_us: round.blackout_us,
                stall_us: round.stall_us,
                length_us: round.length_us,
            };
            rounds.iter().map(report).collect::<Vec<_>>()
        };
        rounds.flat_map(of_one).collect()
    }

    fn blackouts(&self, wanted: impl Fn(&(Cause, usize)) -> bool) -> Vec<f64> {
        let rounds = self.rounds.iter().filter(|(key, _)| wanted(key));
        let rounds = rounds.flat_map(|(_, rounds)| rounds);
        rounds.map(|round| round.blackout_us).collect()
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        rate: u32,
        memory: usize,
        measured: Measured,
    ) -> Result<Self> {
        let quiet = measured.blackouts(|(cause, _)| *cause == Cause::Quiet);
        let cases = measured.rounds.iter();
        let cases = cases.filter(|((cause, _), _)| *cause != Cause::Quiet);
        let cases = cases.map(|(&(cause, devices), rounds)| {
            let noise = measured.blackouts(|key| *key == (Cause::Quiet, devices));
            let void = measured.void.get(&(cause, devices)).copied().unwrap_or(0);
            case(options, cause, devices, rounds, void, summary(&noise)?)
        });
        Ok(Self {
            cases: cases.collect::<Result<_>>()?,
            noise_us: summary(&quiet)?,
            guest_memory: memory,
            detection_us: options.detection_us(),
            rate,
            seed: options.seed,
            windows: measured.windows(),
        })
    }
}

fn case(
    options: &Options,
    cause: Cause,
    devices: usize,
    rounds: &[Round],
    void: usize,
    noise: Summary,
) -> Result<Case> {
    let detection = match cause {
        Cause::Hang => options.detection_us() as f64,
        Cause::Quiet | Cause::Sigkill | Cause::SigsegvCore | Cause::RestartWithoutStandby => 0.0,
    };
    let blackouts = rounds.iter().map(|round| round.blackout_us - detection);
    let blackout_us = summary(&blackouts.collect::<Vec<_>>())?;
    let resident: Vec<f64> = rounds
        .iter()
        .map(|round| round.resident_kib as f64)
        .collect();
    let mut counts = Counts::default();
    rounds.iter().for_each(|round| counts += round.counts);
    let sum = |count: fn(&Round) -> u64| rounds.iter().map(count).sum();
    Ok(Case {
        cause,
        devices,
        runs: rounds.len(),
        blackout_us,
        above_noise_us: blackout_us.median - noise.median,
        lost: counts.lost,
        doubled: counts.doubled,
        disconnects: sum(|round| round.disconnects),
        stuck: sum(|round| u64::from(round.stuck)),
        cores: sum(|round| round.cores),
        void,
        resident_kib: summary(&resident)?.median,
        counts,
    })
}

fn summary(values: &[f64]) -> Result<Summary> {
    Summary::of(values).ok_or(Error::Empty("a cause"))
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "two flows of {} frames/s, {} MiB of guest memory in 4 KiB pages, seed {}\n",
            self.rate,
            self.guest_memory >> 20,
            self.seed
        )?;
        writeln!(
            f,
            "{:<24}{:>8}{:>6}{:>12}{:>12}{:>12}{:>12}{:>9}{:>9}{:>12}{:>6}{:>6}{:>5}",
            "blackout, µs",
            "devices",
            "runs",
            "median",
            "p99",
            "max",
            "over noise",
            "lost",
            "doubled",
            "disconnects",
            "stuck",
            "cores",
            "void"
        )?;
        for case in &self.cases {
            let Summary { median, p99, max } = case.blackout_us;
            writeln!(
                f,
                "{:<24}{:>8}{:>6}{median:>12.1}{p99:>12.1}{max:>12.1}{:>12.1}{:>9}{:>9}{:>12}{:>6}{:>6}{:>5}",
                format!("{:?}", case.cause),
                case.devices,
                case.runs,
                case.above_noise_us,
                case.lost,
                case.doubled,
                case.disconnects,
                case.stuck,
                case.cores,
                case.void
            )?;
        }
        let Summary { median, p99, max } = self.noise_us;
        write!(f, "{:<38}{median:>12.1}{p99:>12.1}{max:>12.1}", "Quiet")
    }
}
