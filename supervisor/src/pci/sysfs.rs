//! The kernel's files about devices, below a root.

use super::PciError;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What changes something, or asks the kernel by opening a device.
pub(crate) trait Kernel: Send + Sync {
    /// Writes `value` into an attribute that is there.
    fn write(&self, path: &Path, value: &str) -> io::Result<()>;

    /// Opens a device for reading and writing, and closes it again.
    fn open(&self, path: &Path) -> io::Result<()>;
}

/// The kernel of this host.
struct Host;

impl Kernel for Host {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let mut attribute = OpenOptions::new().write(true).open(path)?;
        attribute.write_all(value.as_bytes())
    }

    fn open(&self, path: &Path) -> io::Result<()> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map(drop)
    }
}

/// `/sys`, `/proc` and `/dev`. Paths are relative to the root: `sys/bus/pci`.
#[derive(Clone)]
pub(crate) struct Sysfs {
    root: PathBuf,
    kernel: Arc<dyn Kernel>,
}

impl fmt::Debug for Sysfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sysfs").field(&self.root).finish()
    }
}

impl Sysfs {
    /// This host's.
    pub(crate) fn host() -> Self {
        Self {
            root: PathBuf::from("/"),
            kernel: Arc::new(Host),
        }
    }

    /// Another one.
    #[cfg(test)]
    pub(super) fn of(root: &Path, kernel: Arc<dyn Kernel>) -> Self {
        Self {
            root: root.to_owned(),
            kernel,
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Without the line's end.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim_end().to_owned())
    }

    pub(super) fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.read(path)?.parse().ok()
    }

    /// The last part of where a symbolic link leads to.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.root.join(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// All of where a symbolic link leads to.
    pub(super) fn link(&self, path: &str) -> Option<PathBuf> {
        fs::read_link(self.root.join(path)).ok()
    }

    /// What is in a directory, in order; nothing when it is not there.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(directory)).into_iter();
        let entries = entries.flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Tells the kernel.
    pub(super) fn write(&self, path: &str, value: &str) -> Result<(), PciError> {
        let file = self.root.join(path);
        self.kernel.write(&file, value).map_err(|error| {
            let value = value.trim_end().to_owned();
            PciError::Write { file, value, error }
        })
    }

    pub(super) fn open(&self, path: &str) -> io::Result<()> {
        self.kernel.open(&self.root.join(path))
    }
}
