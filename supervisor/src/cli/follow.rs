//! `events --follow`: what happened, and what happens.

use super::output::{json_line, message, stream};
use super::verbs::Common;
use crate::ExitStatus;
use crate::control::client::{self, ClientError};
use crate::control::protocol::{EventReport, Request, Response};
use crate::report;
use std::path::Path;
use std::thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(5);

/// Until the supervisor answers no more, or nobody reads on.
pub(super) fn follow(common: &Common, limit: u32) -> ExitStatus {
    let socket = match super::control_socket(common) {
        Ok(socket) => socket,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    let (mut after, mut limit) = (0, limit);
    loop {
        let events = match newer(&socket, after, limit) {
            Ok(events) => events,
            Err(error) => {
                message(error);
                return ExitStatus::No;
            }
        };
        after = events.last().map_or(after, |event| event.number);
        limit = u32::MAX;
        let written = if common.json {
            events.iter().try_for_each(json_line)
        } else {
            stream(&report::events(&events))
        };
        if written.is_err() {
            return ExitStatus::Done;
        }
        thread::sleep(PAUSE);
    }
}

fn newer(socket: &Path, after: u64, limit: u32) -> Result<Vec<EventReport>, ClientError> {
    let response = client::call(socket, &Request::Events { after, limit }, ANSWER)?;
    Ok(if let Response::Events(events) = response {
        events
    } else {
        Vec::new()
    })
}
