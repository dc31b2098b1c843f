//! What a reload may change: ports come and go. All else needs a restart, and is named.

use super::{Config, Port};
use serde::Serialize;
use toml::{Table, Value};

/// The ports that a newer configuration has more, and has no more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortChanges {
    /// Ports that are new.
    pub added: Vec<Port>,
    /// Names of ports that are gone.
    pub removed: Vec<String>,
}

/// A reload would change more than it can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} changed, which a reload cannot apply; nothing was changed: undo it, or restart the \
     supervisor", keys.join(", ")
)]
pub struct RestartNeeded {
    /// The keys that differ.
    pub keys: Vec<String>,
}

impl Config {
    /// What leads from this configuration to `new`.
    ///
    /// # Errors
    /// [`RestartNeeded`] when anything differs but the presence of ports.
    pub fn diff(&self, new: &Self) -> Result<PortChanges, RestartNeeded> {
        let mut keys = self.changed_keys(new);
        keys.extend(self.ports.iter().filter_map(|old| changed_port(old, new)));
        if !keys.is_empty() {
            return Err(RestartNeeded { keys });
        }
        let lacks = |config: &Self, port: &Port| config.port(&port.name).is_none();
        let added = new.ports.iter().filter(|port| lacks(self, port)).cloned();
        let removed = self.ports.iter().filter(|port| lacks(new, port));
        Ok(PortChanges {
            added: added.collect(),
            removed: removed.map(|port| port.name.clone()).collect(),
        })
    }

    fn port(&self, name: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == name)
    }

    fn changed_keys(&self, new: &Self) -> Vec<String> {
        let mut keys = Vec::new();
        collect("", &self.fixed(), &new.fixed(), &mut keys);
        if self.steering != new.steering {
            keys.push("steering".to_owned());
        }
        keys
    }

    /// All that a reload cannot change and that can be written down again, as TOML.
    fn fixed(&self) -> Table {
        let Self {
            supervisor,
            vswitch,
            uplink,
            timeouts,
            failover,
            memory,
            hooks,
            instances,
            steering: _,
            ports: _,
            file: _,
            text: _,
        } = self;
        [
            ("supervisor", section(supervisor)),
            ("vswitch", section(vswitch)),
            ("uplink", uplink.as_ref().and_then(section)),
            ("timeouts", section(timeouts)),
            ("failover", section(failover)),
            ("memory", memory.as_ref().and_then(section)),
            ("hooks", section(hooks)),
            ("instance", section(instances)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

fn section<T: Serialize>(section: &T) -> Option<Value> {
    Value::try_from(section).ok()
}

fn changed_port(old: &Port, new: &Config) -> Option<String> {
    new.port(&old.name)
        .filter(|new| *new != old)
        .map(|_| format!("port `{}`", old.name))
}

/// The keys below `path` whose values differ.
fn collect(path: &str, old: &Table, new: &Table, into: &mut Vec<String>) {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    for key in new.keys().chain(gone) {
        match (old.get(key), new.get(key)) {
            (Some(Value::Table(old)), Some(Value::Table(new))) => {
                collect(&format!("{path}{key}."), old, new, into);
            }
            (old, new) if old != new => into.push(format!("{path}{key}")),
            (_, _) => {}
        }
    }
}
