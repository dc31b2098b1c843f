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

use self::role::{FRESH, LEAVING, RESTING, SERVING};
use crate::config::duration;
use crate::netdev::{Netdev, NetdevError, Ports};
use crate::netlink::Netlink;
use crate::netlink::bridge::{BridgePort, PortFlags};
use crate::{Contract, Side, Steering, SteeringError};

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
    Duration::from_millis(10)
}

/// A bridge and the two ports.
#[derive(Debug)]
pub(crate) struct BridgeFdb {
    netlink: Netlink,
    ports: [Netdev; 2],
    in_flight: Duration,
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
            ports: [a, b],
            in_flight: config.in_flight,
        };
        steering.side()?;
        Ok(steering)
    }

    fn port(&self, side: Side) -> &Netdev {
        match side {
            Side::A => &self.ports[0],
            Side::B => &self.ports[1],
        }
    }

    fn names(&self) -> [String; 2] {
        self.ports.each_ref().map(|port| port.name.clone())
    }

    /// The port in use. Both must be what they were when they were found.
    fn side(&self) -> Result<Option<Side>, BridgeError> {
        let [a, b] = [self.look(Side::A)?, self.look(Side::B)?];
        if a.bridge != b.bridge {
            return Err(BridgeError::TwoBridges {
                ports: self.names(),
            });
        }
        role::side(a.flags, b.flags).map_err(|()| BridgeError::Strange {
            ports: self.names(),
        })
    }

    fn look(&self, side: Side) -> Result<BridgePort, BridgeError> {
        let port = self.port(side);
        let found = self
            .netlink
            .bridge_port(port.index)
            .map_err(failed(BridgeDoing::ReadPort, port))?;
        found.ok_or_else(|| BridgeError::NoPort {
            key: port.key,
            port: port.name.clone(),
        })
    }

    fn set(&self, side: Side, flags: PortFlags) -> Result<(), BridgeError> {
        let port = self.port(side);
        let outcome = self.netlink.set_port_flags(port.index, flags);
        outcome.map_err(failed(BridgeDoing::SetFlags, port))
    }

    /// Addresses first, so that nothing to a known one is flooded; and nothing may be learned behind
    /// the port that is left, or its instance's last packets would take their addresses back.
    fn move_to(&self, to: Side) -> Result<(), BridgeError> {
        let from = to.other();
        let target = self.look(to)?;
        if !target.forwards {
            return Err(BridgeError::Blocked {
                port: self.port(to).name.clone(),
            });
        }
        if self.look(from).is_ok_and(|port| port.flags != RESTING) {
            self.set(from, LEAVING)?;
        }
        self.move_addresses(target.bridge, to)?;
        self.set(to, SERVING)?;
        self.rest(from)
    }

    fn move_addresses(&self, bridge: u32, to: Side) -> Result<(), BridgeError> {
        let (from, to) = (self.port(to.other()), self.port(to));
        let entries = self.netlink.fdb_of_port(bridge, from.index);
        for entry in entries.map_err(failed(BridgeDoing::ReadAddresses, from))? {
            let moved = self.netlink.move_address(&entry, to.index);
            moved.map_err(failed(BridgeDoing::MoveAddress, from))?;
        }
        Ok(())
    }

    /// A port that is gone is at rest.
    fn rest(&self, side: Side) -> Result<(), BridgeError> {
        match self.look(side) {
            Ok(_) => self.set(side, RESTING),
            Err(BridgeError::NoPort { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Steering for BridgeFdb {
    /// Each address moves at an instant, and not all at the same one. What is for everybody goes to
    /// both ports between two requests.
    fn contract(&self) -> Contract {
        Contract {
            atomic: false,
            make_before_break: true,
            may_lose: false,
            may_double: true,
            in_flight: self.in_flight,
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        let before = self.side();
        let outcome = self.move_to(to);
        if let (Err(_), Ok(Some(before))) = (&outcome, before)
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
        self.netlink
            .packets_sent(self.port(to).index)
            .ok()
            .flatten()
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        let closed = Side::BOTH.map(|side| match self.look(side) {
            Ok(_) => self.set(side, FRESH),
            Err(BridgeError::NoPort { .. }) => Ok(()),
            Err(error) => Err(error),
        });
        Ok(closed.into_iter().collect::<Result<(), _>>()?)
    }
}

fn failed(doing: BridgeDoing, port: &Netdev) -> impl FnOnce(io::Error) -> BridgeError + use<> {
    let port = port.name.clone();
    move |source| BridgeError::Failed {
        doing,
        port,
        source,
    }
}
