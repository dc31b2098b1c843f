//! Ports: names, sockets and how many.

use super::{Fault, Findings, duplicates, fault, relative, too_long_for_a_socket};
use crate::config::{Config, Port};
use std::path::Path;
use vhost_transfer::MAX_PORTS;

const MAX_PORT_NAME: usize = 64;
/// The name that reports give the port to the NIC.
const RESERVED_NAME: &str = "uplink";

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let limit = usize::from(MAX_PORTS) - 1;
    let too_many = (config.ports.len() > limit).then(|| {
        fault(
            format!("{} ports", config.ports.len()),
            format!("a switch has at most {limit}, besides the uplink: remove some"),
        )
    });
    findings.add("port", too_many);
    for (index, port) in config.ports.iter().enumerate() {
        findings.add(&format!("port[{index}].name"), port_name(&port.name));
        let socket_key = format!("port[{index}].socket");
        findings.add(&socket_key, port_socket(&port.socket));
        findings.add(&socket_key, of_the_supervisor(&port.socket, config));
    }
    for (second, first) in duplicates(config.ports.iter().map(|port| &port.name)) {
        findings.add(
            &format!("port[{second}].name"),
            Some(name_taken(&config.ports[first])),
        );
    }
    for (second, first) in duplicates(config.ports.iter().map(|port| &port.socket)) {
        findings.add(
            &format!("port[{second}].socket"),
            Some(socket_taken(&config.ports[first])),
        );
    }
}

fn of_the_supervisor(socket: &Path, config: &Config) -> Option<Fault> {
    let own = [
        (config.control_socket(), "control socket"),
        (config.rejoin_socket(), "lifeline socket"),
    ];
    let (_, name) = own.into_iter().find(|(path, _)| path == socket)?;
    Some(fault(
        format!("this is the supervisor's own {name}"),
        "choose another path",
    ))
}

impl Port {
    /// Whether this port can be added to a switch that has `others`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn validate(&self, others: &[Port]) -> Result<(), String> {
        let name = others.iter().find(|other| other.name == self.name);
        let socket = others.iter().find(|other| other.socket == self.socket);
        let full = (others.len() + 1 >= usize::from(MAX_PORTS)).then(|| {
            fault(
                format!("the switch has {} ports", others.len()),
                "remove one first",
            )
        });
        port_name(&self.name)
            .or_else(|| port_socket(&self.socket))
            .or_else(|| name.map(name_taken))
            .or_else(|| socket.map(socket_taken))
            .or(full)
            .map_or(Ok(()), |(problem, remedy)| {
                Err(format!("port `{}`: {problem}; {remedy}", self.name))
            })
    }
}

fn name_taken(first: &Port) -> Fault {
    fault(
        format!("there is another port `{}`", first.name),
        "give each port a name of its own",
    )
}

fn socket_taken(first: &Port) -> Fault {
    fault(
        format!(
            "port `{}` has the socket {} already",
            first.name,
            first.socket.display()
        ),
        "give each port a socket of its own",
    )
}

fn port_name(name: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = !name.is_empty() && name.len() <= MAX_PORT_NAME && name.chars().all(allowed);
    if name == RESERVED_NAME {
        return Some(fault(
            "this is the name of the port to the NIC",
            "choose another name",
        ));
    }
    (!fits).then(|| {
        fault(
            format!("`{}` is no name of a port", name.escape_debug()),
            format!("write 1 to {MAX_PORT_NAME} letters, digits, `.`, `_` or `-`"),
        )
    })
}

fn port_socket(socket: &Path) -> Option<Fault> {
    relative(socket).or_else(|| too_long_for_a_socket(socket))
}
