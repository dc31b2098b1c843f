//! A port over which instances died is out of service until somebody puts it back.

use super::Daemon;
use crate::config::Port;
use crate::control::protocol::{EventKind, MoveKind};
use crate::policy::Event;
use vhost_transfer::PortId;

impl Daemon {
    pub(super) fn quarantine(&mut self, port: PortId) {
        let Some(name) = self.close_port(port) else {
            return;
        };
        let window = humantime::format_duration(self.config.failover.poison_window);
        let trouble = format!(
            "in quarantine: two instances died over it within {window}; {}",
            what_to_do(&name)
        );
        self.tell_of_quarantine(port, &name, trouble);
        let cause = format!("two instances died over port {name}");
        let entry = self.entry(MoveKind::Quarantine, None, None, &cause);
        self.history.record(entry);
    }

    /// It was in quarantine with the supervisor before. Instances know of it if that one died before it
    /// could tell them.
    pub(super) fn keep_in_quarantine(&mut self, port: Port) {
        let name = port.name.clone();
        let id = match self.ports.find(&name) {
            Some(id) => {
                if let Some(numbered) = self.ports.get_mut(id) {
                    numbered.quarantined = true;
                    numbered.close();
                }
                self.happen(Event::PortRemoved(id));
                Ok(id)
            }
            None => self.ports.add_closed(port),
        };
        match id {
            Ok(id) => {
                let trouble = format!("in quarantine still; {}", what_to_do(&name));
                self.tell_of_quarantine(id, &name, trouble);
            }
            Err(reason) => self.tell_of_port(EventKind::Port, &name, &reason),
        }
    }

    /// The configuration gives its socket to a port of another name, which is to be served.
    pub(super) fn is_wanted_otherwise(&self, port: &Port) -> bool {
        let mut wanted = self.config.ports.iter();
        wanted.any(|wanted| wanted.name != port.name && wanted.socket == port.socket)
    }

    /// Nobody can connect to it any more, with the next supervisor either. Gives its name.
    fn close_port(&mut self, port: PortId) -> Option<String> {
        self.ports.get_mut(port)?.quarantined = true;
        self.remember();
        let numbered = self.ports.get_mut(port)?;
        numbered.close();
        Some(numbered.name().to_owned())
    }

    fn tell_of_quarantine(&mut self, port: PortId, name: &str, trouble: String) {
        self.tell_of_port(EventKind::Quarantined, name, &trouble);
        if let Some(numbered) = self.ports.get_mut(port) {
            numbered.trouble = Some(trouble);
        }
    }

    /// # Errors
    /// Why not, and what to do.
    pub(super) fn release_port(&mut self, port: PortId) -> Result<(), String> {
        let Some(numbered) = self.ports.get_mut(port) else {
            return Err(format!("there is no port {port}"));
        };
        let name = numbered.name().to_owned();
        if !numbered.quarantined {
            return Err(format!("port `{name}` is not in quarantine"));
        }
        numbered.release()?;
        self.tell_of_port(EventKind::Released, &name, "is served again");
        self.happen(Event::PortAdded(port));
        self.remember();
        Ok(())
    }
}

fn what_to_do(port: &str) -> String {
    format!("when its front end is seen to, run `vswsup port release {port}`")
}
