//! Guests' ports.

use super::*;

#[test]
fn ports_have_names_and_sockets_of_their_own() {
    let port =
        |name: &str, socket: &str| format!("[[port]]\nname = \"{name}\"\nsocket = \"{socket}\"\n");
    let two = |a: (&str, &str), b: (&str, &str)| error_of(&(port(a.0, a.1) + &port(b.0, b.1)));
    let name = two(("vm1", "/a"), ("vm1", "/b"));
    assert_parts(
        &name,
        &[
            ":8:8: port[1].name",
            "another port `vm1`",
            "a name of its own",
        ],
    );
    let socket = two(("vm1", "/a"), ("vm2", "/a"));
    assert_parts(
        &socket,
        &[
            ":9:10: port[1].socket",
            "`vm1` has the socket /a",
            "of its own",
        ],
    );
    assert_parts(
        &error_of(&port("vm 1", "/a")),
        &["`vm 1` is no name", "1 to 64 letters"],
    );
    assert_parts(
        &error_of(&port("uplink", "/a")),
        &["port to the NIC", "another name"],
    );
    let control = error_of(&port("vm1", "/run/vswsup/control.sock"));
    assert_parts(&control, &["own control socket", "another path"]);
    let lifeline = error_of(&port("vm1", "/run/vswsup/lifeline.sock"));
    assert_parts(&lifeline, &["own lifeline socket", "another path"]);
    let many: String = (0..512)
        .map(|n| port(&format!("vm{n}"), &format!("/{n}")))
        .collect();
    assert_parts(&error_of(&many), &["port: 512 ports", "at most 511"]);
}

#[test]
fn a_port_that_is_added_must_fit_those_that_are_there() {
    let port = |name: &str, socket: &str| Port {
        name: name.to_owned(),
        socket: socket.into(),
        mode: PortMode::Server,
    };
    let others = [port("vm1", "/vm1")];
    port("vm2", "/vm2").validate(&others).unwrap();
    let refusal = |port: Port| port.validate(&others).unwrap_err();
    assert_parts(
        &refusal(port("vm1", "/x")),
        &["port `vm1`", "another port", "of its own"],
    );
    assert_parts(
        &refusal(port("vm2", "/vm1")),
        &["port `vm2`", "has the socket /vm1"],
    );
    assert_parts(
        &refusal(port("vm2", "x")),
        &["port `vm2`", "not an absolute path"],
    );
    let full: Vec<_> = (0..511)
        .map(|n| port(&format!("vm{n}"), &format!("/{n}")))
        .collect();
    assert_parts(
        &port("new", "/new").validate(&full).unwrap_err(),
        &["511 ports", "remove one"],
    );
    port("new", "/new").validate(&full[1..]).unwrap();
}
