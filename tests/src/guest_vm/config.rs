use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::QemuVersion;

/// Names the QEMU binary to use instead of `qemu-system-x86_64` from `PATH`.
pub const QEMU_VARIABLE: &str = "VSWSUP_QEMU";

/// Which end of the vhost-user socket QEMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// QEMU listens, the back end connects (`server=on,wait=off`).
    Server,
    /// The back end listens, QEMU connects.
    Client {
        /// Time after which QEMU tries again when it has lost the back end; `None`: never.
        /// Rounded up to whole seconds by QEMU before 9.2.
        reconnect: Option<Duration>,
    },
}

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One virtual machine with one virtio-net device.
#[derive(Clone, Debug)]
pub struct GuestVmConfig {
    /// The vhost-user socket, shared with the back end.
    pub socket: PathBuf,
    /// Which end of it QEMU is.
    pub mode: SocketMode,
    /// Existing directory for QMP, agent, logs; its path must leave room for a socket name. One VM each.
    pub workdir: PathBuf,
    /// MAC address of eth0.
    pub mac: Mac,
    /// Address of eth0.
    pub ip: Ipv4Addr,
    /// Length of its network prefix in bits.
    pub prefix: u8,
    /// Guest memory in MiB, a shared memfd.
    pub memory_mib: u32,
    /// Virtual CPUs.
    pub cpus: u8,
    /// More options of `virtio-net-pci`, for example `packed=on` or `host_mtu=9000`.
    pub nic_options: Vec<String>,
    /// More devices, as QEMU's options `-object` and `-device` name them, each with its value.
    pub devices: Vec<(&'static str, String)>,
    /// The QEMU binary.
    pub qemu: PathBuf,
    /// How long the guest may take until its agent answers, the wait for the back end included.
    pub boot_limit: Duration,
}

impl GuestVmConfig {
    /// 256 MiB, one CPU, 52:54:00:00:00:02 with 10.77.0.2/24, one minute to boot, and QEMU from
    /// [`QEMU_VARIABLE`] or `PATH`.
    pub fn new(
        socket: impl Into<PathBuf>,
        mode: SocketMode,
        workdir: impl Into<PathBuf>,
    ) -> GuestVmConfig {
        let qemu = std::env::var_os(QEMU_VARIABLE).unwrap_or_else(|| "qemu-system-x86_64".into());
        GuestVmConfig {
            socket: socket.into(),
            mode,
            workdir: workdir.into(),
            mac: Mac([0x52, 0x54, 0, 0, 0, 2]),
            ip: Ipv4Addr::new(10, 77, 0, 2),
            prefix: 24,
            memory_mib: 256,
            cpus: 1,
            nic_options: Vec::new(),
            devices: Vec::new(),
            qemu: qemu.into(),
            boot_limit: Duration::from_secs(60),
        }
    }
}

impl SocketMode {
    /// Options of `-chardev socket` in the words of that QEMU.
    pub(super) fn chardev_options(self, version: QemuVersion) -> String {
        match self {
            SocketMode::Server => ",server=on,wait=off".to_owned(),
            SocketMode::Client { reconnect: None } => String::new(),
            SocketMode::Client {
                reconnect: Some(delay),
            } if version.has_reconnect_ms() => {
                format!(",reconnect-ms={}", delay.as_millis().max(1))
            }
            SocketMode::Client {
                reconnect: Some(delay),
            } => format!(",reconnect={}", delay.as_millis().div_ceil(1000).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnect_is_spelled_as_the_version_wants_it() {
        let old = QemuVersion {
            major: 7,
            minor: 2,
            micro: 22,
        };
        let new = QemuVersion {
            major: 10,
            minor: 0,
            micro: 2,
        };
        let client = |ms| SocketMode::Client {
            reconnect: Some(Duration::from_millis(ms)),
        };
        assert_eq!(client(1200).chardev_options(old), ",reconnect=2");
        assert_eq!(client(1200).chardev_options(new), ",reconnect-ms=1200");
        assert_eq!(client(0).chardev_options(new), ",reconnect-ms=1");
        let never = SocketMode::Client { reconnect: None };
        assert_eq!(never.chardev_options(new), "");
    }
}
