//! `chaos`: random deaths of any process under traffic, one after the other, and what must hold after
//! each: no guest disconnected, no guest without traffic, no ring with two owners, and lost and doubled
//! frames within what the code of the switch allows (docs/architecture.md, "What a death can cost").
//!
//! A death is decided by a seed, which is printed: the same seed gives the same deaths at the same delays,
//! though not the same instructions.
//!
//! Reading order: [`Options`]; [`Kind`]; [`run`]; [`Outcome`].

mod kind;
mod options;
mod outcome;
mod table;

pub use kind::Kind;
pub use options::Options;
pub use outcome::{KindOutcome, Outcome};

use crate::failover::{Error, Observed, Pair, Result, Stage, Traffic, Witness};
use crate::rig::RigConfig;
use crate::terminal::{Interrupt, Progress};
use std::thread;
use std::time::Duration;

/// From one death to the next, at most: traffic flows, and the death comes at any moment of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// Deaths between two lines of progress that are not a terminal's.
const TELL_EVERY: u32 = 10;

/// Lets processes die until there were so many deaths, something does not recover, too many rounds are
/// void, or Ctrl-C.
///
/// # Errors
/// When the system or the instrument cannot be started, or read.
pub fn run(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Outcome> {
    let seed = options.seed();
    progress.note(&format!("seed {seed}"));
    let config = RigConfig {
        lanes: options.lanes.clone(),
        ..RigConfig::guests(2)
    };
    let mut stage = Stage::start(config, Traffic::USUAL)?;
    let supervisor = stage.wait_until_whole(&[])?.supervisor;
    let witness = Witness::start(supervisor, options.lanes.len() as u16)?;
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut outcome = Outcome::new(seed, options);
    while outcome.goes_on(options.deaths) && !interrupt.raised() {
        let kind = *chance.choice(&options.kinds).expect("one kind is required");
        let (observed, broken) = one_round(&mut stage, &witness, kind, &mut chance)?;
        tell(&outcome, options, progress);
        if let Some(reason) = observed.as_ref().and_then(|seen| seen.void.as_ref()) {
            progress.note(&format!("void, repeated: {kind}: {reason}"));
        }
        for violation in &broken {
            progress.note(&format!("death {}, {kind}: {violation}", outcome.deaths()));
        }
        outcome.add(kind, observed, broken);
    }
    progress.end();
    outcome.add_witnessed(witness.looks(), witness.finish());
    Ok(outcome)
}

/// One death, or two. No observation when the system does not recover.
fn one_round(
    stage: &mut Stage,
    witness: &Witness,
    kind: Kind,
    chance: &mut fastrand::Rng,
) -> Result<(Option<Observed>, Vec<String>)> {
    thread::sleep(LONGEST_PAUSE.mul_f64(chance.f64()));
    let observed = match stage.observe(|stage, pair| kind.strike(stage, pair, chance)) {
        Ok(observed) => observed,
        Err(error @ Error::Stuck { .. }) => return Ok((None, vec![error.to_string()])),
        Err(error) => return Err(error),
    };
    let mut broken = kind.bound().violations(&observed);
    let pair: Option<Pair> = stage.pair();
    match pair {
        Some(pair) => broken.extend(witness.check_locks(&pair)),
        None => broken.push("it was whole and is not any more".to_owned()),
    }
    Ok((Some(observed), broken))
}

fn tell(outcome: &Outcome, options: &Options, progress: &Progress) {
    let done = outcome.deaths();
    if done.is_multiple_of(TELL_EVERY) {
        progress.count("deaths", done, options.deaths);
    }
}
