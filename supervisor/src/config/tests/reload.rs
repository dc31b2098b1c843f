//! What may change while the supervisor runs.

use super::*;

#[test]
fn a_reload_adds_and_removes_ports_and_nothing_else() {
    let port = |n: u32| format!("[[port]]\nname = \"vm{n}\"\nsocket = \"/vm{n}\"\n");
    let old = parse(&format!("{MINIMAL}{}{}", port(1), port(2))).unwrap();
    let new = parse(&format!("{MINIMAL}{}{}", port(2), port(3))).unwrap();
    let changes = old.diff(&new).unwrap();
    assert_eq!(changes.added, new.ports[1..]);
    assert_eq!(changes.removed, ["vm1"]);
    assert_eq!(old.diff(&old).unwrap(), PortChanges::default());
}

#[test]
fn a_reload_that_would_need_a_restart_names_every_changed_key() {
    let port = "[[port]]\nname = \"vm1\"\nsocket = \"/vm1\"\n";
    let old = parse(&format!("{MINIMAL}{port}")).unwrap();
    let new = format!(
        "{}mac_aging = \"9s\"\n[instance.b]\nprogram = \"/next\"\n{}[timeouts]\nstart = \"9s\"\n",
        MINIMAL.replace("[2]", "[3]"),
        port.replace("/vm1", "/other"),
    );
    let refused = old.diff(&parse(&new).unwrap()).unwrap_err();
    assert_eq!(
        refused.keys,
        [
            "instance.b.program",
            "timeouts.start",
            "vswitch.lanes",
            "vswitch.mac_aging",
            "port `vm1`",
        ]
    );
    assert_parts(
        &refused.to_string(),
        &["nothing was changed", "restart the supervisor"],
    );
    let uplinks =
        "[uplink]\na = \"net_null0\"\nb = \"net_null1\"\n[steering]\nbackend = \"none\"\n";
    let with_uplink = parse(&format!("{MINIMAL}{port}{uplinks}")).unwrap();
    assert_eq!(old.diff(&with_uplink).unwrap_err().keys, ["uplink"]);
    assert_eq!(with_uplink.diff(&old).unwrap_err().keys, ["uplink"]);
}
