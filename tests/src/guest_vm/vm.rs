use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::agent::{Agent, Deadline};
use super::qemu::{self, Paths};
use super::{
    CommandOutcome, GuestPing, GuestVmConfig, GuestVmError, GuestWatch, Process, QemuVersion, Qmp,
    Result, lock,
};

/// How long a command in the guest may take if nothing else is said.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// A running guest. Dropped, or when the *thread* that started it ends, it is killed.
#[derive(Debug)]
pub struct GuestVm {
    pub(super) _process: Process,
    pub(super) config: GuestVmConfig,
    pub(super) version: QemuVersion,
    pub(super) paths: Paths,
    pub(super) qmp: Qmp,
    pub(super) agent: Mutex<Agent>,
    pub(super) boot_time: Duration,
}

impl GuestVm {
    /// Runs shell text in the guest and gives its stdout and stderr; a status other than 0 is an
    /// error, and so is a run of more than 20 s. One command at a time; what it leaves in the
    /// background goes on.
    pub fn run(&self, command: &str) -> Result<String> {
        self.run_within(command, COMMAND_LIMIT)
    }

    /// [`run`](GuestVm::run) with a time limit of its own, in whole seconds.
    pub fn run_within(&self, command: &str, limit: Duration) -> Result<String> {
        let CommandOutcome { status, output } = self.outcome(command, limit)?;
        if status == 0 {
            return Ok(output);
        }
        Err(GuestVmError::Command {
            command: command.to_owned(),
            status,
            output,
        })
    }

    /// Runs shell text in the guest, whatever its status.
    pub fn outcome(&self, command: &str, limit: Duration) -> Result<CommandOutcome> {
        lock(&self.agent)
            .run(command, limit)
            .map_err(|error| error.with_log(&self.paths.tail()))
    }

    /// The guest's kernel messages.
    pub fn kernel_log(&self) -> Result<String> {
        self.run("dmesg")
    }

    /// Changes of eth0's carrier since boot, up and down counted apart.
    pub fn carrier_changes(&self) -> Result<u64> {
        self.number("cat /sys/class/net/eth0/carrier_changes")
    }

    /// Whether eth0 has a carrier now.
    pub fn has_carrier(&self) -> Result<bool> {
        Ok(self.number("cat /sys/class/net/eth0/carrier")? == 1)
    }

    /// How often QEMU's net device saw its vhost-user connection opened, the first one included.
    pub fn connects(&self) -> Result<u64> {
        qemu::count_events(&self.paths.trace, qemu::CHARDEV_OPENED)
    }

    /// How often QEMU's net device saw its vhost-user connection closed.
    pub fn disconnects(&self) -> Result<u64> {
        qemu::count_events(&self.paths.trace, qemu::CHARDEV_CLOSED)
    }

    /// How many seconds the guest's clock counts in one of the host's, measured over `span`. Times of
    /// a guest are to be believed only near 1.
    pub fn clock_ratio(&self, span: Duration) -> Result<f64> {
        let begin = (Instant::now(), self.uptime()?);
        thread::sleep(span);
        let end = (Instant::now(), self.uptime()?);
        Ok((end.1 - begin.1) / end.0.duration_since(begin.0).as_secs_f64())
    }

    /// Starts pings from the guest: an echo request to `target` every `interval`, 0.1 ms to 10 s.
    pub fn ping(&self, target: Ipv4Addr, interval: Duration) -> Result<GuestPing<'_>> {
        GuestPing::start(self, target, interval)
    }

    /// Starts pings from the guest and counts from now on what guest and QEMU notice.
    pub fn watch(&self, target: Ipv4Addr, interval: Duration) -> Result<GuestWatch<'_>> {
        GuestWatch::start(self, target, interval)
    }

    /// Resets the machine, which boots again, and waits as for its first boot. Carrier changes count
    /// from 0 again.
    pub fn reset(&self) -> Result<()> {
        self.qmp
            .execute("set-action", json!({ "reboot": "reset" }))?;
        self.qmp.execute("system_reset", json!({}))?;
        let deadline = Deadline::after(self.config.boot_limit);
        lock(&self.agent)
            .wait_ready(deadline, || Ok(()))
            .map_err(|error| error.with_log(&self.paths.tail()))?;
        while !self.has_carrier()? {
            deadline.check("a carrier of eth0")?;
        }
        Ok(())
    }

    /// QEMU's machine protocol.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// Version of the QEMU that runs.
    pub fn version(&self) -> QemuVersion {
        self.version
    }

    /// From the start of QEMU until eth0 has a carrier, the wait for the back end included.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// As it was given.
    pub fn config(&self) -> &GuestVmConfig {
        &self.config
    }

    /// The end of QEMU's messages and of the guest's console.
    pub fn log_tail(&self) -> String {
        self.paths.tail()
    }

    fn number(&self, command: &str) -> Result<u64> {
        let output = self.run(command)?;
        output.trim().parse().map_err(|_| GuestVmError::Protocol {
            peer: "the guest",
            answer: output,
        })
    }

    fn uptime(&self) -> Result<f64> {
        let output = self.run("cut -d' ' -f1 /proc/uptime")?;
        output.trim().parse().map_err(|_| GuestVmError::Protocol {
            peer: "the guest",
            answer: output,
        })
    }
}
