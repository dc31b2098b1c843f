//! The backend `command`: the operator's own program moves the traffic.
//!
//! The program is started as `program [args] VERB`; its contract is in `docs/steering.md`.

mod error;
mod output;
mod run;

pub use error::CommandError;

use std::path::PathBuf;
use std::process;
use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;
use crate::{Contract, Side, Steering, SteeringError, Way};

/// `[steering]` with `backend = "command"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program's absolute path.
    pub program: PathBuf,
    /// Arguments before the verb.
    #[serde(default)]
    pub args: Vec<String>,
    /// The program and all of its process group are killed after this time.
    #[serde(default = "two_seconds", deserialize_with = "duration")]
    pub timeout: Duration,
    /// [`Contract::in_flight`], as the operator knows it.
    #[serde(default = "ten_milliseconds", deserialize_with = "duration")]
    pub in_flight: Duration,
    /// [`Contract::atomic`], as the operator knows it.
    #[serde(default)]
    pub atomic: bool,
    /// [`Contract::make_before_break`], as the operator knows it.
    #[serde(default)]
    pub make_before_break: bool,
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn ten_milliseconds() -> Duration {
    Duration::from_millis(10)
}

/// The operator's program, which has answered once.
#[derive(Debug)]
pub(crate) struct Command {
    config: CommandConfig,
}

impl Command {
    /// Checks that the program runs and answers.
    pub(crate) fn open(config: &CommandConfig) -> Result<Self, CommandError> {
        if !config.program.is_absolute() {
            return Err(CommandError::Relative {
                program: config.program.clone(),
            });
        }
        let command = Self {
            config: config.clone(),
        };
        command.ask()?;
        Ok(command)
    }

    fn ask(&self) -> Result<Option<Side>, CommandError> {
        let stdout = self.run(&["current"])?;
        match stdout.trim() {
            "a" => Ok(Some(Side::A)),
            "b" => Ok(Some(Side::B)),
            "none" => Ok(None),
            answer => Err(CommandError::Answer {
                program: self.config.program.clone(),
                answer: answer.to_owned(),
            }),
        }
    }

    fn run(&self, verb: &[&str]) -> Result<String, CommandError> {
        let mut command = process::Command::new(&self.config.program);
        run::run(
            command.args(&self.config.args).args(verb),
            self.config.timeout,
        )
    }
}

impl Steering for Command {
    fn contract(&self) -> Contract {
        let CommandConfig {
            atomic,
            make_before_break,
            in_flight,
            ..
        } = self.config;
        Contract {
            atomic,
            make_before_break,
            may_lose: !(atomic || make_before_break),
            may_double: !atomic,
            in_flight,
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        self.run(&["steer", to.name()])?;
        Ok(())
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        Ok(self.ask()?)
    }

    fn delivered(&self, _: Side) -> Option<u64> {
        None
    }

    fn way(&self, _: Side) -> Option<Way> {
        None
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        self.run(&["undo"])?;
        Ok(())
    }
}
