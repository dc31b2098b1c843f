//! A NIC that the kernel simulates, with VFs and a switch, as `tests/guest/netdevsim` builds it: its
//! parameters make the table of filters full, slow or broken.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::sh;

const BUS: &str = "/sys/bus/netdevsim";
const PARAMETERS: &str = "/sys/module/netdevsim/parameters";
/// Number and name of the simulated device.
const NUMBER: &str = "10";
const DEVICE: &str = "netdevsim10";
/// A parameter, and its value when nothing is wrong.
const DEFAULTS: [(&str, &str); 4] = [
    ("flower_room", "64"),
    ("flower_error", "0"),
    ("flower_delay", "0"),
    ("refuse_vf", "-1"),
];

/// The parameters and the bus are one for all tests.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The simulated NIC, in the network namespace of the thread, which must be new: the port to the wire
/// is `eth0`, and the representors of two VFs are `eth1` and `eth2`. It goes with this value.
pub(crate) struct Nic {
    _one: MutexGuard<'static, ()>,
}

impl Nic {
    /// With VFs in legacy mode.
    pub(crate) fn new() -> Self {
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        load();
        let nic = Self { _one: one };
        nic.all_is_well();
        write(&format!("{BUS}/new_device"), &format!("{NUMBER} 1"));
        nic.make_vfs(2);
        sh("ip link set eth0 up");
        nic
    }

    /// In switchdev mode, and ready to take filters.
    pub(crate) fn switchdev() -> Self {
        let nic = Self::new();
        nic.to_switchdev();
        nic
    }

    /// Without VFs it falls back to legacy mode.
    pub(crate) fn to_switchdev(&self) {
        sh(&format!(
            "devlink dev eswitch set netdevsim/{DEVICE} mode switchdev"
        ));
        for device in ["eth0", "eth1", "eth2"] {
            sh(&format!("ip link set {device} up"));
            sh(&format!("ethtool -K {device} hw-tc-offload on"));
        }
    }

    pub(crate) fn make_vfs(&self, count: u32) {
        write(
            &format!("{BUS}/devices/{DEVICE}/sriov_numvfs"),
            &count.to_string(),
        );
    }

    /// Sets a parameter.
    pub(crate) fn set(&self, parameter: &str, value: impl ToString) {
        write(&format!("{PARAMETERS}/{parameter}"), &value.to_string());
    }

    /// Filters in the NIC's table.
    pub(crate) fn used(&self) -> u32 {
        let text = fs::read_to_string(format!("{PARAMETERS}/flower_used")).expect("flower_used");
        text.trim().parse().expect("a number")
    }

    pub(crate) fn all_is_well(&self) {
        for (parameter, value) in DEFAULTS {
            self.set(parameter, value);
        }
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // Another failure may be on its way already.
        let _ = fs::write(format!("{BUS}/del_device"), NUMBER);
        for (parameter, value) in DEFAULTS {
            let _ = fs::write(format!("{PARAMETERS}/{parameter}"), value);
        }
    }
}

fn load() {
    if !Path::new(BUS).exists() {
        sh("modprobe netdevsim");
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while !Path::new(BUS).exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let ours = Path::new(PARAMETERS).join("flower_room");
    assert!(
        ours.exists(),
        "needs the netdevsim that tests/guest/netdevsim builds: {} is not there",
        ours.display()
    );
    // What a test left that was killed.
    if Path::new(&format!("{BUS}/devices/{DEVICE}")).exists() {
        write(&format!("{BUS}/del_device"), NUMBER);
    }
}

fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{text} to {path}: {error}"));
}
