//! The ports of the switch: their numbers, and the sockets of those in server mode.

use super::listener::Listener;
use crate::config::{Port, PortMode};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use vhost_transfer::PortId;
use vhost_transfer::message::AddPort;

/// A port with its number.
#[derive(Debug)]
pub(super) struct NumberedPort {
    pub(super) port: Port,
    listener: Option<Listener>,
    /// Its device is closed and nobody serves it.
    pub(super) quarantined: bool,
    /// What its instance last complained about.
    pub(super) trouble: Option<String>,
}

/// All but the uplink.
#[derive(Debug)]
pub(super) struct Ports {
    ports: BTreeMap<PortId, NumberedPort>,
    /// The next number that no port had yet.
    fresh: u16,
    /// Numbers that are free again, the longest free one first. They come last, so that nobody
    /// takes an old port for a new one.
    freed: VecDeque<PortId>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            ports: BTreeMap::new(),
            fresh: PortId::UPLINK.get() + 1,
            freed: VecDeque::new(),
        }
    }
}

impl Ports {
    /// Takes the port's socket, and gives it a number.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn add(&mut self, port: Port) -> Result<PortId, String> {
        self.validate(&port)?;
        let listener = listen(&port)?;
        self.number(port, listener, false)
    }

    /// Gives a port a number that is in quarantine.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_closed(&mut self, port: Port) -> Result<PortId, String> {
        self.validate(&port)?;
        self.number(port, None, true)
    }

    fn number(
        &mut self,
        port: Port,
        listener: Option<Listener>,
        quarantined: bool,
    ) -> Result<PortId, String> {
        let id = self
            .take_number()
            .ok_or_else(|| format!("port `{}`: no number is free; remove a port", port.name))?;
        let numbered = NumberedPort {
            port,
            listener,
            quarantined,
            trouble: None,
        };
        self.ports.insert(id, numbered);
        Ok(id)
    }

    fn validate(&self, port: &Port) -> Result<(), String> {
        let others = self.ports.values().map(|other| other.port.clone());
        port.validate(&others.collect::<Vec<_>>())
    }

    /// Takes a port that has its number, and its socket, from a supervisor before this one.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn keep(
        &mut self,
        id: PortId,
        port: Port,
        socket: Option<OwnedFd>,
    ) -> Result<(), String> {
        self.validate(&port)?;
        if id == PortId::UPLINK {
            return Err(format!("port `{}` has the uplink's number", port.name));
        }
        let listener = inherit(&port, socket)?;
        let numbered = NumberedPort {
            port,
            listener,
            quarantined: false,
            trouble: None,
        };
        self.ports.insert(id, numbered);
        while self.fresh <= id.get() {
            if let Some(skipped) = PortId::new(self.fresh).filter(|&skipped| skipped != id) {
                self.freed.push_back(skipped);
            }
            self.fresh += 1;
        }
        self.freed.retain(|&freed| freed != id);
        Ok(())
    }

    /// Gives the socket and, in time, the number back.
    pub(super) fn remove(&mut self, name: &str) -> Option<(PortId, NumberedPort)> {
        let id = self.find(name)?;
        let port = self.ports.remove(&id)?;
        self.freed.push_back(id);
        Some((id, port))
    }

    pub(super) fn find(&self, name: &str) -> Option<PortId> {
        self.iter()
            .find(|(_, numbered)| numbered.port.name == name)
            .map(|(id, _)| id)
    }

    pub(super) fn get(&self, id: PortId) -> Option<&NumberedPort> {
        self.ports.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PortId) -> Option<&mut NumberedPort> {
        self.ports.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PortId, &NumberedPort)> {
        self.ports.iter().map(|(&id, numbered)| (id, numbered))
    }

    fn take_number(&mut self) -> Option<PortId> {
        let fresh = PortId::new(self.fresh);
        if fresh.is_some() {
            self.fresh += 1;
        }
        fresh.or_else(|| self.freed.pop_front())
    }
}

impl NumberedPort {
    /// What instances are told of it, and the socket that comes with it.
    pub(super) fn as_message(&self, port: PortId) -> (AddPort, Vec<BorrowedFd<'_>>) {
        let message = AddPort {
            port,
            name: self.port.name.clone(),
            mode: self.port.mode.into(),
            path: self.port.socket.to_string_lossy().into_owned(),
        };
        (message, self.listener.iter().map(AsFd::as_fd).collect())
    }

    /// Nobody is to serve it: the socket is closed, so that no front end waits at it.
    pub(super) fn close(&mut self) {
        self.listener = None;
    }

    /// It is to be served again.
    ///
    /// # Errors
    /// What is wrong with its socket, and what to do.
    pub(super) fn release(&mut self) -> Result<(), String> {
        self.listener = listen(&self.port)?;
        self.quarantined = false;
        self.trouble = None;
        Ok(())
    }

    /// Its name, for people.
    pub(super) fn name(&self) -> &str {
        &self.port.name
    }
}

/// In client mode it is the front end that listens.
fn listen(port: &Port) -> Result<Option<Listener>, String> {
    match port.mode {
        PortMode::Server => Listener::bind(&port.socket)
            .map(Some)
            .map_err(|error| format!("port `{}`: {error}", port.name)),
        PortMode::Client => Ok(None),
    }
}

fn inherit(port: &Port, socket: Option<OwnedFd>) -> Result<Option<Listener>, String> {
    match (port.mode, socket) {
        (PortMode::Server, Some(socket)) => Listener::inherited(socket, &port.socket)
            .map(Some)
            .map_err(|error| format!("port `{}`: {error}", port.name)),
        (PortMode::Server, None) => Err(format!("port `{}` came without its socket", port.name)),
        (PortMode::Client, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vhost_transfer::MAX_PORTS;

    fn client(number: usize) -> Port {
        Port {
            name: format!("vm{number}"),
            socket: format!("/nowhere/vm{number}.sock").into(),
            mode: PortMode::Client,
        }
    }

    #[test]
    fn numbers_are_used_again_as_late_as_can_be() {
        let mut ports = Ports::default();
        let first = ports.add(client(0)).unwrap();
        ports.remove("vm0").unwrap();
        let mut seen = vec![first];
        for number in 1..usize::from(MAX_PORTS) - 1 {
            let id = ports.add(client(number)).unwrap();
            assert!(!seen.contains(&id) && id != PortId::UPLINK);
            seen.push(id);
        }
        assert_eq!(ports.add(client(0)), Ok(first));
        assert!(
            ports
                .add(client(9999))
                .unwrap_err()
                .contains("remove one first")
        );
    }

    #[test]
    fn numbers_of_kept_ports_are_not_given_again() {
        let mut ports = Ports::default();
        let id = |number| PortId::new(number).unwrap();
        ports.keep(id(3), client(3), None).unwrap();
        ports.keep(id(1), client(1), None).unwrap();
        assert_eq!(ports.add(client(4)), Ok(id(4)));
        ports.remove("vm3").unwrap();
        assert_eq!(ports.find("vm1"), Some(id(1)));
        let rest: Vec<_> = (5..usize::from(MAX_PORTS) + 2)
            .map(|number| ports.add(client(number)).unwrap())
            .collect();
        assert_eq!(rest[rest.len() - 2..], [id(2), id(3)]);
    }

    #[test]
    fn what_is_no_port_is_not_kept() {
        let mut ports = Ports::default();
        let id = |number| PortId::new(number).unwrap();
        ports.keep(id(1), client(1), None).unwrap();
        let server = Port {
            mode: PortMode::Server,
            ..client(2)
        };
        let nameless = Port {
            name: String::new(),
            ..client(2)
        };
        for (number, port, reason) in [
            (0, client(2), "uplink's number"),
            (2, client(1), "another port"),
            (2, server, "without its socket"),
            (2, nameless, "no name"),
        ] {
            let refused = ports.keep(id(number), port, None).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        assert_eq!(ports.iter().count(), 1);
    }

    #[test]
    fn a_name_is_had_once() {
        let mut ports = Ports::default();
        ports.add(client(1)).unwrap();
        assert!(
            ports
                .add(client(1))
                .unwrap_err()
                .contains("another port `vm1`")
        );
        assert!(ports.remove("vm2").is_none());
    }
}
