//! What a program writes to one of its outputs, read without ever blocking on it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// This much is kept, in bytes: of a longer output, the end.
const KEEP: usize = 4096;

/// What a pipe holds, in bytes: one read takes all of it.
const PIPE: usize = 65536;

/// One output of a program.
pub(super) struct Output {
    pipe: Option<File>,
    kept: Vec<u8>,
}

impl Output {
    pub(super) fn new(pipe: Option<OwnedFd>) -> Self {
        Self {
            pipe: pipe.map(File::from),
            kept: Vec::new(),
        }
    }

    /// Makes reads return at once.
    pub(super) fn unblock(&self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// Nobody can write to it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads what is there.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        let mut buffer = [0; PIPE];
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(length) => self.keep(&buffer[..length]),
            Err(error) if is_for_later(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        let surplus = self.kept.len().saturating_sub(KEEP);
        self.kept.drain(..surplus);
    }

    /// What was kept, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Waits until one of the outputs can be read, for at most `limit`.
pub(super) fn wait(outputs: [&Output; 2], limit: Duration) -> io::Result<()> {
    let pipes = outputs
        .into_iter()
        .filter_map(|output| output.pipe.as_ref());
    let mut polled: Vec<_> = pipes
        .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
        .collect();
    // Rounded up, for poll counts whole milliseconds and the caller checks the limit itself.
    let limit = limit.saturating_add(Duration::from_micros(999));
    let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, limit) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
