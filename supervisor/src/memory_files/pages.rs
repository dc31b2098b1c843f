//! Where a file's pages come from.

use super::MemoryFileError as Error;
use super::State;
use crate::config::MemoryFile;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::{File, read_to_string};
use std::path::Path;

/// Takes the pages that `file` lacks. The kernel zeroes them.
pub(super) fn take(
    path: &Path,
    file: &File,
    wanted: &MemoryFile,
    state: State,
) -> Result<(), Error> {
    let everything = || fallocate(file, FallocateFlags::empty(), 0, state.size as i64);
    let outcome = match wanted.node {
        None => everything(),
        Some(node) => near(node, everything).map_err(|errno| Error::Node {
            path: path.to_owned(),
            node,
            errno,
        })?,
    };
    outcome.map_err(|errno| {
        if [Errno::ENOSPC, Errno::ENOMEM].contains(&errno) {
            return not_had(path, file, state);
        }
        let (path, error) = (path.to_owned(), errno.into());
        Error::Io { path, error }
    })
}

fn not_had(path: &Path, file: &File, state: State) -> Error {
    let populated = file.metadata().map_or(state.populated, |metadata| {
        super::file::populated(&metadata)
    });
    let missing = State { populated, ..state }.missing();
    let free = free_pages(state.page, state.node);
    let (path, page, pool) = (path.to_owned(), state.page, pool(state.page, state.node));
    match free >= missing {
        true => Error::Withheld {
            path,
            missing,
            free,
            page,
        },
        false => Error::NoPages {
            path,
            missing,
            free,
            page,
            pool,
        },
    }
}

/// Hugepages of `page` bytes that are free and promised to nobody, of one NUMA node or of all.
pub(crate) fn free_pages(page: u64, node: Option<u16>) -> u64 {
    let number = |node, file| {
        let text = read_to_string(format!("{}/{file}", pool(page, node))).unwrap_or_default();
        text.trim().parse().unwrap_or(0_u64)
    };
    // Nodes keep no book of promises.
    let unpromised = number(None, "free_hugepages").saturating_sub(number(None, "resv_hugepages"));
    unpromised.min(number(node, "free_hugepages"))
}

/// The kernel's book of the hugepages of `page` bytes, of one NUMA node or of all.
pub(crate) fn pool(page: u64, node: Option<u16>) -> String {
    let of = match node {
        Some(node) => format!("/sys/devices/system/node/node{node}/hugepages"),
        None => "/sys/kernel/mm/hugepages".to_owned(),
    };
    format!("{of}/hugepages-{}kB", page >> 10)
}

/// Runs `take` where pages come from `node` alone. That is a property of a thread: so it has one of
/// its own.
fn near<T: Send>(node: u16, take: impl FnOnce() -> T + Send) -> Result<T, Errno> {
    std::thread::scope(|threads| {
        let taking = threads.spawn(move || bind(node).map(|()| take()));
        let taken = taking.join();
        taken.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// mempolicy.h.
const MPOL_BIND: i32 = 2;
/// What the kernel looks at of a mask of nodes, in bits.
const NODES: usize = 1024;

/// set_mempolicy(2): the calling thread's pages come from `node`.
fn bind(node: u16) -> Result<(), Errno> {
    let node = usize::from(node);
    let mut mask = [0_u64; NODES / 64];
    *mask.get_mut(node / 64).ok_or(Errno::EINVAL)? = 1 << (node % 64);
    let (nodes, bits) = (mask.as_ptr(), NODES + 1);
    // SAFETY: the kernel reads a mask of `NODES` bits.
    let rc = unsafe { nix::libc::syscall(nix::libc::SYS_set_mempolicy, MPOL_BIND, nodes, bits) };
    Errno::result(rc).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// get_mempolicy(2): the calling thread's mode.
    fn mode() -> i32 {
        let mut mode = -1;
        let (nothing, zero) = (std::ptr::null::<u64>(), 0_usize);
        let call = nix::libc::SYS_get_mempolicy;
        // SAFETY: the kernel writes one int.
        let rc = unsafe { nix::libc::syscall(call, &raw mut mode, nothing, zero, nothing, zero) };
        assert_eq!(rc, 0);
        mode
    }

    #[test]
    fn a_node_that_is_not_there_is_an_error() {
        for nowhere in [1023, 1024, u16::MAX] {
            assert!(near(nowhere, || ()).is_err(), "{nowhere}");
        }
    }

    #[test]
    fn one_nodes_pages_are_taken_and_nothing_else_is_changed() {
        let before = mode();
        assert_eq!(near(0, mode), Ok(MPOL_BIND));
        assert_eq!(mode(), before);
    }
}
