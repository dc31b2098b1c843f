//! One guest behind one switch with a spare.

use super::{Error, QemuSide, Result, Seen, Watch};
use crate::guest_vm::{GuestVm, GuestVmConfig};
use crate::rig::{Rig, RigConfig};
use crate::terminal::Interrupt;
use std::net::Ipv4Addr;
use std::time::Duration;
use vswsup::control::protocol::PromoteReport;

/// The host, behind the uplink.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const HOST_ADDRESS: &str = "10.77.0.1/24";
/// A guest that stands still for half a second must not lose a packet by that.
const DEEP_RINGS: [&str; 2] = ["rx_queue_size=1024", "tx_queue_size=1024"];
/// How long a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A guest, and the switch that it is connected to. All of it is gone when this is.
#[derive(Debug)]
pub struct Scene {
    vm: GuestVm,
    rig: Rig,
    side: QemuSide,
}

impl Scene {
    /// Starts switch and guest, and waits until guest and host reach each other and there is a spare.
    /// The calling thread moves into a network namespace of its own, and all ends when it ends.
    ///
    /// # Errors
    /// What is missing, or does not start.
    pub fn start(side: QemuSide, interrupt: &Interrupt) -> Result<Self> {
        let config = RigConfig {
            mode: side.port_mode(),
            wire_address: Some(HOST_ADDRESS),
            more: RigConfig::DEATHS_ARE_USUAL.to_owned(),
            ..RigConfig::guests(1)
        };
        let rig = Rig::start_without_waiting(&config)?;
        wait_for_spare(&rig, interrupt)?;
        Self::boot(rig, side, interrupt)
    }

    /// Kills QEMU and starts another one in its place, for the same port of the same switch.
    ///
    /// # Errors
    /// When it does not start.
    pub fn with_another_guest(self, interrupt: &Interrupt) -> Result<Self> {
        let Self { vm, rig, side } = self;
        drop(vm);
        Self::boot(rig, side, interrupt)
    }

    fn boot(rig: Rig, side: QemuSide, interrupt: &Interrupt) -> Result<Self> {
        let mut guest = GuestVmConfig::new(rig.socket(1), side.socket_mode(), rig.dir());
        guest.nic_options = DEEP_RINGS.map(str::to_owned).to_vec();
        let vm = GuestVm::spawn(guest)?.wait_ready_unless(|| interrupt.raised())?;
        let scene = Self { vm, rig, side };
        scene.wait_until_connected(interrupt)?;
        wait_for_spare(&scene.rig, interrupt)?;
        Ok(scene)
    }

    /// The guest.
    pub fn vm(&self) -> &GuestVm {
        &self.vm
    }

    /// The switch.
    pub fn rig(&self) -> &Rig {
        &self.rig
    }

    /// Pings both ways and counts from now on what anybody notices.
    ///
    /// # Errors
    /// When guest or QEMU do not answer.
    pub fn watch(&self) -> Result<Watch<'_>> {
        Watch::start(&self.vm, HOST)
    }

    /// Waits for a spare and promotes it, by the command line.
    ///
    /// # Errors
    /// [`Error::Promote`], with the reason.
    pub fn promote(&self, interrupt: &Interrupt) -> Result<PromoteReport> {
        wait_for_spare(&self.rig, interrupt)?;
        let outcome = self.rig.supervisor().command(&["promote", "--json"])?;
        let report = serde_json::from_str(&outcome.stdout);
        match (outcome.status.success(), report) {
            (true, Ok(report)) => Ok(report),
            (true, Err(_)) | (false, _) => Err(Error::Promote {
                said: format!("{}: {}{}", outcome.status, outcome.stdout, outcome.stderr),
                log: self.rig.supervisor().log(),
            }),
        }
    }

    /// Stops the switch and starts it again, as one without a standby is upgraded; until guest and
    /// host reach each other again.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self, interrupt: &Interrupt) -> Result<Seen> {
        let watch = Watch::start(&self.vm, HOST)?;
        self.rig.supervisor_mut().restart()?;
        wait_for_spare(&self.rig, interrupt)?;
        wait_until_connected(&self.vm, &self.rig, interrupt)?;
        watch.finish()
    }

    /// Waits until guest and host reach each other.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_until_connected(&self, interrupt: &Interrupt) -> Result<()> {
        wait_until_connected(&self.vm, &self.rig, interrupt)
    }
}

fn wait_for_spare(rig: &Rig, interrupt: &Interrupt) -> Result<()> {
    wait_for("a spare", rig, interrupt, || {
        let status = rig.supervisor().status();
        status.is_ok_and(|status| status["spare"] == true)
    })
}

fn wait_until_connected(vm: &GuestVm, rig: &Rig, interrupt: &Interrupt) -> Result<()> {
    wait_for(
        "an answer from the host to the guest",
        rig,
        interrupt,
        || {
            let ping = format!("ping -c 1 -W 1 {HOST}");
            vm.has_carrier().is_ok_and(|up| up)
                && vm
                    .outcome(&ping, PATIENCE)
                    .is_ok_and(|outcome| outcome.status == 0)
        },
    )
}

fn wait_for(
    what: &'static str,
    rig: &Rig,
    interrupt: &Interrupt,
    done: impl FnMut() -> bool,
) -> Result<()> {
    if interrupt.wait_until(PATIENCE, done)? {
        return Ok(());
    }
    Err(Error::Late {
        what,
        limit: PATIENCE,
        log: rig.supervisor().log(),
    })
}
