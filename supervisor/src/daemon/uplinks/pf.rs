//! The NIC's port that both instances' VFs are of. What is wrong with it is wrong for both, and no
//! reason to move.

use super::super::Daemon;
use crate::control::protocol::EventKind;
use crate::pci::Pf;

/// What is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Port {
    trouble: Option<String>,
}

impl Port {
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

fn trouble_of(pf: &Pf<'_>) -> Option<String> {
    let netdev = pf.netdev();
    if !pf.is_up() {
        return Some(format!("{netdev} is down: `ip link set {netdev} up`"));
    }
    (!pf.has_carrier()).then(|| format!("{netdev} has no carrier: see to its cable and its switch"))
}

impl Daemon {
    pub(super) fn look_at_port(&mut self) {
        let claim = self.uplinks.claim.as_ref();
        let trouble = match claim.map(|claim| claim.pf()) {
            Some(Ok(pf)) => pf.as_ref().and_then(trouble_of),
            Some(Err(error)) => Some(error.to_string()),
            None => None,
        };
        if trouble == self.uplinks.port.trouble {
            return;
        }
        let text = trouble.clone();
        let text = text.unwrap_or_else(|| "the NIC's port is up again, with a carrier".to_owned());
        self.uplinks.port.trouble = trouble;
        self.tell_people(EventKind::Uplink, None, None, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::Fake;

    #[test]
    fn a_port_that_is_down_and_one_without_carrier_are_told_apart() {
        let fake = Fake::with_pf();
        let sysfs = fake.sysfs();
        let pf = Pf::find(&sysfs, "nic0").unwrap();
        assert!(trouble_of(&pf).unwrap().contains("ip link set nic0 up"));
        fake.file("sys/class/net/nic0/flags", "0x1003\n");
        assert!(trouble_of(&pf).unwrap().contains("no carrier"));
        fake.file("sys/class/net/nic0/operstate", "up\n");
        assert_eq!(trouble_of(&pf), None);
    }
}
