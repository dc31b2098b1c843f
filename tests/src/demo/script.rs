//! What happens in which order.

use super::error::{Error, Result};
use super::measured::{Measured, Move, Recording};
use super::options::Options;
use super::stage::{Attempt, Stage};
use crate::terminal::{Interrupt, Progress};

/// Void measurements in a row after which the machine is too busy to measure.
const VOID_MOST: usize = 5;

/// The director.
pub(super) struct Script<'a> {
    options: &'a Options,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    voids: Vec<String>,
}

impl<'a> Script<'a> {
    pub(super) fn new(
        options: &'a Options,
        interrupt: &'a Interrupt,
        progress: &'a Progress,
    ) -> Self {
        Self {
            options,
            interrupt,
            progress,
            voids: vec![],
        }
    }

    /// Promotes, one the old way, and a restart. All that was started has ended when it returns.
    pub(super) fn play(mut self) -> Result<Recording> {
        self.progress.say("starting two instances and three guests");
        let mut stage = Stage::start(self.options, self.interrupt)?;
        let promotes = self.promotes(&mut stage)?;
        self.progress.say("one promote with reconnect");
        let reconnect = self.measure(&mut stage, Move::Reconnect)?;
        self.progress.say("one plain restart");
        let restart = self.measure(&mut stage, Move::Restart)?;
        self.progress.say("stopping");
        drop(stage);
        Ok(Recording {
            promotes,
            reconnect,
            restart,
            voids: self.voids,
        })
    }

    fn promotes(&mut self, stage: &mut Stage) -> Result<Vec<Measured>> {
        let of = self.options.promotes;
        (1..=of)
            .map(|number| {
                self.progress.count("promote", number, of);
                self.measure(stage, Move::Promote)
            })
            .collect()
    }

    /// Measures a move, again if the measurement is void.
    fn measure(&mut self, stage: &mut Stage, kind: Move) -> Result<Measured> {
        let mut reason = String::new();
        for _ in 0..VOID_MOST {
            match stage.measure(kind)? {
                Attempt::Valid(measured) => return Ok(measured),
                Attempt::Void(why) => reason = why,
            }
            self.progress.note(&format!(
                "this measurement is void and is repeated: {reason}"
            ));
            self.voids.push(reason.clone());
        }
        Err(Error::TooManyVoid {
            runs: VOID_MOST,
            reason,
        })
    }
}
