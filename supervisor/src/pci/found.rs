//! What was found before anything was changed. It is written down first, so that it can be given
//! back by another supervisor than the one that changed it.

use super::{Function, PciAddress, PciError, Pf};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// As in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Found {
    /// Of the PF, when VFs were made.
    pub(super) pf: Option<FoundPf>,
    /// Functions that were there, and were bound to vfio-pci.
    pub(super) functions: Vec<FoundFunction>,
}

/// A PF that had no VFs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoundPf {
    pub(super) netdev: String,
    pub(super) autoprobe: Option<bool>,
    pub(super) up: bool,
}

/// A function, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoundFunction {
    pub(super) address: PciAddress,
    pub(super) driver: Option<String>,
    pub(super) driver_override: Option<String>,
}

impl Found {
    /// What a supervisor before this one has found, and not given back.
    pub(super) fn load(runtime_dir: &Path) -> Result<Self, PciError> {
        let file = file(runtime_dir);
        let found = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        };
        found.map_err(|error| PciError::Memory { file, error })
    }

    /// In one step for whoever reads it.
    pub(super) fn save(&self, runtime_dir: &Path) -> Result<(), PciError> {
        let file = file(runtime_dir);
        let draft = file.with_extension("draft");
        let write = || {
            fs::write(&draft, serde_json::to_vec(self)?)?;
            fs::rename(&draft, &file)
        };
        write().map_err(|error| PciError::Memory { file, error })
    }

    /// All is given back.
    pub(super) fn forget(runtime_dir: &Path) {
        // It is not there when nothing was changed.
        let _ = fs::remove_file(file(runtime_dir));
    }

    /// Before VFs are made. What is known already is older, and stays.
    pub(super) fn note_pf(&mut self, pf: &Pf<'_>) {
        self.pf.get_or_insert_with(|| FoundPf {
            netdev: pf.netdev().to_owned(),
            autoprobe: pf.autoprobe(),
            up: pf.is_up(),
        });
    }

    /// Before a function is bound. One that was made goes away instead of being given back.
    pub(super) fn note(&mut self, function: &Function<'_>) {
        let address = function.address();
        let is_known = self.functions.iter().any(|known| known.address == *address);
        if is_known || self.pf.is_some() && function.pf().is_some() {
            return;
        }
        self.functions.push(FoundFunction {
            address: address.clone(),
            driver: function.driver(),
            driver_override: function.driver_override(),
        });
    }
}

fn file(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("devices")
}

#[cfg(test)]
mod tests {
    use super::super::{Fake, Sysfs};
    use super::*;

    fn noted(sysfs: &Sysfs, address: &PciAddress, found: &mut Found) {
        found.note(&Function::new(sysfs, address.clone()));
    }

    #[test]
    fn what_is_written_down_is_found_again_and_the_first_look_counts() {
        let fake = Fake::new();
        let address = fake.function("0000:02:00.0", Some("ixgbe"), Some(5));
        let sysfs = fake.sysfs();
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Found::load(directory.path()).unwrap(), Found::default());
        let mut found = Found::default();
        noted(&sysfs, &address, &mut found);
        found.save(directory.path()).unwrap();
        Function::new(&sysfs, address.clone())
            .give_to_vfio()
            .unwrap();
        let mut later = Found::load(directory.path()).unwrap();
        noted(&sysfs, &address, &mut later);
        assert_eq!(later, found);
        assert_eq!(later.functions[0].driver.as_deref(), Some("ixgbe"));
        Found::forget(directory.path());
        assert_eq!(Found::load(directory.path()).unwrap(), Found::default());
    }

    #[test]
    fn nonsense_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(file(directory.path()), "{").unwrap();
        let error = Found::load(directory.path()).unwrap_err().to_string();
        assert!(error.contains("devices"), "{error}");
    }
}
