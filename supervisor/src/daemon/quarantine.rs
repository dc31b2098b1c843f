//! A port over which instances died is out of service until somebody puts it back.

use super::Daemon;
use crate::control::protocol::{EventKind, MoveKind};
use crate::policy::Event;
use vhost_transfer::PortId;

impl Daemon {
    pub(super) fn quarantine(&mut self, port: PortId) {
        let Some(numbered) = self.ports.get_mut(port) else {
            return;
        };
        numbered.quarantine();
        let name = numbered.name().to_owned();
        let trouble = format!(
            "in quarantine: two instances died over it within {}; when its front end is seen to, \
             run `vswsup port release {name}`",
            humantime::format_duration(self.config.failover.poison_window)
        );
        numbered.trouble = Some(trouble.clone());
        self.tell_of_port(EventKind::Quarantined, &name, &trouble);
        let cause = format!("two instances died over port {name}");
        let entry = self.entry(MoveKind::Quarantine, None, None, &cause);
        self.history.record(entry);
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
        Ok(())
    }
}
