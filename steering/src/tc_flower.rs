//! The backend `tc-flower`: a NIC in switchdev mode, whose switch is programmed by tc filters on the
//! devices that represent its ports.
//!
//! On the uplink are two rules that redirect every packet: one to `a`, and before it, while `b` is in
//! use, one to `b`. So a move is one request, which adds or removes the rule of `b`, and there is no
//! instant without a rule. On each representor a rule leads to the wire. The rules belong to the
//! devices and outlive the process. What this means for packets in flight is in `docs/steering.md`.

mod config;
mod devices;
mod error;
mod label;
mod rules;

pub use config::{Representors, TcFlowerConfig};
pub use error::{Doing as TcFlowerDoing, TcFlowerError};

use std::time::Duration;

use self::devices::{Devices, Names};
use self::label::Role;
use self::rules::{Found, Rules};
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::flower::Offload;
use crate::{Contract, Side, Steering, SteeringError, Way};

/// With the default time in flight.
pub(crate) const CONTRACT: Contract = Contract {
    atomic: true,
    make_before_break: true,
    may_lose: false,
    may_double: false,
    in_flight: Duration::from_millis(1),
};

/// The installed rules.
#[derive(Debug)]
pub(crate) struct TcFlower {
    netlink: Netlink,
    names: Names,
    offload: Offload,
    in_flight: Duration,
    /// Where this process steered to last, or found that another had.
    last: Option<Side>,
}

impl TcFlower {
    /// Installs the ways to the wire, or takes over what is there. Where packets from the wire go to
    /// stays as it is.
    pub(crate) fn open(config: &TcFlowerConfig) -> Result<Self, TcFlowerError> {
        let netlink = Netlink::open().map_err(NetdevError::unknown)?;
        let names = Names::find(&netlink, config)?;
        let mut steering = Self {
            netlink,
            names,
            offload: config.offload(),
            in_flight: config.in_flight,
            last: None,
        };
        let devices = steering.devices()?;
        steering.last = steering.sides(&devices)?.in_use();
        steering.install(&devices.uplink)?;
        Ok(steering)
    }

    fn devices(&self) -> Result<Devices, TcFlowerError> {
        Ok(self.names.devices(&self.netlink)?)
    }

    fn on<'a>(&'a self, device: &'a Netdev) -> Rules<'a> {
        Rules {
            netlink: &self.netlink,
            device,
            offload: self.offload,
        }
    }

    /// The rules to the sides.
    fn sides(&self, devices: &Devices) -> Result<Sides, TcFlowerError> {
        let find = |side| {
            let rules = self.on(&devices.uplink);
            rules.find(Role::Side(side), devices.port(side))
        };
        Ok(Sides {
            a: find(Side::A)?,
            b: find(Side::B)?,
        })
    }

    /// Both sides must be there. What this call puts goes again if it fails.
    fn install(&self, uplink: &Netdev) -> Result<(), TcFlowerError> {
        let port = |side| self.names.port(&self.netlink, side);
        let mut put = Vec::new();
        let outcome = [port(Side::A)?, port(Side::B)?]
            .iter()
            .try_for_each(|port| {
                let rules = self.on(port);
                if rules.find(Role::Wire, Some(uplink))?.is_none() {
                    put.push(port.clone());
                }
                rules.ensure(Role::Wire, uplink)
            });
        if outcome.is_err() {
            for port in put {
                // The error that is told is the first.
                let _ = self.on(&port).delete_all(&[Role::Wire]);
            }
        }
        outcome
    }

    /// Puts the rule of the new side. For `a` it lies below that of `b`, which is then removed. The
    /// other side's device may be down, or gone.
    fn move_to(&self, to: Side, devices: &Devices) -> Result<(), TcFlowerError> {
        let port = self.names.port(&self.netlink, to)?;
        let uplink = self.on(&devices.uplink);
        self.on(&port).ensure(Role::Wire, &devices.uplink)?;
        uplink.ensure(Role::Side(to), &port)?;
        let put = uplink.find(Role::Side(to), Some(&port))?;
        sound(put.as_ref(), &devices.uplink, &port)?;
        match to {
            Side::A => uplink.delete(Role::Side(Side::B))?,
            Side::B => {}
        }
        if self.sides(devices)?.in_use() == Some(to) {
            return Ok(());
        }
        let uplink = devices.uplink.name.clone();
        Err(TcFlowerError::NotMoved { uplink, side: to })
    }

    /// Takes back the rule that a failed move put, unless packets have no other any more.
    fn undo(&self, to: Side, before: &Sides, devices: &Devices) -> Result<(), TcFlowerError> {
        let other = to.other();
        let is_only = before.of(other).is_some() && self.sides(devices)?.of(other).is_none();
        if before.of(to).is_some() || is_only {
            return Ok(());
        }
        self.on(&devices.uplink).delete_all(&[Role::Side(to)])
    }

    /// Everything leads where it should. What the other side lacks, a move to it mends.
    fn verify(&self, devices: &Devices, sides: &Sides) -> Result<(), TcFlowerError> {
        let Some(side) = sides.in_use().or(self.last) else {
            return Ok(());
        };
        let port = self.names.port(&self.netlink, side)?;
        let wire = self.on(&port).find(Role::Wire, Some(&devices.uplink))?;
        sound(wire.as_ref(), &port, &devices.uplink)?;
        sound(sides.of(side), &devices.uplink, &port)
    }

    /// The rule that no packet reaches goes first.
    fn remove_sides(&self) -> Result<(), TcFlowerError> {
        let uplink = self.names.existing_uplink(&self.netlink)?;
        self.remove(uplink.as_ref(), &Side::BOTH.map(Role::Side))
    }

    fn remove_wire(&self, side: Side) -> Result<(), TcFlowerError> {
        let port = self.names.existing_port(&self.netlink, side)?;
        self.remove(port.as_ref(), &[Role::Wire])
    }

    /// A device that is gone has no rules.
    fn remove(&self, device: Option<&Netdev>, roles: &[Role]) -> Result<(), TcFlowerError> {
        match device {
            Some(device) => self.on(device).delete_all(roles),
            None => Ok(()),
        }
    }
}

/// The rules on the uplink.
#[derive(Debug)]
struct Sides {
    a: Option<Found>,
    b: Option<Found>,
}

impl Sides {
    fn of(&self, side: Side) -> Option<&Found> {
        match side {
            Side::A => self.a.as_ref(),
            Side::B => self.b.as_ref(),
        }
    }

    /// The first rule is the one that packets meet.
    fn in_use(&self) -> Option<Side> {
        [Side::B, Side::A]
            .into_iter()
            .find(|&side| self.of(side).is_some())
    }
}

fn sound(found: Option<&Found>, from: &Netdev, to: &Netdev) -> Result<(), TcFlowerError> {
    let (device, to) = (from.name.clone(), to.name.clone());
    match found {
        Some(found) if found.is_sound => Ok(()),
        Some(_) => Err(TcFlowerError::Broken { device, to }),
        None => Err(TcFlowerError::Detached { device, to }),
    }
}

impl Steering for TcFlower {
    /// One rule comes or goes.
    fn contract(&self) -> Contract {
        Contract {
            in_flight: self.in_flight,
            ..CONTRACT
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        let devices = self.devices()?;
        let before = self.sides(&devices)?;
        let outcome = self.move_to(to, &devices);
        if outcome.is_ok() {
            self.last = Some(to);
        } else {
            // The error that is told is the first.
            let _ = self.undo(to, &before, &devices);
        }
        Ok(outcome?)
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        let devices = self.devices()?;
        let sides = self.sides(&devices)?;
        self.verify(&devices, &sides)?;
        Ok(sides.in_use())
    }

    fn delivered(&self, to: Side) -> Option<u64> {
        let devices = self.devices().ok()?;
        let port = devices.port(to)?.index;
        self.netlink.packets_sent(port).ok().flatten()
    }

    /// What is sent by a representor is given to its VF (Linux
    /// `Documentation/networking/representors.rst`).
    fn way(&self, to: Side) -> Option<Way> {
        Some(Way::alone(self.names.of_port(to)))
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        let mut result = self.remove_sides();
        for side in Side::BOTH {
            result = result.and(self.remove_wire(side));
        }
        Ok(result?)
    }
}
