//! A running system with guests and flows, ready to be measured.

use super::error::Result;
use super::operator::Operator;
use crate::emulator::{FlowSpec, Instrument, Plan, Running};
use crate::rig::{Rig, RigConfig};
use std::time::Duration;

/// Frames a second of each flow.
pub(super) const RATE: u32 = 50_000;
const WIRE_SIZE: u16 = 64;
/// How long devices may take to be up, or a path to be open: 255 of them connect one by one.
const PATIENCE: Duration = Duration::from_secs(60);
const WIRE: &str = "wire";

/// The guests and the instrument end before the system does.
pub(super) struct Stage {
    running: Running,
    rig: Rig,
    devices: usize,
}

impl Stage {
    /// Two guests and the uplink, and the three flows: VM to VM, uplink to VM, VM to uplink.
    pub(super) fn three_flows() -> Result<Self> {
        let flows = [
            ("VM to VM", "vm1", "vm2"),
            ("uplink to VM", WIRE, "vm2"),
            ("VM to uplink", "vm1", WIRE),
        ];
        Self::start(2, 2, &flows)
    }

    /// One guest with a flow from and to the uplink, and `devices - 1` that only are there. The
    /// traffic is the same for any number of devices.
    pub(super) fn with_devices(devices: usize) -> Result<Self> {
        let flows = [("uplink to VM", WIRE, "vm1"), ("VM to uplink", "vm1", WIRE)];
        Self::start(devices, 1, &flows)
    }

    /// `busy` of the `devices` carry flows.
    fn start(devices: usize, busy: usize, flows: &[(&str, &str, &str)]) -> Result<Self> {
        let rig = Rig::start(&RigConfig::guests(devices))?;
        let mut plan = Plan::new().uplink(WIRE, rig.wire());
        for number in 1..=devices {
            let idle = number > busy;
            let spec = if idle {
                rig.idle_guest(number)
            } else {
                rig.guest(number)
            };
            plan = plan.guest(&format!("vm{number}"), spec);
        }
        for (name, from, to) in flows {
            plan = plan.flow(FlowSpec::steady(name, from, to, RATE, WIRE_SIZE));
        }
        let running = Instrument::start(plan)?;
        running.wait_for_links(PATIENCE)?;
        let stage = Self {
            running,
            rig,
            devices,
        };
        stage.operator().wait_for_spare(PATIENCE)?;
        stage.start_flows()?;
        Ok(stage)
    }

    /// Starts the flows, at first or again.
    pub(super) fn start_flows(&self) -> Result<()> {
        Ok(self.running.start_flows(PATIENCE)?)
    }

    /// The instrument.
    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// The system.
    pub(super) fn rig_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }

    /// Devices of all guests.
    pub(super) fn devices(&self) -> usize {
        self.devices
    }

    /// The one who asks for promotes.
    pub(super) fn operator(&self) -> Operator {
        Operator::new(self.rig.control_socket())
    }
}
