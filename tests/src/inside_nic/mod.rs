//! `inside-nic`: the whole product on a NIC of a [`crate::nic_machine`], with two instances on PCI devices by
//! vfio, guests by the emulator, and traffic from the wire to guests and back. Promotes that nobody may
//! notice, deaths, and uplinks that go deaf.
//!
//! Reading order: [`Options`]; [`Nic`]; [`Act`]; [`run`]; [`Outcome`].

mod act;
mod deaf;
mod nic;
mod options;
mod outcome;
mod table;

pub use act::Act;
pub use nic::Nic;
pub use options::Options;
pub use outcome::{ActOutcome, FlowOutcome, Outcome};

use crate::failover::{Bound, FLOWS, Observed, Result, Stage, Traffic, tail};
use crate::real_nic::RealNic;
use crate::rig::RigConfig;
use crate::terminal::{Interrupt, Progress};
use std::thread;
use std::time::Duration;

/// From one move to the next.
const PAUSE: Duration = Duration::from_millis(50);
/// Traffic that is back later is worth a look.
const SLOW: Duration = Duration::from_millis(500);
/// Moves between two lines of progress.
const TELL_EVERY: u32 = 5;

/// Makes the NIC, starts the system on it, and lets it move as often as asked for, or until Ctrl-C.
///
/// # Errors
/// When the system or the instrument cannot be started, or does not recover.
pub fn run(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Outcome> {
    let real = options.nic.make()?;
    let config = RigConfig {
        real_nic: Some(real.clone()),
        more: RigConfig::CPUS_ARE_EMULATED.to_owned(),
        ..RigConfig::guests(2)
    };
    let traffic = Traffic {
        rate: options.rate,
        ..Traffic::EMULATED
    };
    let mut stage = Stage::start(config, traffic)?;
    progress.say("traffic flows");
    let mut outcome = Outcome::new(options);
    let wanted = |act: &Act| options.times(*act) > 0;
    for act in Act::ALL.into_iter().filter(wanted) {
        let repeated = Repeated {
            act,
            options,
            real: &real,
        };
        let of_act = repeated.run(&mut stage, interrupt, progress)?;
        outcome.acts.push(of_act);
    }
    progress.end();
    Ok(outcome)
}

/// One kind of moves, as often as asked for.
struct Repeated<'a> {
    act: Act,
    options: &'a Options,
    real: &'a RealNic,
}

impl Repeated<'_> {
    fn run(
        &self,
        stage: &mut Stage,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<ActOutcome> {
        let act = self.act;
        let mut outcome = ActOutcome::new(act, self.options.times(act));
        while outcome.goes_on() && !interrupt.raised() {
            thread::sleep(PAUSE);
            let done = act.perform(stage, self.options.nic, self.real)?;
            if let Some(slow) = done.slow() {
                let number = outcome.done + 1;
                progress.note(&format!("{act} {number}: {slow}\n{}", tail(&stage.log())));
            }
            let broken = done.violations();
            for violation in &broken {
                progress.note(&format!("{act} {}: {violation}", outcome.done + 1));
            }
            if let Some(reason) = &done.observed.void {
                progress.note(&format!("{act}: void, repeated: {reason}"));
            }
            outcome.add(&done, broken);
            if outcome.done.is_multiple_of(TELL_EVERY) {
                progress.count(act.plural(), outcome.done, outcome.wanted);
            }
        }
        Ok(outcome)
    }
}

/// What one move showed.
#[derive(Debug)]
struct Done {
    observed: Observed,
    /// What it may show.
    bound: Bound,
    /// Of a promote, µs.
    freeze_us: Option<f64>,
}

impl Done {
    /// That traffic was long in coming back, and whether the instrument was.
    fn slow(&self) -> Option<String> {
        let flows = self.observed.flows.iter().zip(FLOWS);
        let (slowest, (name, _)) = flows.max_by_key(|(flow, _)| flow.back)?;
        let [back, stall] = [slowest.back, self.observed.stall].map(Duration::from_nanos);
        (back > SLOW).then(|| {
            format!(
                "{name} went on after {back:?}; the instrument itself stood still for {stall:?}"
            )
        })
    }

    /// Everything that must not be: each move begins one term.
    fn violations(&self) -> Vec<String> {
        let terms = self.observed.terms;
        let others = (terms != 1).then(|| format!("{terms} terms began"));
        let mut found = self.bound.violations(&self.observed);
        found.extend(others);
        found
    }
}
