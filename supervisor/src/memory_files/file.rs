//! One hugepage file.

use super::lock::Owned;
use super::{MemoryFileError as Error, pages};
use crate::config::MemoryFile;
use nix::sys::statfs::{HUGETLBFS_MAGIC, Statfs, statfs};
use nix::unistd::geteuid;
use std::fs::{File, Metadata};
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
    /// The NUMA node from which the others are taken.
    pub node: Option<u16>,
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
            populated: populated(metadata).min(size),
            page,
            node: file.node,
        })
    }

    /// Pages that are not there yet.
    pub fn missing(&self) -> u64 {
        (self.size - self.populated).div_ceil(self.page)
    }
}

/// Bytes of a file that are pages.
pub(super) fn populated(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

fn whole(path: &Path, size: u64, page: u64) -> Result<(), Error> {
    if size.is_multiple_of(page) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(Error::NotWhole { path, size, page })
}

/// Makes the file if it is not there, and populates what is missing. `pair_runs`: as in
/// [`Owned::take`].
pub(super) fn populate(path: &Path, wanted: &MemoryFile, pair_runs: bool) -> Result<Owned, Error> {
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
    let owned = Owned::take(path, opened, pair_runs)?;
    let state = State::of(path, wanted, &metadata, page)?;
    let is_empty = metadata.len() == 0;
    if is_empty {
        owned.given().set_len(state.size).map_err(failed)?;
    }
    if state.missing() > 0
        && let Err(error) = pages::take(path, owned.given(), wanted, state)
    {
        // Pages of a file that is of no use are of no use to others either.
        if is_empty {
            let _ = owned.given().set_len(0);
        }
        return Err(error);
    }
    Ok(owned)
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
                node: wanted.node,
            })
        }
        Err(error) => Err(Error::Io {
            path: path.to_owned(),
            error,
        }),
    }
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
        let error =
            populate(&directory.path().join("a"), &wanted(Some("2MiB")), false).unwrap_err();
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
}
