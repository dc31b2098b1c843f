//! The command line's end of the control socket: ask, and wait for the answer, but not for ever.

use super::frame::{self, FrameError, MAX_REQUEST, MAX_RESPONSE, PREFIX};
use super::protocol::{Request, Response};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no supervisor runs: nobody listens at {}; start one with `vswsup run`, or say with \
         --config or --runtime-dir where it runs", .0.display()
    )]
    NotRunning(PathBuf),
    /// The socket is not for this user.
    #[error("{}: permission denied; run this as root or as the supervisor's user", .0.display())]
    NotPermitted(PathBuf),
    /// It listens, and says nothing.
    #[error("the supervisor has not answered for {}: see its log", humantime::format_duration(*.0))]
    Silent(Duration),
    /// It hung up.
    #[error("the supervisor closed the connection without an answer: see its log")]
    HungUp,
    /// It said something else.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The kernel says no.
    #[error("control socket {}: {error}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

/// Asks the daemon that listens at `path` and waits for its answer, `limit` long at most.
///
/// # Errors
/// [`ClientError`]. After [`ClientError::Silent`] and [`ClientError::HungUp`] nobody knows whether
/// the request was carried out.
pub fn call(path: &Path, request: &Request, limit: Duration) -> Result<Response, ClientError> {
    let message = frame::encode(request, MAX_REQUEST)?;
    let deadline = Instant::now() + limit;
    let mut stream = open(path, limit).map_err(|errno| unreachable(path, errno, limit))?;
    exchange(&mut stream, &message, deadline).map_err(|fault| match fault {
        Fault::Frame(error) => ClientError::Frame(error),
        Fault::Io(error) => io_fault(path, error, limit),
    })
}

/// Connects. Unlike that of the standard library, it does not wait for ever on a full backlog.
fn open(path: &Path, limit: Duration) -> nix::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let stream = UnixStream::from(fd);
    // The limit of a send is also that of connect(2): see unix(7) and SO_SNDTIMEO in socket(7).
    let _ = stream.set_write_timeout(Some(limit));
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

fn unreachable(path: &Path, errno: Errno, limit: Duration) -> ClientError {
    if [Errno::ENOENT, Errno::ECONNREFUSED, Errno::ENOTDIR].contains(&errno) {
        ClientError::NotRunning(path.to_owned())
    } else if [Errno::EACCES, Errno::EPERM].contains(&errno) {
        ClientError::NotPermitted(path.to_owned())
    } else {
        io_fault(path, errno.into(), limit)
    }
}

fn io_fault(path: &Path, error: io::Error, limit: Duration) -> ClientError {
    const SILENT: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    const GONE: [ErrorKind; 3] = [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
    ];
    if SILENT.contains(&error.kind()) {
        ClientError::Silent(limit)
    } else if GONE.contains(&error.kind()) {
        ClientError::HungUp
    } else {
        let path = path.to_owned();
        ClientError::Io { path, error }
    }
}

enum Fault {
    Io(io::Error),
    Frame(FrameError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

fn exchange(stream: &mut UnixStream, message: &[u8], deadline: Instant) -> Result<Response, Fault> {
    stream.write_all(message)?;
    let mut input = vec![0; PREFIX];
    read_exact(stream, &mut input, deadline)?;
    let length = frame::length(&input, MAX_RESPONSE)?.unwrap_or(PREFIX);
    input.resize(length, 0);
    read_exact(stream, &mut input[PREFIX..], deadline)?;
    Ok(frame::decode(&input)?)
}

/// Fills `into`, each read bounded by what is left until `deadline`.
fn read_exact(stream: &mut UnixStream, mut into: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !into.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(into) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => into = &mut into[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
