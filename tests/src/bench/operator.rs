//! Asks the supervisor, as its command line does, but without starting a process for it: a fork and
//! an exec beside a lane are a disturbance of their own.

use super::error::{Error, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vswsup::control::client;
use vswsup::control::protocol::{PromoteReport, Request, Response, StatusReport};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Speaks to one supervisor.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    socket: PathBuf,
}

impl Operator {
    /// Speaks to the one that listens here.
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Promotes the standby, and returns when the other one is active.
    pub(super) fn promote(&self) -> Result<PromoteReport> {
        let response = self.ask(&Request::Promote { reconnect: false })?;
        if let Response::Promoted(report) = response {
            return Ok(report);
        }
        Err(unexpected("promote", response))
    }

    pub(super) fn status(&self) -> Result<StatusReport> {
        let response = self.ask(&Request::Status)?;
        if let Response::Status(report) = response {
            return Ok(report);
        }
        Err(unexpected("tell its status", response))
    }

    /// Waits until a promote would succeed. A supervisor that is being restarted does not answer yet.
    pub(super) fn wait_for_spare(&self, limit: Duration) -> Result<StatusReport> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            match self.status() {
                Ok(status) if status.spare => return Ok(status),
                Ok(_) | Err(Error::Client(_)) => std::thread::sleep(LOOK_EVERY),
                Err(error) => return Err(error),
            }
        }
        let what = "the supervisor has no spare";
        Err(Error::Late { what, limit })
    }

    fn ask(&self, request: &Request) -> Result<Response> {
        Ok(client::call(&self.socket, request, ANSWER)?)
    }
}

fn unexpected(asked: &'static str, response: Response) -> Error {
    let answered = if let Response::Failed(failure) = response {
        failure.reason
    } else {
        format!("{response:?}")
    };
    Error::Answer { asked, answered }
}
