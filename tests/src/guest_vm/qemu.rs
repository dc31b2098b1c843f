//! The QEMU command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run_to_end;
use super::{Artifacts, GuestVmConfig, GuestVmError, Result};

/// Longest path in a `sockaddr_un` (unix(7)), its final zero byte not counted.
const UNIX_PATH_LIMIT: usize = 107;

/// Version of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QemuVersion {
    /// 10 of 10.0.2.
    pub major: u16,
    /// 0 of 10.0.2.
    pub minor: u16,
    /// 2 of 10.0.2.
    pub micro: u16,
}

impl QemuVersion {
    /// Asks the binary.
    pub fn of(qemu: &Path) -> Result<QemuVersion> {
        let answer = run_to_end(Command::new(qemu).arg("--version"))?;
        QemuVersion::parse(&answer).ok_or(GuestVmError::Protocol {
            peer: "qemu --version",
            answer,
        })
    }

    fn parse(answer: &str) -> Option<QemuVersion> {
        let (_, rest) = answer.split_once("version ")?;
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
        let mut numbers = rest[..end.unwrap_or(rest.len())]
            .split('.')
            .map(|number| number.parse().ok());
        Some(QemuVersion {
            major: numbers.next()??,
            minor: numbers.next()??,
            micro: numbers.next()??,
        })
    }

    /// `reconnect-ms` of socket chardevs replaced `reconnect` in 9.2.
    pub(super) fn has_reconnect_ms(self) -> bool {
        (self.major, self.minor) >= (9, 2)
    }

    /// QEMU 7.2 without KVM dereferences a null pointer (`kvm_virtio_pci_irqfd_use`) as soon as a
    /// guest starts a vhost-user device that has MSI-X. 10.0 does not; those between are not tried.
    fn vhost_user_msix_needs_kvm(self) -> bool {
        self.major < 10
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// Files in the work directory of a VM.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) qmp: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) console: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) trace: PathBuf,
}

impl Paths {
    pub(crate) fn below(workdir: &Path) -> Result<Paths> {
        Ok(Paths {
            qmp: socket_path(workdir.join("qmp.sock"))?,
            agent: socket_path(workdir.join("agent.sock"))?,
            console: workdir.join("console.log"),
            log: workdir.join("qemu.log"),
            trace: workdir.join("trace.log"),
        })
    }

    /// The end of QEMU's messages and of the guest's console, for errors.
    pub(crate) fn tail(&self) -> String {
        [&self.log, &self.console]
            .map(|path| format!("\n--- {}\n{}", path.display(), last_lines(path)))
            .concat()
    }
}

pub(super) fn socket_path(path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str().len() <= UNIX_PATH_LIMIT {
        return Ok(path);
    }
    Err(GuestVmError::PathTooLong {
        path,
        limit: UNIX_PATH_LIMIT,
    })
}

fn last_lines(path: &Path) -> String {
    const LINES: usize = 12;
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// All arguments of QEMU for this VM.
pub(super) fn arguments(
    config: &GuestVmConfig,
    version: QemuVersion,
    artifacts: &Artifacts,
    paths: &Paths,
) -> Vec<String> {
    [
        machine(config),
        kernel(config, artifacts, paths),
        channels(paths),
        network(config, version),
        more_devices(config),
        trace(paths),
    ]
    .concat()
}

/// All arguments of a QEMU without machine and guest, but with this connection.
pub(super) fn arguments_without_guest(
    config: &GuestVmConfig,
    version: QemuVersion,
    paths: &Paths,
) -> Vec<String> {
    let machine = options(&[
        ("-machine", "none"),
        ("-display", "none"),
        ("-chardev", &listening("qmp", &paths.qmp)),
        ("-mon", "chardev=qmp,mode=control"),
    ])
    .chain(["-nodefaults".to_owned()])
    .collect();
    [machine, connection(config, version), trace(paths)].concat()
}

fn machine(config: &GuestVmConfig) -> Vec<String> {
    let memory = config.memory_mib;
    options(&[
        ("-accel", "tcg,thread=multi"),
        ("-cpu", "max"),
        ("-smp", &config.cpus.to_string()),
        ("-machine", "q35,memory-backend=memory"),
        ("-m", &format!("{memory}M")),
        (
            "-object",
            &format!("memory-backend-memfd,id=memory,size={memory}M,share=on"),
        ),
        ("-display", "none"),
    ])
    .chain(["-nodefaults".to_owned(), "-no-reboot".to_owned()])
    .collect()
}

/// The guest's clock is the HPET, which follows the host's monotonic clock. The TSC is calibrated at
/// boot, and on a busy host wrong by a factor.
fn kernel(config: &GuestVmConfig, artifacts: &Artifacts, paths: &Paths) -> Vec<String> {
    let command_line = format!(
        "console=ttyS0 quiet panic=-1 tsc=unstable clocksource=hpet vswsup.address={}/{}",
        config.ip, config.prefix
    );
    options(&[
        ("-kernel", &artifacts.kernel.to_string_lossy()),
        ("-initrd", &artifacts.initramfs.to_string_lossy()),
        ("-append", &command_line),
        ("-serial", &format!("file:{}", paths.console.display())),
    ])
    .collect()
}

/// QMP, and the agent's port.
pub(crate) fn channels(paths: &Paths) -> Vec<String> {
    options(&[
        ("-chardev", &listening("qmp", &paths.qmp)),
        ("-mon", "chardev=qmp,mode=control"),
        ("-chardev", &listening("agent", &paths.agent)),
        ("-device", "virtio-serial-pci"),
        ("-device", "virtserialport,chardev=agent,nr=1"),
    ])
    .collect()
}

fn connection(config: &GuestVmConfig, version: QemuVersion) -> Vec<String> {
    let chardev = format!(
        "socket,id=net,path={}{}",
        escaped(&config.socket),
        config.mode.chardev_options(version)
    );
    let netdev = "vhost-user,id=net0,chardev=net";
    options(&[("-chardev", &chardev), ("-netdev", netdev)]).collect()
}

fn network(config: &GuestVmConfig, version: QemuVersion) -> Vec<String> {
    let mut device = format!("virtio-net-pci,netdev=net0,mac={},romfile=", config.mac);
    if version.vhost_user_msix_needs_kvm() {
        device.push_str(",vectors=0");
    }
    for option in &config.nic_options {
        device.push(',');
        device.push_str(option);
    }
    let connection = connection(config, version).into_iter();
    connection.chain(options(&[("-device", &device)])).collect()
}

fn more_devices(config: &GuestVmConfig) -> Vec<String> {
    let devices = config.devices.iter();
    let options = devices.flat_map(|(option, value)| [(*option).to_owned(), value.clone()]);
    options.collect()
}

/// QEMU 7.2 has no QMP event for a lost back end, so it is asked to trace what its net device sees.
fn trace(paths: &Paths) -> Vec<String> {
    let target = format!("enable=vhost_user_event,file={}", escaped(&paths.trace));
    options(&[("-trace", &target)]).collect()
}

/// `CHR_EVENT_OPENED` and `CHR_EVENT_CLOSED` of QEMU include/chardev/char.h.
pub(super) const CHARDEV_OPENED: u32 = 1;
/// See [`CHARDEV_OPENED`].
pub(super) const CHARDEV_CLOSED: u32 = 4;

/// How often QEMU traced that event of its vhost-user chardev.
pub(super) fn count_events(trace: &Path, event: u32) -> Result<u64> {
    let text = std::fs::read_to_string(trace).map_err(GuestVmError::file(trace))?;
    let mark = format!("got event: {event}");
    let events = text
        .lines()
        .filter(|line| line.contains("vhost_user_event") && line.ends_with(&mark));
    Ok(events.count() as u64)
}

fn listening(id: &str, path: &Path) -> String {
    format!("socket,id={id},path={},server=on,wait=off", path.display())
}

/// A comma in an option of QEMU is written twice.
pub(crate) fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// Options of QEMU, each with its value.
pub(crate) fn options(pairs: &[(&str, &str)]) -> impl Iterator<Item = String> {
    pairs
        .iter()
        .flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()])
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_debian_and_plain_builds() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright";
        let plain = "QEMU emulator version 7.2.22\n";
        assert_eq!(QemuVersion::parse(debian).unwrap().to_string(), "10.0.2");
        assert_eq!(QemuVersion::parse(plain).unwrap().to_string(), "7.2.22");
        assert_eq!(QemuVersion::parse("qemu 7"), None);
    }
}
