//! Verbs that ask the daemon.

use super::output::{either, json, message};
use super::verbs::Common;
use crate::ExitStatus;
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Failure, Request, Response, StatusReport};
use crate::report::{self, Health};
use std::path::{self, PathBuf};
use std::time::Duration;

/// How long a request that moves traffic or starts something may take: longer than all timeouts
/// of a handover together.
const ACTING: Duration = Duration::from_secs(60);
/// How long an answer from memory may take.
const TELLING: Duration = Duration::from_secs(5);

pub(super) fn ask(common: &Common, request: Request) -> ExitStatus {
    let socket = match super::control_socket(common) {
        Ok(socket) => socket,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    let request = with_absolute_paths(request);
    let acts = acts(&request);
    match client::call(&socket, &request, if acts { ACTING } else { TELLING }) {
        Ok(response) => tell(&response, common.json),
        Err(error) => {
            message(&error);
            unanswered(&error, acts)
        }
    }
}

/// Whether a request that was not answered may have changed something.
fn acts(request: &Request) -> bool {
    match request {
        Request::Promote { .. }
        | Request::PortAdd { .. }
        | Request::PortDel { .. }
        | Request::PortRelease { .. }
        | Request::Pin
        | Request::Unpin
        | Request::Reload => true,
        Request::Status
        | Request::PortList
        | Request::DeviceList
        | Request::DeviceShow { .. }
        | Request::History { .. }
        | Request::Events { .. } => false,
    }
}

/// The daemon's working directory is not the user's.
fn with_absolute_paths(mut request: Request) -> Request {
    if let Request::PortAdd { port } = &mut request {
        let absolute: Option<PathBuf> = path::absolute(&port.socket).ok();
        port.socket = absolute.unwrap_or_else(|| port.socket.clone());
    }
    request
}

pub(super) fn unanswered(error: &ClientError, acts: bool) -> ExitStatus {
    match error {
        ClientError::NotRunning(_) => ExitStatus::No,
        ClientError::NotPermitted(_) | ClientError::Io { .. } => ExitStatus::Failed,
        // Nobody knows whether it was done: the worse is assumed.
        ClientError::Silent(_) | ClientError::HungUp | ClientError::Frame(_) if acts => {
            ExitStatus::Degraded
        }
        ClientError::Silent(_) | ClientError::HungUp => ExitStatus::No,
        ClientError::Frame(_) => ExitStatus::Failed,
    }
}

fn tell(response: &Response, as_json: bool) -> ExitStatus {
    match response {
        Response::Status(status) => {
            either(as_json, status, report::status);
            return how_well(status);
        }
        Response::Promoted(promoted) => either(as_json, promoted, report::promoted),
        Response::Ports(ports) => either(as_json, ports, |ports| report::ports(ports)),
        Response::Devices(devices) => either(as_json, devices, |list| report::devices(list)),
        Response::Device(device) => either(as_json, device, report::device),
        Response::History(entries) => either(as_json, entries, |list| report::history(list)),
        Response::Events(events) => either(as_json, events, |list| report::events(list)),
        Response::Reloaded(reloaded) => either(as_json, reloaded, report::reloaded),
        Response::Done => either(as_json, response, |_| String::new()),
        Response::Failed(failure) => return failed(response, failure, as_json),
        Response::Unknown { what } => {
            message(format!("there is no {what}"));
            if as_json {
                json(response);
            }
            return ExitStatus::Unknown;
        }
    }
    ExitStatus::Done
}

fn how_well(status: &StatusReport) -> ExitStatus {
    if report::has_given_up(status) {
        return ExitStatus::Degraded;
    }
    match Health::of(status) {
        Health::Well | Health::Alone => ExitStatus::Done,
        Health::Degraded => ExitStatus::Degraded,
        Health::Trouble | Health::NoSpare | Health::Down => ExitStatus::No,
    }
}

fn failed(response: &Response, failure: &Failure, as_json: bool) -> ExitStatus {
    let lost = match failure.discarded {
        0 => String::new(),
        packets => format!(
            " (at most {packets} packets were lost: those that the NIC had already delivered)"
        ),
    };
    message(format!("{}{lost}", failure.reason));
    if as_json {
        json(response);
    }
    if failure.traffic_affected {
        ExitStatus::Degraded
    } else {
        ExitStatus::Failed
    }
}
