//! `run`: be the supervisor.

use super::check::load;
use super::output::message;
use super::verbs::Common;
use crate::check::raise_open_files;
use crate::{ExitStatus, daemon};

pub(super) fn run(common: &Common) -> ExitStatus {
    let config = match load(common) {
        Ok(config) => config,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    if let Err(errno) = raise_open_files() {
        message(format!("the limit of open files stays as it is: {errno}"));
    }
    daemon::run(config).unwrap_or_else(|error| {
        message(error);
        ExitStatus::Failed
    })
}
