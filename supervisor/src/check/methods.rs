//! The ways to steer, what each promises, and which of them this host can have. `docs/steering.md`
//! says more of each.

use super::finding::Findings;
use super::functions::shown;
use crate::pci::{Pf, Sysfs};
use steering::{Contract, DRIVERS_THAT_RESET_VFS, Kind};

/// PF drivers that give a running VF another address or port VLAN and leave it running (from
/// Linux 6.1: `igb_set_vf_mac`, `ixgbe_set_vf_mac`).
const SET_IN_PLACE: [&str; 2] = ["igb", "ixgbe"];

pub(super) fn describe(findings: &mut Findings<'_>, sysfs: &Sysfs) {
    for kind in Kind::ALL {
        let text = format!("{}; {}", promises(&kind.contract()), here(kind, sysfs));
        findings.note(&format!("steering.{}", kind.name()), text);
    }
}

/// Whether there can be this backend here.
fn here(kind: Kind, sysfs: &Sysfs) -> String {
    match kind {
        Kind::Ebpf => "any network device, in software; instances on veth or tap".to_owned(),
        Kind::BridgeFdb => {
            "two ports of a Linux bridge, such as the taps of virtio-net devices".to_owned()
        }
        Kind::SriovMac | Kind::SriovVlan => of_each_pf(sysfs, setting_a_vf),
        Kind::TcFlower => of_each_pf(sysfs, switchdev),
    }
}

fn promises(contract: &Contract) -> String {
    let Contract {
        atomic,
        make_before_break,
        may_lose,
        may_double,
        in_flight,
    } = *contract;
    let in_flight = humantime::format_duration(in_flight);
    [
        if atomic { "atomic" } else { "not atomic" },
        if make_before_break {
            "make before break"
        } else {
            "break before make"
        },
        if may_lose { "may lose" } else { "loses none" },
        if may_double {
            "may double"
        } else {
            "doubles none"
        },
        &format!("{in_flight} in flight"),
    ]
    .join(", ")
}

fn of_each_pf(sysfs: &Sysfs, of: fn(&Pf<'_>) -> &'static str) -> String {
    let pfs = Pf::all(sysfs);
    let pfs: Vec<_> = pfs
        .iter()
        .map(|pf| format!("{}: {}", shown(pf), of(pf)))
        .collect();
    match pfs[..] {
        [] => "not here: there is no PF".to_owned(),
        _ => pfs.join(", "),
    }
}

fn setting_a_vf(pf: &Pf<'_>) -> &'static str {
    match pf.driver().as_str() {
        driver if SET_IN_PLACE.contains(&driver) => "yes",
        driver if DRIVERS_THAT_RESET_VFS.contains(&driver) => "no, its driver resets the VF",
        _ => "if its driver does not reset the VF: try it before it serves",
    }
}

fn switchdev(pf: &Pf<'_>) -> &'static str {
    match (pf.is_switchdev(), pf.driver().as_str()) {
        (true, _) => "yes, it is in switchdev mode",
        (false, driver) if SET_IN_PLACE.contains(&driver) => "no, its driver has no switchdev mode",
        (false, _) => "if `devlink dev eswitch set` can bring it into switchdev mode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::Fake;

    #[test]
    fn what_a_pf_can_depends_on_its_driver() {
        for (driver, mac, flower) in [
            ("igb", "yes", "no, its driver"),
            ("ice", "no, its driver resets", "if `devlink"),
            ("mlx5_core", "try it", "if `devlink"),
        ] {
            let fake = Fake::with_pf();
            fake.function("0000:01:00.0", Some(driver), Some(1));
            let sysfs = fake.sysfs();
            let told = of_each_pf(&sysfs, setting_a_vf);
            assert!(told.contains(driver) && told.contains(mac), "{told}");
            let told = of_each_pf(&sysfs, switchdev);
            assert!(told.contains(flower), "{told}");
            fake.file("sys/class/net/nic0/phys_switch_id", "0123\n");
            assert!(of_each_pf(&sysfs, switchdev).contains("yes"));
        }
        let bare = Fake::new();
        assert!(of_each_pf(&bare.sysfs(), switchdev).contains("no PF"));
    }

    #[test]
    fn promises_are_in_words() {
        let told = promises(&Kind::SriovMac.contract());
        assert_eq!(
            told,
            "not atomic, make before break, loses none, may double, 1ms in flight"
        );
    }

    /// What the backends promise is what the table of the documentation says.
    #[test]
    fn the_documentation_says_the_same() {
        let docs = include_str!("../../../docs/steering.md");
        for kind in Kind::ALL {
            let contract = kind.contract();
            let name = format!("| `{}` |", kind.name());
            let row = docs.lines().find(|line| line.starts_with(&name));
            let row = row.unwrap_or_else(|| panic!("no row {name}"));
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            assert_eq!(cells[3] == "yes", contract.atomic, "{row}");
            assert_eq!(cells[4] == "yes", contract.make_before_break, "{row}");
            assert_eq!(cells[5] == "none", !contract.may_lose, "{row}");
            assert_eq!(cells[6] == "none", !contract.may_double, "{row}");
            let in_flight = humantime::format_duration(contract.in_flight).to_string();
            let told = cells[7].replace("µs", "us").replace(' ', "");
            assert!(told.starts_with(&in_flight), "{in_flight}: {row}");
        }
    }
}
