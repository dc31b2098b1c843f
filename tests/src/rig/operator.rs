//! Asks the supervisor over its control socket, as its command line does, but without starting a process
//! for it: a fork and an exec beside a lane are a disturbance of their own.

use std::path::PathBuf;
use std::time::Duration;
use vswsup::control::ClientError;
use vswsup::control::client;
use vswsup::control::protocol::{
    HistoryEntry, InstanceReport, PromoteReport, Request, Response, StatusReport,
};
use vswsup::report::Health;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Why something that was asked for is not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is no, or not to the question.
    #[error("the supervisor was asked to {asked} and answered: {answered}")]
    Answer {
        /// What it was to do.
        asked: &'static str,
        /// What it said.
        answered: String,
    },
}

/// Speaks to one supervisor.
#[derive(Debug, Clone)]
pub struct Operator {
    socket: PathBuf,
}

impl Operator {
    /// Speaks to the one that listens here.
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Makes the standby the active one, and returns when it is.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub fn promote(&self, reconnect: bool) -> Result<PromoteReport, OperatorError> {
        let response = self.ask(&Request::Promote { reconnect })?;
        if let Response::Promoted(report) = response {
            return Ok(report);
        }
        Err(unexpected("promote", &response))
    }

    /// Who is what.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub fn status(&self) -> Result<StatusReport, OperatorError> {
        let response = self.ask(&Request::Status)?;
        if let Response::Status(report) = response {
            return Ok(report);
        }
        Err(unexpected("tell its status", &response))
    }

    /// Whether a promote would succeed; a supervisor that does not answer (yet) has none.
    pub fn has_spare(&self) -> bool {
        self.status().is_ok_and(|status| status.spare)
    }

    /// Whether all is as it is to be: with a spare, or alone where there is no standby.
    pub fn is_well(&self) -> bool {
        self.status().is_ok_and(|status| match Health::of(&status) {
            Health::Well | Health::Alone => true,
            Health::Trouble | Health::NoSpare | Health::Degraded | Health::Down => false,
        })
    }

    /// The process that serves, if one does.
    pub fn serving_process(&self) -> Option<i32> {
        let status = self.status().ok()?;
        let active = status.active?;
        let of_active = |report: &&InstanceReport| report.instance == active;
        status.instances.iter().find(of_active)?.pid
    }

    /// The last moves, starts and ends, newest last.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub fn history(&self) -> Result<Vec<HistoryEntry>, OperatorError> {
        let response = self.ask(&Request::History { limit: 1000 })?;
        if let Response::History(entries) = response {
            return Ok(entries);
        }
        Err(unexpected("tell its history", &response))
    }

    fn ask(&self, request: &Request) -> Result<Response, ClientError> {
        client::call(&self.socket, request, ANSWER)
    }
}

fn unexpected(asked: &'static str, response: &Response) -> OperatorError {
    let answered = if let Response::Failed(failure) = response {
        failure.reason.clone()
    } else {
        format!("{response:?}")
    };
    OperatorError::Answer { asked, answered }
}
