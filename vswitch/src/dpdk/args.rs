//! What the EAL is started with, and the command line that says so to DPDK.

use super::DpdkError;

/// How to start the EAL (DPDK, Linux guide, "EAL parameters").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EalConfig {
    /// Names this process's DPDK resources; two primaries on a host need different ones.
    /// Letters, digits, `.`, `_` and `-`.
    pub file_prefix: String,
    /// The CPU that the EAL counts as its main lcore. The calling thread is not left pinned to it.
    pub main_cpu: usize,
    /// Where packet memory comes from.
    pub memory: Memory,
    /// What DPDK may do with PCI devices.
    pub pci: Pci,
    /// The least important messages that DPDK writes to stderr.
    pub log_level: LogLevel,
}

/// What DPDK may do with PCI devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pci {
    /// It does not look at them at all.
    Off,
    /// It opens these (`0000:01:10.0`) at the start, and no others.
    Now(Vec<String>),
    /// It opens none at the start, but may open one later.
    Later,
}

/// An address that no device has: on the list of what may be opened, so that nothing else is.
const NO_DEVICE: &str = "ffff:ff:1f.7";
/// MiB of ordinary memory beside memory files, for what is no packet and no descriptor.
const BESIDE_FILES: u32 = 32;

/// Where packet memory comes from, and how much of it is taken at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Huge pages, mapped without files, so that a crash leaves none behind. Can grow later.
    HugePages {
        /// MiB
        mib: u32,
    },
    /// Ordinary pages, for hosts without huge pages. Cannot grow later.
    Ordinary {
        /// MiB
        mib: u32,
    },
    /// The hugepage files of [`Eal::init_on_files`](super::Eal::init_on_files). DPDK itself takes no
    /// hugepage.
    Files,
}

/// DPDK's log levels (`rte_log.h`) that an operator can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what looks wrong.
    Warning,
    /// And what is worth knowing.
    Notice,
    /// And what happens.
    Info,
    /// And how.
    Debug,
}

impl LogLevel {
    const fn number(self) -> u32 {
        match self {
            LogLevel::Error => dpdk_sys::RTE_LOG_ERR,
            LogLevel::Warning => dpdk_sys::RTE_LOG_WARNING,
            LogLevel::Notice => dpdk_sys::RTE_LOG_NOTICE,
            LogLevel::Info => dpdk_sys::RTE_LOG_INFO,
            LogLevel::Debug => dpdk_sys::RTE_LOG_DEBUG,
        }
    }
}

impl EalConfig {
    /// The EAL's command line, program name first.
    pub(super) fn command_line(&self) -> Result<Vec<String>, DpdkError> {
        self.check()?;
        let mut line = vec![
            "vswitch".into(),
            format!("--file-prefix={}", self.file_prefix),
            format!("--lcores=0@{}", self.main_cpu),
            format!("--log-level={}", self.log_level.number()),
            "--no-telemetry".into(),
        ];
        line.extend(memory(self.memory));
        line.extend(pci(&self.pci));
        Ok(line)
    }

    fn check(&self) -> Result<(), DpdkError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.file_prefix.is_empty() || !self.file_prefix.chars().all(plain) {
            return Err(DpdkError::FilePrefix(self.file_prefix.clone()));
        }
        let address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
        let listed = match &self.pci {
            Pci::Now(addresses) => &addresses[..],
            Pci::Off | Pci::Later => &[],
        };
        match listed
            .iter()
            .find(|a| a.is_empty() || !a.chars().all(address))
        {
            Some(bad) => Err(DpdkError::PciAddress(bad.clone())),
            None => Ok(()),
        }
    }
}

/// `--in-memory` excludes `--no-huge`, and contains the `--no-shconf` that keeps either free of files.
fn memory(memory: Memory) -> Vec<String> {
    match memory {
        Memory::HugePages { mib } => vec!["-m".into(), mib.to_string(), "--in-memory".into()],
        Memory::Ordinary { mib } => {
            vec![
                "-m".into(),
                mib.to_string(),
                "--no-huge".into(),
                "--no-shconf".into(),
            ]
        }
        Memory::Files => {
            vec![
                "-m".into(),
                BESIDE_FILES.to_string(),
                "--no-huge".into(),
                "--no-shconf".into(),
                "--iova-mode=va".into(),
            ]
        }
    }
}

fn pci(pci: &Pci) -> Vec<String> {
    let allow = |address: &str| format!("--allow={address}");
    match pci {
        Pci::Off => vec!["--no-pci".into()],
        Pci::Now(addresses) => addresses.iter().map(|address| allow(address)).collect(),
        Pci::Later => vec![allow(NO_DEVICE)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EalConfig {
        EalConfig {
            file_prefix: "a".into(),
            main_cpu: 1,
            memory: Memory::Ordinary { mib: 64 },
            pci: Pci::Off,
            log_level: LogLevel::Notice,
        }
    }

    #[test]
    fn without_huge_pages_and_pci_neither_is_looked_for() {
        let line = config().command_line().expect("valid").join(" ");
        assert_eq!(
            line,
            "vswitch --file-prefix=a --lcores=0@1 --log-level=6 --no-telemetry \
             -m 64 --no-huge --no-shconf --no-pci"
        );
    }

    #[test]
    fn huge_pages_leave_no_files_and_only_named_pci_devices_are_touched() {
        let config = EalConfig {
            memory: Memory::HugePages { mib: 128 },
            pci: Pci::Now(vec!["0000:01:10.0".into()]),
            ..config()
        };
        let line = config.command_line().expect("valid").join(" ");
        assert!(
            line.ends_with("-m 128 --in-memory --allow=0000:01:10.0"),
            "{line}"
        );
    }

    #[test]
    fn beside_memory_files_no_huge_page_is_looked_for() {
        let config = EalConfig {
            memory: Memory::Files,
            pci: Pci::Later,
            ..config()
        };
        let line = config.command_line().expect("valid").join(" ");
        assert!(
            line.ends_with("-m 32 --no-huge --no-shconf --iova-mode=va --allow=ffff:ff:1f.7"),
            "{line}"
        );
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_refused() {
        for prefix in ["", "a b", "../x", "%s"] {
            let config = EalConfig {
                file_prefix: prefix.into(),
                ..config()
            };
            assert!(
                matches!(config.command_line(), Err(DpdkError::FilePrefix(_))),
                "{prefix}"
            );
        }
        for address in ["", "01:00.0,x=1", "eth0"] {
            let config = EalConfig {
                pci: Pci::Now(vec![address.into()]),
                ..config()
            };
            assert!(
                matches!(config.command_line(), Err(DpdkError::PciAddress(_))),
                "{address}"
            );
        }
    }
}
