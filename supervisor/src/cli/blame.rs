//! `blame`: what took how long.

use super::output::{either, message};
use super::verbs::Common;
use crate::ExitStatus;
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::report;
use std::path::Path;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(5);
/// All that the supervisor keeps.
const ALL: u32 = u32::MAX;

pub(super) fn blame(common: &Common, svg: Option<&Path>) -> ExitStatus {
    let socket = match super::control_socket(common) {
        Ok(socket) => socket,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    let history = match client::call(&socket, &Request::History { limit: ALL }, ANSWER) {
        Ok(Response::History(history)) => history,
        Ok(other) => {
            message(format!(
                "the supervisor does not tell its history: {other:?}"
            ));
            return ExitStatus::Failed;
        }
        Err(error) => {
            message(&error);
            return super::ask::unanswered(&error, false);
        }
    };
    let timelines = report::timelines(&history);
    either(common.json, &timelines, |timelines| {
        report::blame(timelines)
    });
    match svg.map(|file| (file, std::fs::write(file, report::picture(&timelines)))) {
        Some((file, Err(error))) => {
            message(format!("{}: {error}", file.display()));
            ExitStatus::Failed
        }
        Some((_, Ok(()))) | None => ExitStatus::Done,
    }
}
