//! Signals, as readable sockets.

use super::tokens;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};
use std::io::{self, Read};
use std::os::fd::AsFd;

/// SIGTERM and SIGINT stop, SIGHUP reloads.
#[derive(Debug)]
pub(super) struct Signals {
    stop: UnixStream,
    reload: UnixStream,
    handlers: Vec<SigId>,
}

impl Signals {
    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        let mut handlers = Vec::new();
        let stop = receive(&[SIGTERM, SIGINT], tokens::STOP, registry, &mut handlers)?;
        let reload = receive(&[SIGHUP], tokens::RELOAD, registry, &mut handlers)?;
        Ok(Self {
            stop,
            reload,
            handlers,
        })
    }

    /// How many signals that stop have come.
    pub(super) fn stops(&mut self) -> usize {
        count(&mut self.stop)
    }

    /// How many signals that reload have come.
    pub(super) fn reloads(&mut self) -> usize {
        count(&mut self.reload)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            unregister(handler);
        }
    }
}

fn receive(
    signals: &[i32],
    token: Token,
    registry: &Registry,
    handlers: &mut Vec<SigId>,
) -> io::Result<UnixStream> {
    let (mut ours, theirs) = UnixStream::pair()?;
    for &signal in signals {
        handlers.push(pipe::register(
            signal,
            theirs.as_fd().try_clone_to_owned()?,
        )?);
    }
    registry.register(&mut ours, token, Interest::READABLE)?;
    Ok(ours)
}

fn count(stream: &mut UnixStream) -> usize {
    let mut total = 0;
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        total += count;
    }
    total
}
