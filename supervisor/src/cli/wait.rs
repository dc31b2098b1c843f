//! `wait`: until there is a spare, if there is to be one.

use super::output::{either, message};
use super::verbs::Common;
use crate::ExitStatus;
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Request, Response, StatusReport};
use crate::report;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(5);

pub(super) fn wait(common: &Common, timeout: Duration) -> ExitStatus {
    let socket = match super::control_socket(common) {
        Ok(socket) => socket,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let reason = match look(&socket) {
            Ok(Some(status)) if is_ready(&status) => {
                either(common.json, &status, report::status);
                return ExitStatus::Done;
            }
            Ok(Some(status)) => report::status(&status),
            Ok(None) => "the supervisor does not tell its status".to_owned(),
            Err(error) => error.to_string(),
        };
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let waited = humantime::format_duration(timeout);
            message(format!("no spare after {waited}: {}", reason.trim_end()));
            return ExitStatus::No;
        }
        thread::sleep(PAUSE);
    }
}

/// Where there is no standby by configuration, the active one is all that can be waited for.
fn is_ready(status: &StatusReport) -> bool {
    status.spare || report::Health::of(status) == report::Health::Alone
}

fn look(socket: &Path) -> Result<Option<StatusReport>, ClientError> {
    let response = client::call(socket, &Request::Status, ANSWER)?;
    Ok(match response {
        Response::Status(status) => Some(status),
        Response::Promoted(_)
        | Response::Ports(_)
        | Response::Devices(_)
        | Response::Device(_)
        | Response::History(_)
        | Response::Events(_)
        | Response::Reloaded(_)
        | Response::Done
        | Response::Failed(_)
        | Response::Unknown { .. } => None,
    })
}
