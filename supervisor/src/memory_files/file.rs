//! One hugepage file.

use super::MemoryFileError as Error;
use crate::config::MemoryFile;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, fallocate};
use nix::sys::statfs::{HUGETLBFS_MAGIC, Statfs, statfs};
use nix::unistd::geteuid;
use std::fs::{File, Metadata, read_to_string};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Bytes that it has, or will have.
    pub size: u64,
    /// Bytes of them that are pages already.
    pub populated: u64,
    /// Bytes of a page.
    pub page: u64,
}

impl State {
    fn of(path: &Path, file: &MemoryFile, metadata: &Metadata, page: u64) -> Result<Self, Error> {
        let wanted = file.size.map(|size| u64::from(size.mib()) << 20);
        let size = match (metadata.len(), wanted) {
            (0, None) => return Err(Error::NoSize(path.to_owned())),
            (0, Some(wanted)) => wanted,
            (found, Some(wanted)) if found != wanted => {
                let path = path.to_owned();
                return Err(Error::OtherSize {
                    path,
                    found,
                    wanted,
                });
            }
            (found, _) => found,
        };
        whole(path, size, page)?;
        Ok(Self {
            size,
            populated: metadata.blocks().saturating_mul(512).min(size),
            page,
        })
    }

    /// Pages that are not there yet.
    pub fn missing(&self) -> u64 {
        (self.size - self.populated).div_ceil(self.page)
    }
}

fn whole(path: &Path, size: u64, page: u64) -> Result<(), Error> {
    if size.is_multiple_of(page) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(Error::NotWhole { path, size, page })
}

/// Makes the file if it is not there, and populates what is missing.
pub(super) fn populate(path: &Path, wanted: &MemoryFile) -> Result<Flock<File>, Error> {
    let failed = |error: io::Error| Error::Io {
        path: path.to_owned(),
        error,
    };
    let page = page_of_directory(path)?;
    let opened = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    check_ours(path, &metadata)?;
    let file = lock(path, opened)?;
    let state = State::of(path, wanted, &metadata, page)?;
    if metadata.len() == 0 {
        file.set_len(state.size).map_err(failed)?;
    }
    if state.missing() > 0 {
        take_pages(path, &file, wanted, state)?;
    }
    Ok(file)
}

/// What there is, or would be.
pub(super) fn look(path: &Path, wanted: &MemoryFile) -> Result<State, Error> {
    let page = page_of_directory(path)?;
    match path.symlink_metadata() {
        Ok(metadata) => {
            check_ours(path, &metadata)?;
            State::of(path, wanted, &metadata, page)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let size = wanted.size.ok_or_else(|| Error::NoSize(path.to_owned()))?;
            let size = u64::from(size.mib()) << 20;
            whole(path, size, page)?;
            Ok(State {
                size,
                populated: 0,
                page,
            })
        }
        Err(error) => Err(Error::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

/// Device and number.
pub(super) fn inode(path: &Path, file: &File) -> Result<(u64, u64), Error> {
    let metadata = file.metadata().map_err(|error| Error::Io {
        path: path.to_owned(),
        error,
    })?;
    Ok((metadata.dev(), metadata.ino()))
}

fn page_of_directory(path: &Path) -> Result<u64, Error> {
    let directory = path.parent().unwrap_or(path);
    let filesystem: Statfs = statfs(directory).map_err(|errno| Error::Io {
        path: path.to_owned(),
        error: errno.into(),
    })?;
    if filesystem.filesystem_type() != HUGETLBFS_MAGIC {
        return Err(Error::NotHugetlbfs {
            path: path.to_owned(),
            directory: directory.to_owned(),
        });
    }
    Ok(filesystem.block_size() as u64)
}

fn check_ours(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    let (own, uid) = (geteuid().as_raw(), metadata.uid());
    let mode = metadata.permissions().mode() & 0o7777;
    if uid == own && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::NotPrivate {
        path: path.to_owned(),
        uid,
        own,
        mode,
    })
}

/// Of two supervisors with the same file the second one does not start.
fn lock(path: &Path, file: File) -> Result<Flock<File>, Error> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        let path = path.to_owned();
        if errno == Errno::EWOULDBLOCK {
            return Error::InUse(path);
        }
        let error = errno.into();
        Error::Io { path, error }
    })
}

/// The kernel zeroes what it gives.
fn take_pages(path: &Path, file: &File, wanted: &MemoryFile, state: State) -> Result<(), Error> {
    let everything = || fallocate(file, FallocateFlags::empty(), 0, state.size as i64);
    let outcome = match wanted.node {
        None => everything(),
        Some(node) => {
            policy(MPOL_BIND, Some(node)).map_err(|errno| Error::Node {
                path: path.to_owned(),
                node,
                errno,
            })?;
            let outcome = everything();
            // It was the default before, which always can be had.
            let _ = policy(MPOL_DEFAULT, None);
            outcome
        }
    };
    outcome.map_err(|errno| {
        if [Errno::ENOSPC, Errno::ENOMEM].contains(&errno) {
            return no_pages(path, file, wanted, state);
        }
        let (path, error) = (path.to_owned(), errno.into());
        Error::Io { path, error }
    })
}

fn no_pages(path: &Path, file: &File, wanted: &MemoryFile, state: State) -> Error {
    let populated = file
        .metadata()
        .map_or(state.populated, |m| m.blocks() * 512);
    let now = State { populated, ..state };
    Error::NoPages {
        path: path.to_owned(),
        missing: now.missing(),
        free: free_pages(state.page, wanted.node),
        page: state.page,
        node: wanted
            .node
            .map(|node| format!(" on node {node}"))
            .unwrap_or_default(),
    }
}

/// Free hugepages of `page` bytes, of one NUMA node or of all.
pub(crate) fn free_pages(page: u64, node: Option<u16>) -> u64 {
    let pool = match node {
        Some(node) => format!("/sys/devices/system/node/node{node}/hugepages"),
        None => "/sys/kernel/mm/hugepages".to_owned(),
    };
    let file = format!("{pool}/hugepages-{}kB/free_hugepages", page >> 10);
    let free = read_to_string(file).unwrap_or_default();
    free.trim().parse().unwrap_or(0)
}

/// mempolicy.h.
const MPOL_DEFAULT: i32 = 0;
const MPOL_BIND: i32 = 2;
/// What the kernel looks at of a mask of nodes, in bits.
const NODES: usize = 1024;

/// set_mempolicy(2): where the calling thread's pages come from.
fn policy(mode: i32, node: Option<u16>) -> Result<(), Errno> {
    let mut mask = [0_u64; NODES / 64];
    if let Some(node) = node.map(usize::from) {
        let word = mask.get_mut(node / 64).ok_or(Errno::EINVAL)?;
        *word = 1 << (node % 64);
    }
    let (nodes, bits) = match node {
        Some(_) => (mask.as_ptr(), NODES + 1),
        None => (std::ptr::null(), 0),
    };
    // SAFETY: the kernel reads a mask of `NODES` bits, or none.
    let rc = unsafe { nix::libc::syscall(nix::libc::SYS_set_mempolicy, mode, nodes, bits) };
    Errno::result(rc).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 2 << 20;

    fn wanted(size: Option<&str>) -> MemoryFile {
        MemoryFile {
            path: "/dev/hugepages/{instance}".into(),
            size: size.map(|size| size.parse().unwrap()),
            node: None,
        }
    }

    #[test]
    fn a_file_on_a_disk_is_refused_with_the_mount_that_helps() {
        let directory = tempfile::tempdir().unwrap();
        let error = populate(&directory.path().join("a"), &wanted(Some("2MiB"))).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("mount -t hugetlbfs"), "{text}");
        assert!(
            !directory.path().join("a").exists(),
            "it was made all the same"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(check_ours(file.path(), &file.path().metadata().unwrap()).is_ok());
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(file.path(), open).unwrap();
        let refused = check_ours(file.path(), &file.path().metadata().unwrap());
        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("mode 640") && text.contains("chmod 600"),
            "{text}"
        );
    }

    #[test]
    fn the_size_is_the_files_own_or_the_configurations() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let state = |size, wanted: &MemoryFile| {
            file.as_file().set_len(size).unwrap();
            let metadata = file.path().metadata().unwrap();
            State::of(file.path(), wanted, &metadata, PAGE)
        };
        let missing = |state: State| (state.size, state.missing());
        assert_eq!(
            missing(state(0, &wanted(Some("8MiB"))).unwrap()),
            (4 * PAGE, 4)
        );
        assert_eq!(
            missing(state(2 * PAGE, &wanted(None)).unwrap()),
            (2 * PAGE, 2)
        );
        assert!(matches!(state(0, &wanted(None)), Err(Error::NoSize(_))));
        assert!(matches!(
            state(2 * PAGE, &wanted(Some("8MiB"))),
            Err(Error::OtherSize { found, wanted, .. }) if (found, wanted) == (2 * PAGE, 4 * PAGE)
        ));
        assert!(matches!(
            state(PAGE + 4096, &wanted(None)),
            Err(Error::NotWhole { .. })
        ));
    }

    #[test]
    fn a_node_that_is_not_there_is_an_error() {
        assert!(policy(MPOL_BIND, Some(1023)).is_err());
    }
}
