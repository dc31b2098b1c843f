//! What can go wrong before or beside the measurement.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::front_end::Request;

/// An error of the emulator, each with what it concerns.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket file cannot be used.
    #[error("vhost-user socket {}: {source}", path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The back end closed the connection before a request was sent or answered.
    #[error("the back end closed the connection before it answered {request}")]
    Closed {
        /// The request that was not answered.
        request: Request,
    },
    /// The back end did not answer in time.
    #[error("the back end did not answer {request} within {limit:?}")]
    NoReply {
        /// The request that was not answered.
        request: Request,
        /// How long was waited.
        limit: Duration,
    },
    /// The back end answered a request with a non-zero REPLY_ACK.
    #[error("the back end refused {request} with code {code}")]
    Refused {
        /// The refused request.
        request: Request,
        /// The code of the acknowledgement.
        code: u64,
    },
    /// What the back end sent is not the reply to the request.
    #[error("the reply to {request} is wrong: {what}")]
    BadReply {
        /// The request that was answered.
        request: Request,
        /// What is wrong with the answer.
        what: String,
    },
    /// The back end does not offer what the driver cannot do without.
    #[error("the back end offers features {offered:#x}, which lack {missing:#x}")]
    MissingFeatures {
        /// What it offers.
        offered: u64,
        /// What it lacks.
        missing: u64,
    },
    /// The plan cannot be carried out.
    #[error("plan: {0}")]
    Plan(String),
    /// Links that did not come up in time, with the last error of each.
    #[error("not connected within {limit:?}: {}", links.join("; "))]
    LinksDown {
        /// How long was waited.
        limit: Duration,
        /// One `name: reason` for each.
        links: Vec<String>,
    },
    /// The log of arrivals is shorter than the question.
    #[error("these arrivals are forgotten: give the plan a larger log")]
    ArrivalsForgotten,
    /// The instrument's thread has ended.
    #[error("the instrument's thread has ended")]
    InstrumentGone,
}

/// Result of the emulator.
pub type Result<T> = std::result::Result<T, Error>;

/// Names a failed system call.
pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::System {
        what,
        source: source.into(),
    }
}
