//! What is wrong with a hugepage file, and what to do.

use nix::errno::Errno;
use std::io;
use std::path::PathBuf;

/// Why a file cannot be an instance's memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryFileError {
    /// It cannot be made, opened or looked at.
    #[error("memory file {}: {error}: its directory must exist, in a hugetlbfs that this supervisor may write to", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The kernel's word.
        error: io::Error,
    },
    /// It would be on a disk, or in ordinary memory.
    #[error(
        "memory file {}: its directory is no hugetlbfs: `mount -t hugetlbfs -o pagesize=2M none {}`, \
         or another path", path.display(), directory.display()
    )]
    NotHugetlbfs {
        /// The file.
        path: PathBuf,
        /// Where one might be mounted.
        directory: PathBuf,
    },
    /// Something of that name, and no file.
    #[error("memory file {} is no plain file: choose another path", .0.display())]
    NotAFile(PathBuf),
    /// Others could read packets, or write them.
    #[error(
        "memory file {} belongs to user {uid} with mode {mode:o}: it must be this supervisor's alone, \
         `chown {own} {0}` and `chmod 600 {0}`", path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Who this supervisor runs as.
        own: u32,
        /// Its permissions.
        mode: u32,
    },
    /// It is somebody's memory already.
    #[error(
        "memory file {} is in use, by another supervisor or under another name: give each instance its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// It is the memory of instances that this supervisor does not have.
    #[error(
        "memory file {path} is the memory of an instance that has lost its supervisor: start that one \
         again, with the runtime directory that it had, or end the process (`grep -l {path} /proc/*/maps`)",
        path = .0.display()
    )]
    StillMapped(PathBuf),
    /// Nobody says how large it is to be.
    #[error("memory file {} is not there and has no size: add `size` to it, or make the file", .0.display())]
    NoSize(PathBuf),
    /// File and configuration differ.
    #[error(
        "memory file {} has {found} bytes, the configuration says {wanted}: remove the file, or the size",
        path.display()
    )]
    OtherSize {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        found: u64,
        /// Bytes that it should have.
        wanted: u64,
    },
    /// It does not consist of whole pages.
    #[error("memory file {}: {size} bytes are not whole pages of {page} bytes: choose a multiple", path.display())]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// Bytes.
        size: u64,
        /// Bytes of a page there.
        page: u64,
    },
    /// The host has too few free hugepages.
    #[error(
        "memory file {}: {missing} hugepages of {} KiB are missing, and {free} are free: `echo N > \
         {pool}/nr_hugepages` with a larger N", path.display(), page >> 10
    )]
    NoPages {
        /// The file.
        path: PathBuf,
        /// Pages that it lacks.
        missing: u64,
        /// Pages that the host has.
        free: u64,
        /// Bytes of a page.
        page: u64,
        /// Where the kernel counts them.
        pool: String,
    },
    /// There are pages, and the kernel does not give them.
    #[error(
        "memory file {}: {missing} hugepages of {} KiB are missing, and are not given though {free} are free: \
         raise `size=` of the mount, or the limit of this service's cgroup (hugetlb.*.max)",
        path.display(), page >> 10
    )]
    Withheld {
        /// The file.
        path: PathBuf,
        /// Pages that it lacks.
        missing: u64,
        /// Pages that the host has.
        free: u64,
        /// Bytes of a page.
        page: u64,
    },
    /// Its pages cannot be taken from one node.
    #[error("memory file {}: pages of NUMA node {node} cannot be had: {errno}: correct `node`, or remove it", path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// The node.
        node: u16,
        /// The kernel's word.
        errno: Errno,
    },
}
