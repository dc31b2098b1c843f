//! The command line. `docs/command-line.md` is its reference for people.

mod ask;
mod blame;
mod check;
mod follow;
mod output;
mod run;
mod verbs;
mod wait;

use crate::ExitStatus;
use crate::config::{Config, ConfigError};
use clap::{CommandFactory, Parser};
use std::path::PathBuf;
use verbs::{AskingVerb, Cli, Common, Verb};

/// Does what the process's arguments say.
pub fn main() -> ExitStatus {
    match Cli::try_parse() {
        Ok(cli) => act(cli),
        Err(error) => {
            // Nobody is left to hear that nobody hears.
            let _ = error.print();
            if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Done
            }
        }
    }
}

fn act(cli: Cli) -> ExitStatus {
    let common = &cli.common;
    match cli.verb {
        Verb::Run => run::run(common),
        Verb::Check => check::check(common),
        Verb::Blame { svg } => blame::blame(common, svg.as_deref()),
        Verb::Wait { timeout } => wait::wait(common, timeout),
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vswsup", &mut script);
            output::data(&String::from_utf8_lossy(&script));
            ExitStatus::Done
        }
        Verb::Asking(AskingVerb::Events {
            limit,
            follow: true,
        }) => follow::follow(common, limit),
        Verb::Asking(verb) => ask::ask(common, verb.into()),
    }
}

/// Where the supervisor listens that is meant.
fn control_socket(common: &Common) -> Result<PathBuf, ConfigError> {
    let directory = match (&common.runtime_dir, &common.config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(file)) => Config::runtime_dir_of(file)?,
        (None, None) => Config::runtime_dir_by_default()?,
    };
    Ok(directory.join(Config::CONTROL_SOCKET))
}
