//! One accepted connection: it reads one request, waits, and writes one response.

use super::frame::{self, FrameError, MAX_REQUEST, MAX_RESPONSE};
use super::protocol::{Failure, Request, Response};
use mio::net::UnixStream;
use std::io::{self, ErrorKind, Read, Write};

/// What came of a connection that had become ready.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet.
    Pending,
    /// It asks for something.
    Asked(Request),
    /// It is over.
    Over,
}

#[derive(Debug)]
enum Stage {
    Asking(Vec<u8>),
    Waiting,
    Answering { bytes: Vec<u8>, written: usize },
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    stage: Stage,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            stage: Stage::Asking(Vec::new()),
        }
    }

    /// Does what the socket allows now.
    pub(super) fn advance(&mut self) -> Progress {
        let progress = match &mut self.stage {
            Stage::Asking(input) => read_request(&mut self.stream, input),
            Stage::Waiting => is_gone(&mut self.stream),
            Stage::Answering { bytes, written } => {
                write_rest(&mut self.stream, bytes, written).map_err(Fault::from)
            }
        };
        match progress {
            Ok(Progress::Asked(request)) => {
                self.stage = Stage::Waiting;
                Progress::Asked(request)
            }
            Ok(progress) => progress,
            Err(Fault::Frame(error)) => {
                self.answer(&Response::Failed(Failure::refused(error.to_string())))
            }
            Err(Fault::Io(_)) => Progress::Over,
        }
    }

    /// Writes `response`, now or as the socket allows.
    pub(super) fn answer(&mut self, response: &Response) -> Progress {
        let encoded = frame::encode(response, MAX_RESPONSE).or_else(|error| {
            let failure = Failure::refused(format!("the answer cannot be sent: {error}"));
            frame::encode(&Response::Failed(failure), MAX_RESPONSE)
        });
        let Ok(bytes) = encoded else {
            return Progress::Over;
        };
        self.stage = Stage::Answering { bytes, written: 0 };
        self.advance()
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

fn read_request(stream: &mut UnixStream, input: &mut Vec<u8>) -> Result<Progress, Fault> {
    let mut chunk = [0; 4096];
    loop {
        match frame::length(input, MAX_REQUEST)? {
            Some(length) if input.len() == length => {
                return Ok(Progress::Asked(frame::decode(input)?));
            }
            Some(length) if input.len() > length => {
                let trailing = "more than one request on a connection".to_owned();
                return Err(FrameError::Body(trailing).into());
            }
            Some(_) | None => {}
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(Progress::Over),
            Ok(count) => input.extend_from_slice(&chunk[..count]),
            Err(error) => return pending(error),
        }
    }
}

/// While it waits it has nothing to say: whatever it does ends it.
fn is_gone(stream: &mut UnixStream) -> Result<Progress, Fault> {
    match stream.read(&mut [0]) {
        Ok(0 | 1..) => Ok(Progress::Over),
        Err(error) => pending(error),
    }
}

fn write_rest(stream: &mut UnixStream, bytes: &[u8], written: &mut usize) -> io::Result<Progress> {
    while *written < bytes.len() {
        match stream.write(&bytes[*written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Pending),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Progress::Over)
}

fn pending(error: io::Error) -> Result<Progress, Fault> {
    if error.kind() == ErrorKind::WouldBlock {
        Ok(Progress::Pending)
    } else {
        Err(error.into())
    }
}
