//! The ports' sockets, and the runtime directory.

use super::finding::{Findings, Outcome, problem};
use crate::config::{Port, PortMode};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::{AccessFlags, access};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    let runtime_dir = &config.supervisor.runtime_dir;
    findings.add("supervisor.runtime_dir", directory(runtime_dir));
    for (index, port) in config.ports.iter().enumerate() {
        findings.add(
            &format!("port[{index}].socket"),
            port_socket(port, runtime_dir),
        );
    }
}

/// A directory that is there and writable, or can be made.
fn directory(path: &Path) -> Outcome {
    let shown = path.display();
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let Some(existing) = existing.filter(|existing| existing.is_dir()) else {
        return problem(format!("{shown} is no directory"), "choose another path");
    };
    if access(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return problem(
            format!("{} cannot be written to", existing.display()),
            "run vswsup as a user who may write there, or choose another path",
        );
    }
    Ok(match existing == path {
        true => format!("{shown} can be written to"),
        false => format!("{shown} can be created"),
    })
}

fn port_socket(port: &Port, runtime_dir: &Path) -> Outcome {
    let path = &port.socket;
    let shown = path.display();
    match port.mode {
        PortMode::Client if path.exists() => Ok(format!("{shown} is here to connect to")),
        PortMode::Client => Ok(format!("{shown} will be connected to once it is there")),
        PortMode::Server => {
            let parent = path.parent().unwrap_or(path);
            if !parent.is_dir() && parent != runtime_dir {
                return problem(
                    format!("there is no directory {}", parent.display()),
                    format!("create it: `mkdir -p {}`", parent.display()),
                );
            }
            directory(parent)?;
            free(path)
        }
    }
}

fn free(path: &Path) -> Outcome {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(_) => Ok(format!("{shown} is free")),
        Ok(found) if !found.file_type().is_socket() => problem(
            format!("{shown} exists and is no socket"),
            "move it away, or choose another path",
        ),
        Ok(_) if is_in_use(path) => problem(
            format!("the socket {shown} is in use by another process"),
            format!("stop that process (`ss -xlp src {shown}` names it), or choose another path"),
        ),
        Ok(_) => Ok(format!("{shown} was left behind and will be replaced")),
    }
}

/// Whether a process has the socket open. The owner does not notice: connecting a datagram socket
/// to a stream socket is refused with EPROTOTYPE when there is an owner, before it is told, and
/// with ECONNREFUSED when there is none (unix(7)).
fn is_in_use(path: &Path) -> bool {
    let probe = || {
        let fd = socket(
            AddressFamily::Unix,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)
    };
    probe() != Err(Errno::ECONNREFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixListener;

    fn port(socket: &Path, mode: PortMode) -> Port {
        Port {
            name: "vm1".to_owned(),
            socket: socket.to_owned(),
            mode,
        }
    }

    fn outcome(socket: &Path) -> Outcome {
        port_socket(&port(socket, PortMode::Server), Path::new("/nowhere"))
    }

    #[test]
    fn a_socket_in_use_is_a_problem_and_its_owner_is_not_disturbed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm1.sock");
        assert!(outcome(&path).unwrap().contains("is free"));
        let owner = UnixListener::bind(&path).unwrap();
        owner.set_nonblocking(true).unwrap();
        let (problem, remedy) = outcome(&path).unwrap_err();
        assert!(problem.contains(path.to_str().unwrap()), "{problem}");
        assert!(problem.contains("in use by another process"), "{problem}");
        assert!(remedy.contains("ss -xlp"), "{remedy}");
        assert_eq!(owner.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(owner);
        assert!(outcome(&path).unwrap().contains("left behind"));
    }

    #[test]
    fn a_file_and_a_missing_directory_are_problems_and_a_client_waits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm1.sock");
        fs::write(&path, "").unwrap();
        assert!(outcome(&path).unwrap_err().0.contains("is no socket"));
        let deeper = directory.path().join("missing/vm1.sock");
        assert!(outcome(&deeper).unwrap_err().1.contains("mkdir -p"));
        let in_runtime_dir = port_socket(
            &port(&deeper, PortMode::Server),
            &directory.path().join("missing"),
        );
        assert!(in_runtime_dir.unwrap().contains("is free"));
        assert!(port_socket(&port(&deeper, PortMode::Client), Path::new("/")).is_ok());
    }
}
