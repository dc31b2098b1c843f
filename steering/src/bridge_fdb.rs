//! The backend `bridge-fdb`: two ports of a Linux bridge, taps or veths, each of which leads to one
//! instance.
//!
//! The bridge learns behind the port in use which addresses the guests have, and floods that port. A
//! move puts every address that it knows there behind the other port, one pointer each, and then
//! floods that one. The port at rest is given nothing, and nothing is learned from it. What this means
//! for packets in flight is in `docs/steering.md`.

mod error;
mod role;

pub use error::{BridgeError, Doing as BridgeDoing};

use std::io;
use std::time::Duration;

use serde::Deserialize;

use self::role::{LEAVING, RESTING, Reading, SERVING};
use crate::config::duration;
use crate::netdev::{Netdev, NetdevError, Ports};
use crate::netlink::Netlink;
use crate::netlink::bridge::{BridgePort, PortFlags};
use crate::{Contract, Side, Steering, SteeringError, Way};

/// `[steering]` with `backend = "bridge-fdb"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeFdbConfig {
    /// The bridge's ports that lead to the instances.
    pub ports: Ports,
    /// [`Contract::in_flight`]: how long a packet may stay in the port's queue.
    #[serde(default = "default_in_flight", deserialize_with = "duration")]
    pub in_flight: Duration,
}

/// Behind a tap is a process, QEMU, which must be scheduled to read the packet.
fn default_in_flight() -> Duration {
    CONTRACT.in_flight
}

/// With the default time in flight.
pub(crate) const CONTRACT: Contract = Contract {
    atomic: false,
    make_before_break: true,
    may_lose: false,
    may_double: true,
    in_flight: Duration::from_millis(10),
};

/// Looks at what is behind the port that is left. More are needed only when addresses expire meanwhile,
/// which makes the kernel skip others.
const LOOKS: usize = 8;

/// A bridge and the two ports.
#[derive(Debug)]
pub(crate) struct BridgeFdb {
    netlink: Netlink,
    ports: Ports,
    in_flight: Duration,
    /// Where this process steered to last.
    last: Option<Side>,
}

impl BridgeFdb {
    /// Finds the ports and changes nothing.
    pub(crate) fn open(config: &BridgeFdbConfig) -> Result<Self, BridgeError> {
        let netlink = Netlink::open().map_err(NetdevError::unknown)?;
        let a = Netdev::find(&netlink, "ports.a", &config.ports.a)?;
        let b = Netdev::find(&netlink, "ports.b", &config.ports.b)?;
        a.must_differ(&b)?;
        let steering = Self {
            netlink,
            ports: config.ports.clone(),
            in_flight: config.in_flight,
            last: None,
        };
        for side in Side::BOTH {
            steering.port(side)?;
        }
        steering.side()?;
        Ok(steering)
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::A => &self.ports.a,
            Side::B => &self.ports.b,
        }
    }

    fn names(&self) -> [String; 2] {
        Side::BOTH.map(|side| self.name(side).to_owned())
    }

    /// The port in use. A port may be gone with its instance, and may come again.
    fn side(&self) -> Result<Option<Side>, BridgeError> {
        let ports = (self.look(Side::A)?, self.look(Side::B)?);
        let Some(one) = ports.0.as_ref().or(ports.1.as_ref()) else {
            return Err(self.no_port(Side::A));
        };
        self.refuse_snooping(one)?;
        if let (Some(a), Some(b)) = &ports
            && a.bridge != b.bridge
        {
            return Err(BridgeError::TwoBridges {
                ports: self.names(),
            });
        }
        let flags = |port: Option<BridgePort>| port.map_or(RESTING, |port| port.flags);
        match role::read(flags(ports.0), flags(ports.1)) {
            Reading::Side(side) => Ok(Some(side)),
            Reading::Both => Ok(self.last),
            Reading::Strange => Err(BridgeError::Strange {
                ports: self.names(),
            }),
        }
    }

    fn refuse_snooping(&self, port: &BridgePort) -> Result<(), BridgeError> {
        let snoops = self.netlink.snoops(port.bridge);
        if snoops.map_err(self.failed(BridgeDoing::ReadPort, Side::A))? {
            return Err(BridgeError::Snooping {
                port: self.ports.a.clone(),
            });
        }
        Ok(())
    }

    /// What a side's device is to its bridge, if it is there.
    fn look(&self, side: Side) -> Result<Option<BridgePort>, BridgeError> {
        let port = self.netlink.bridge_port(self.name(side));
        port.map_err(self.failed(BridgeDoing::ReadPort, side))
    }

    fn port(&self, side: Side) -> Result<BridgePort, BridgeError> {
        self.look(side)?.ok_or_else(|| self.no_port(side))
    }

    fn no_port(&self, side: Side) -> BridgeError {
        BridgeError::NoPort {
            side,
            port: self.name(side).to_owned(),
        }
    }

    fn set(&self, side: Side, port: &BridgePort, flags: PortFlags) -> Result<(), BridgeError> {
        let outcome = self.netlink.set_port_flags(port.index, flags);
        outcome.map_err(self.failed(BridgeDoing::SetFlags, side))
    }

    /// Addresses first, so that nothing to a known one is flooded; and nothing may be learned behind
    /// the port that is left, or its instance's last packets would take their addresses back.
    fn move_to(&self, to: Side) -> Result<(), BridgeError> {
        let from = to.other();
        let target = self.port(to)?;
        if !target.forwards {
            return Err(BridgeError::Blocked {
                port: self.name(to).to_owned(),
            });
        }
        let Some(left) = self.look(from)? else {
            return self.set(to, &target, SERVING);
        };
        if left.flags.learning {
            self.set(from, &left, LEAVING)?;
        }
        self.move_addresses(&left, to, &target)?;
        self.set(to, &target, SERVING)?;
        self.set(from, &left, RESTING)
    }

    fn move_addresses(
        &self,
        from: &BridgePort,
        to: Side,
        target: &BridgePort,
    ) -> Result<(), BridgeError> {
        for _ in 0..LOOKS {
            let entries = self.netlink.fdb_of_port(from.bridge, from.index);
            let entries = entries.map_err(self.failed(BridgeDoing::ReadAddresses, to.other()))?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                let moved = self.netlink.move_address(&entry, target.index);
                moved.map_err(self.failed(BridgeDoing::MoveAddress, to.other()))?;
            }
        }
        Err(BridgeError::Restless {
            port: self.name(to.other()).to_owned(),
        })
    }

    fn failed(
        &self,
        doing: BridgeDoing,
        side: Side,
    ) -> impl FnOnce(io::Error) -> BridgeError + use<> {
        let port = self.name(side).to_owned();
        move |source| BridgeError::Failed {
            doing,
            port,
            source,
        }
    }
}

impl Steering for BridgeFdb {
    /// Each address moves at an instant, and not all at the same one. What is for everybody goes to
    /// both ports between two requests.
    fn contract(&self) -> Contract {
        Contract {
            in_flight: self.in_flight,
            ..CONTRACT
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        let before = self.side();
        let outcome = self.move_to(to);
        if outcome.is_ok() {
            self.last = Some(to);
        } else if let Ok(Some(before)) = before
            && before != to
        {
            // The error that is told is the first.
            let _ = self.move_to(before);
        }
        Ok(outcome?)
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        Ok(self.side()?)
    }

    fn delivered(&self, to: Side) -> Option<u64> {
        let port = self.look(to).ok()??;
        self.netlink.packets_sent(port.index).ok().flatten()
    }

    /// What is sent by a port does not pass the bridge.
    fn way(&self, to: Side) -> Option<Way> {
        Some(Way::alone(self.name(to)))
    }

    /// The port at rest first: then both are as the kernel makes them, at every step.
    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        let in_use = self.side().ok().flatten().unwrap_or(Side::A);
        let closed = [in_use.other(), in_use].map(|side| match self.look(side)? {
            Some(port) => self.set(side, &port, SERVING),
            None => Ok(()),
        });
        Ok(closed.into_iter().collect::<Result<(), _>>()?)
    }
}
