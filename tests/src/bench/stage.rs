//! A running system with guests and flows, ready to be measured.

use super::cpus;
use super::error::{Error, Result};
use super::toll::Toll;
use crate::emulator::{FlowSpec, GuestSpec, Instrument, Nanos, Plan, Running, Window};
use crate::rig::{Operator, Rig, RigConfig};
use crate::terminal::Interrupt;
use std::time::Duration;

/// Frames a second of each flow.
const RATE: u32 = 50_000;
/// The same where no times are judged: on a busy machine the instrument stalls, and its rings hold this
/// for ten times as long.
const QUICK_RATE: u32 = 5_000;
const WIRE_SIZE: u16 = 64;
/// Frames of a flow that the instrument's rings hold, less what a slow switch leaves there.
const RINGS_HOLD: u64 = 4_500;
/// The same on CPUs that are emulated.
const EMULATED_RATE: u32 = 1_000;
/// How long anything may take that is waited for: 255 devices connect one by one.
const PATIENCE: Duration = Duration::from_secs(60);
const EMULATED_PATIENCE: Duration = Duration::from_secs(300);
/// Lines of the supervisor's log that an error quotes.
const LOG_LINES: usize = 20;
const WIRE: &str = "wire";
/// Place of the guest to which a flow of [`Stage::of_kind`] comes from the uplink.
pub(crate) const FROM_UPLINK: u16 = 1;
/// Names of the three flows, in the order in which they are reported.
pub(crate) const FLOWS: [&str; 3] = ["VM to VM", "uplink to VM", "VM to uplink"];

/// What all that one benchmark measures has in common.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// The instrument's own CPU; without one it rests now and then.
    instrument: Option<usize>,
    /// Frames a second of each flow.
    pub(crate) rate: u32,
    patience: Duration,
    interrupt: Interrupt,
}

impl Conditions {
    /// Gives a CPU to the instrument. `quick`: times are not judged.
    pub(crate) fn new(quick: bool, interrupt: &Interrupt) -> Result<Self> {
        Ok(Self {
            instrument: Some(cpus::reserve_for_instrument()?),
            rate: if quick { QUICK_RATE } else { RATE },
            patience: PATIENCE,
            interrupt: interrupt.clone(),
        })
    }

    /// For a machine whose CPUs are emulated: two that poll without rest leave nothing to the others.
    pub(crate) fn emulated(interrupt: &Interrupt) -> Self {
        Self {
            instrument: None,
            rate: EMULATED_RATE,
            patience: EMULATED_PATIENCE,
            interrupt: interrupt.clone(),
        }
    }

    fn plan(&self) -> Plan {
        match self.instrument {
            Some(cpu) => Plan::new().cpu(cpu),
            None => Plan::new().restful(),
        }
    }

    /// A stall of the instrument beyond this is more than its rings hold.
    fn stall_limit(&self) -> Nanos {
        RINGS_HOLD * 1_000_000_000 / u64::from(self.rate)
    }
}

/// The guests and the instrument end before the system does.
pub(crate) struct Stage {
    running: Running,
    operator: Operator,
    rig: Rig,
    devices: usize,
    conditions: Conditions,
}

impl Stage {
    /// Two guests and the uplink, and the three flows: VM to VM, uplink to VM, VM to uplink. Each guest sends:
    /// a NIC may give a guest's first broadcast back (QEMU's igb does, to the VF that sent it), and only the
    /// next frame tells the switch that the guest is not out there.
    pub(crate) fn three_flows(conditions: &Conditions) -> Result<Self> {
        Self::of_kind(conditions, usual_rig(2))
    }

    /// The same three flows through a system of another kind, which has two ports.
    pub(crate) fn of_kind(conditions: &Conditions, config: RigConfig) -> Result<Self> {
        let flows = [
            (FLOWS[0], "vm1", "vm2"),
            (FLOWS[1], WIRE, "vm1"),
            (FLOWS[2], "vm2", WIRE),
        ];
        Self::start(conditions, config, 2, 0, &flows)
    }

    /// One guest with a flow from the uplink and one to it, and `devices - 1` guests that only are
    /// there. The traffic is the same for any number of devices.
    pub(crate) fn with_devices(conditions: &Conditions, devices: usize) -> Result<Self> {
        Self::with_memory(conditions, devices, 0)
    }

    /// The same; the busy guest has so many bytes of memory at least, all of them touched.
    pub(crate) fn with_memory(
        conditions: &Conditions,
        devices: usize,
        memory: usize,
    ) -> Result<Self> {
        let flows = [(FLOWS[1], WIRE, "vm1"), (FLOWS[2], "vm1", WIRE)];
        Self::start(conditions, usual_rig(devices), 1, memory, &flows)
    }

    /// The first `busy` of the guests carry flows, and have so much `memory`.
    fn start(
        conditions: &Conditions,
        config: RigConfig,
        busy: usize,
        memory: usize,
        flows: &[(&str, &str, &str)],
    ) -> Result<Self> {
        let devices = config.ports;
        let rig = Rig::start_without_waiting(&config)?;
        let operator = rig.operator();
        if !conditions
            .interrupt
            .wait_until(conditions.patience, || operator.is_well())?
        {
            return Err(late(&rig, conditions, "no spare"));
        }
        let mut plan = conditions.plan().uplink(WIRE, rig.wire());
        for number in 1..=devices {
            let carries = number <= busy;
            let spec = if carries {
                GuestSpec {
                    memory,
                    ..rig.guest(number)
                }
            } else {
                rig.idle_guest(number)
            };
            plan = plan.guest(&format!("vm{number}"), spec);
        }
        for (name, from, to) in flows {
            plan = plan.flow(FlowSpec::steady(name, from, to, conditions.rate, WIRE_SIZE));
        }
        let running = Instrument::start(plan)?;
        running.wait_for_links(conditions.patience)?;
        let stage = Self {
            running,
            operator,
            rig,
            devices,
            conditions: conditions.clone(),
        };
        stage.wait_until_well()?;
        Ok(stage)
    }

    /// Starts the flows, at first or again.
    pub(crate) fn start_flows(&self) -> Result<()> {
        Ok(self.running.start_flows(self.conditions.patience)?)
    }

    /// Waits until a promote would succeed.
    pub(crate) fn wait_for_spare(&self) -> Result<()> {
        self.wait("no spare", || self.operator.has_spare())
    }

    /// Waits until all is as it is to be, with a spare or by design without a standby.
    pub(crate) fn wait_until_well(&self) -> Result<()> {
        self.wait("it is not well", || self.operator.is_well())
    }

    /// Waits until something is done.
    ///
    /// # Errors
    /// [`Error::Late`] with what is `missing` then, [`Error::Interrupted`].
    pub(crate) fn wait(&self, missing: &'static str, done: impl FnMut() -> bool) -> Result<()> {
        let Conditions {
            interrupt,
            patience,
            ..
        } = &self.conditions;
        match interrupt.wait_until(*patience, done)? {
            true => Ok(()),
            false => Err(late(&self.rig, &self.conditions, missing)),
        }
    }

    /// Why what was counted in `window` says nothing about the switch, if so.
    pub(crate) fn void(&self, window: Window, toll: &Toll) -> Option<String> {
        let stall = self.running.stalls().longest(window).length();
        if stall > self.conditions.stall_limit() {
            Some(format!(
                "the instrument stalled for {} ms",
                stall / 1_000_000
            ))
        } else if toll.overflowed > 0 {
            Some(format!(
                "the instrument's ring overflowed by {}",
                toll.overflowed
            ))
        } else {
            None
        }
    }

    /// The instrument.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Asks for promotes.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The system.
    pub(crate) fn rig_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }

    /// Stops the switch and starts it again, and returns as soon as it is being started.
    pub(crate) fn restart(&mut self) -> Result<()> {
        Ok(self.rig.supervisor_mut().restart()?)
    }

    /// Devices of all guests.
    pub(crate) fn devices(&self) -> usize {
        self.devices
    }
}

fn usual_rig(devices: usize) -> RigConfig {
    RigConfig {
        more: RigConfig::DEATHS_ARE_USUAL.to_owned(),
        ..RigConfig::guests(devices)
    }
}

fn late(rig: &Rig, conditions: &Conditions, missing: &'static str) -> Error {
    let log = rig.supervisor().log();
    let lines: Vec<&str> = log.lines().collect();
    Error::Late {
        missing,
        limit: conditions.patience,
        log: lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"),
    }
}
