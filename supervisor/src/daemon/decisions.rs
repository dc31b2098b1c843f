//! What an operator or a poison decided for longer than one supervisor lives: the pin, and the ports
//! in quarantine. It is written down before anybody is told, and forgotten by an orderly stop.

use super::{Daemon, console};
use crate::config::Port;
use crate::policy::Event;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// As in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Decisions {
    pinned: bool,
    quarantined: Vec<Port>,
}

impl Decisions {
    /// Those of the supervisor before, if it left any.
    ///
    /// # Errors
    /// Those of the file, and when it has no decisions in it.
    fn load(runtime_dir: &Path) -> io::Result<Self> {
        match fs::read(file(runtime_dir)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// In one step for whoever reads it.
    fn save(&self, runtime_dir: &Path) -> io::Result<()> {
        let path = file(runtime_dir);
        let draft = path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(draft, path)
    }
}

/// Who comes next decides anew.
pub(super) fn forget(runtime_dir: &Path) {
    match fs::remove_file(file(runtime_dir)) {
        Err(error) if error.kind() != ErrorKind::NotFound => console::say(format_args!(
            "remove `{}` by hand, or the next supervisor pins and quarantines as it says: {error}",
            file(runtime_dir).display()
        )),
        // It is not there when nothing was decided.
        Ok(()) | Err(_) => {}
    }
}

fn file(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("decisions")
}

impl Daemon {
    /// Writes down what is decided now.
    pub(super) fn remember(&self) {
        let quarantined = self.ports.iter().filter(|(_, port)| port.quarantined);
        let decisions = Decisions {
            pinned: self.policy.is_pinned(),
            quarantined: quarantined.map(|(_, port)| port.port.clone()).collect(),
        };
        if let Err(error) = decisions.save(self.runtime.path()) {
            // What was decided before must not come back.
            forget(self.runtime.path());
            console::say(format_args!(
                "the pin and the quarantines end with this supervisor, since they cannot be written \
                 down: {error}"
            ));
        }
    }

    /// Decides as the supervisor before did. A pin keeps a pair as it is: without one, of which an
    /// instance `serves`, it would keep everybody from serving.
    pub(super) fn decide_as_before(&mut self, serves: bool) {
        let decisions = Decisions::load(self.runtime.path()).unwrap_or_else(|error| {
            console::say(format_args!(
                "which pin and quarantines there were is not known: {error}"
            ));
            Decisions::default()
        });
        for port in decisions.quarantined {
            if serves || !self.is_wanted_otherwise(&port) {
                self.keep_in_quarantine(port);
            }
        }
        if decisions.pinned && serves {
            self.last_request += 1;
            self.happen(Event::Pin(self.last_request));
        } else if decisions.pinned {
            console::say(format_args!("pinned no longer: no instance is left"));
        }
        self.remember();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PortMode;

    #[test]
    fn what_is_written_down_is_found_again_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let load = || Decisions::load(directory.path());
        assert_eq!(load().unwrap(), Decisions::default());
        let decisions = Decisions {
            pinned: true,
            quarantined: vec![Port {
                name: "vm1".into(),
                socket: "/run/vm1.sock".into(),
                mode: PortMode::Client,
            }],
        };
        decisions.save(directory.path()).unwrap();
        assert_eq!(load().unwrap(), decisions);
        forget(directory.path());
        assert_eq!(load().unwrap(), Decisions::default());
    }

    #[test]
    fn nonsense_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for nonsense in ["", "{", "[]", "{\"pinned\": 3}"] {
            fs::write(file(directory.path()), nonsense).unwrap();
            assert!(Decisions::load(directory.path()).is_err(), "{nonsense}");
        }
    }
}
