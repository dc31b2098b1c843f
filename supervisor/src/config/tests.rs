mod uplink;

use super::*;
use std::time::Duration;

const FILE: &str = "/etc/vswsup.toml";

const MINIMAL: &str = "\
[vswitch]
program = \"/usr/lib/vswsup/vswitch\"
lanes = [2]
";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new(FILE), text.to_owned())
}

/// The message for `MINIMAL` followed by `more`.
fn error_of(more: &str) -> String {
    error_of_text(&format!("{MINIMAL}{more}"))
}

fn error_of_text(text: &str) -> String {
    parse(text)
        .expect_err("this must not be accepted")
        .to_string()
}

#[track_caller]
fn assert_parts(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

#[test]
fn the_example_is_valid_and_says_what_its_comments_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/vswsup.toml");
    let config = Config::load(&file).unwrap();
    assert_eq!(
        config.control_socket(),
        Path::new("/run/vswsup/control.sock")
    );
    assert_eq!(
        config.uplink.as_ref().unwrap().arguments(InstanceId::B),
        Some("net_af_packet0,iface=vf1")
    );
    assert_eq!(config.ports[0].mode, PortMode::Server);
    assert_eq!(config.ports[1].mode, PortMode::Client);
    assert!(matches!(config.steering, SteeringConfig::Ebpf(_)));
}

#[test]
fn the_example_shows_the_defaults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/vswsup.toml");
    let shown = Config::load(&file).unwrap();
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.supervisor, shown.supervisor);
    assert_eq!(config.timeouts, shown.timeouts);
    assert_eq!(config.failover, shown.failover);
    assert_eq!(config.hooks, shown.hooks);
    assert_eq!(config.vswitch.standby, shown.vswitch.standby);
    assert_eq!(config.vswitch.memory, shown.vswitch.memory);
    assert_eq!(config.vswitch.poll, shown.vswitch.poll);
    assert_eq!(config.vswitch.hugepages, shown.vswitch.hugepages);
    assert_eq!(config.vswitch.mac_aging, shown.vswitch.mac_aging);
    assert_eq!(shown.uplink.unwrap().drain, Duration::from_micros(30));
}

#[test]
fn an_instance_has_its_overrides_and_the_rest_in_common() {
    let config = parse(&format!(
        "{MINIMAL}[instance.b]\nprogram = \"/opt/next\"\nlanes = [3]\n"
    ));
    let config = config.unwrap();
    let [a, b] = InstanceId::BOTH.map(|instance| config.instance(instance));
    assert_eq!(
        (a.program, a.lanes),
        (Path::new("/usr/lib/vswsup/vswitch"), &[2][..])
    );
    assert_eq!((b.program, b.lanes), (Path::new("/opt/next"), &[3][..]));
}

#[test]
fn a_missing_file_and_one_that_is_no_text_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vswsup.toml");
    let missing = Config::load(&file).unwrap_err().to_string();
    assert_parts(
        &missing,
        &[file.to_str().unwrap(), "cannot be read", "--config"],
    );
    fs::write(&file, b"[vswitch]\n\xff").unwrap();
    let binary = Config::load(&file).unwrap_err().to_string();
    assert_parts(&binary, &[file.to_str().unwrap(), "not UTF-8", "index 10"]);
}

#[test]
fn broken_toml_shows_line_and_column() {
    let message = error_of("[timeouts\nstart = \"1s\"\n");
    assert_parts(
        &message,
        &["/etc/vswsup.toml:4:10: ", "docs/configuration.md"],
    );
    assert_parts(
        &error_of("[vswitch]\n"),
        &["/etc/vswsup.toml:4:", "duplicate key"],
    );
}

#[test]
fn an_unknown_key_comes_with_the_known_ones() {
    let message = error_of("pol = \"busy\"\n");
    assert_parts(
        &message,
        &[
            "/etc/vswsup.toml:4:1: vswitch.pol: unknown key `pol`; remove it, or write one of",
            "`poll`",
            "`mac_aging`",
        ],
    );
    assert_parts(
        &error_of("[upplink]\n"),
        &[":4:2: upplink: unknown key `upplink`", "`uplink`"],
    );
    let port = error_of("[[port]]\nname = \"a\"\nsocket = \"/a\"\nsoket = \"/b\"\n");
    assert_parts(
        &port,
        &[":7:1: port[0].soket: unknown key `soket`", "`socket`"],
    );
}

#[test]
fn a_missing_key_is_named_with_its_section() {
    let message = error_of_text("[vswitch]\nprogram = \"/v\"\n");
    assert_parts(
        &message,
        &["/etc/vswsup.toml:1:1: vswitch: the key `lanes` is missing; add it"],
    );
    assert_parts(
        &error_of_text(""),
        &["/etc/vswsup.toml", "the key `vswitch` is missing; add it"],
    );
}

#[test]
fn values_of_the_wrong_kind_say_what_to_write() {
    for (more, parts) in [
        (
            "memory = 128\n",
            [
                "4:10: vswitch.memory",
                "this is integer `128`",
                "write a string",
            ],
        ),
        (
            "memory = \"128\"\n",
            [
                "4:10: vswitch.memory",
                "`128` is no size of memory",
                "\"128MiB\"",
            ],
        ),
        (
            "memory = \"0MiB\"\n",
            [
                "4:10: vswitch.memory",
                "`0MiB` is no size",
                "whole MiB or GiB",
            ],
        ),
        (
            "mac_aging = \"5\"\n",
            ["4:13: vswitch.mac_aging", "`5` is no duration", "its unit"],
        ),
        (
            "mac_aging = \"1500ms\"\n",
            ["4:13: vswitch.mac_aging", "1s 500ms", "whole seconds"],
        ),
        (
            "poll = \"lazy\"\n",
            [
                "4:8: vswitch.poll",
                "unknown value `lazy`",
                "`busy` or `adaptive`",
            ],
        ),
        (
            "[timeouts]\nstart = \"0s\"\n",
            ["5:9: timeouts.start", "no time at all", "default"],
        ),
        (
            "[failover]\nlane_hang = \"4ms\"\n",
            [
                "5:13: failover.lane_hang",
                "4ms",
                "at least \"5ms\", or \"off\"",
            ],
        ),
        (
            "[failover]\ncontrol_hang = \"100ms\"\n",
            ["5:16: failover.control_hang", "100ms", "250ms"],
        ),
        (
            "[failover]\nrestart_limit = 0\nrestart_first = \"0s\"\n",
            [
                "6:17: failover.restart_first",
                "no restart_limit",
                "at least \"1ms\"",
            ],
        ),
        (
            "[failover]\nrestart_first = \"9s\"\nrestart_last = \"8s\"\n",
            [
                "6:16: failover.restart_last",
                "shorter than the first",
                "restart_first",
            ],
        ),
    ] {
        assert_parts(&error_of(more), &parts);
    }
}

#[test]
fn watching_can_be_switched_off() {
    let off = parse(&format!(
        "{MINIMAL}[failover]\nlane_hang = \"off\"\ncontrol_hang = \"off\"\n"
    ))
    .unwrap();
    assert_eq!(off.failover.lane_hang, None);
    assert_eq!(off.failover.control_hang, None);
    let on = parse(MINIMAL).unwrap();
    let keys = on.diff(&off).unwrap_err().keys;
    assert_eq!(keys, ["failover.control_hang", "failover.lane_hang"]);
}

#[test]
fn lanes_are_counted_and_each_has_a_cpu_of_its_own() {
    let with_lanes = |lanes: &str| error_of_text(&MINIMAL.replace("[2]", lanes));
    assert_parts(
        &with_lanes("[]"),
        &[":3:9: vswitch.lanes: 0 lanes; ", "1 to 16"],
    );
    assert_parts(
        &with_lanes(&format!("{:?}", (0..17).collect::<Vec<_>>())),
        &["17 lanes"],
    );
    assert_parts(
        &with_lanes("[1, 2, 1]"),
        &["two lanes on CPU 1", "a CPU of its own"],
    );
    assert_parts(&with_lanes("[-1]"), &[":3:10: vswitch.lanes[0]: ", "-1"]);
    let uneven = error_of("[instance.b]\nlanes = [3, 4]\n");
    assert_parts(
        &uneven,
        &[
            ":5:9: instance.b.lanes",
            "a has 1 lanes and instance b has 2",
            "same",
        ],
    );
}

#[test]
fn relative_paths_and_long_socket_paths_are_refused() {
    let relative = error_of_text(&MINIMAL.replace("/usr/lib", "usr/lib"));
    assert_parts(
        &relative,
        &[
            ":2:11: vswitch.program",
            "not an absolute path",
            "from / on",
        ],
    );
    let long = format!("/{}", "x".repeat(MAX_SOCKET_PATH));
    let message = error_of(&format!("[[port]]\nname = \"vm1\"\nsocket = \"{long}\"\n"));
    assert_parts(
        &message,
        &[
            ":6:10: port[0].socket",
            "108 bytes",
            "allows 107",
            "shorter",
        ],
    );
    for (length, socket) in [(100, "113 bytes"), (94, "108 bytes")] {
        let directory = &long[..length];
        let message = error_of(&format!("[supervisor]\nruntime_dir = \"{directory}\"\n"));
        let parts = [":5:15: supervisor.runtime_dir", socket, "allows 107"];
        assert_parts(&message, &parts);
    }
}

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
fn all_that_is_wrong_is_told_at_once() {
    let error = parse("[vswitch]\nprogram = \"v\"\nlanes = []\n").unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert_eq!(error.to_string().lines().count(), 2);
}

#[test]
fn uplinks_come_in_pairs_and_with_steering() {
    let uplink = "[uplink]\na = \"net_null0\"\n";
    assert_parts(&error_of(uplink), &[":4:1: uplink: the key `b` is missing"]);
    let none = "[steering]\nbackend = \"none\"\n";
    let same = error_of(&format!("{uplink}b = \"net_null0\"\n{none}"));
    assert_parts(
        &same,
        &[
            ":6:5: uplink.b",
            "uplink `net_null0`",
            "a device of its own",
        ],
    );
    let empty = error_of(&format!("{uplink}b = \"\"\n{none}"));
    assert_parts(&empty, &[":6:5: uplink.b", "no device", "PCI address"]);
    let unsteered = error_of(&format!("{uplink}b = \"net_null1\"\n"));
    assert_parts(&unsteered, &[":4:1: uplink", "no steering", "[steering]"]);
    let slow = error_of(&format!(
        "{uplink}b = \"net_null1\"\ndrain = \"1s\"\n{none}"
    ));
    assert_parts(&slow, &[":7:9: uplink.drain", "1s is too long", "100ms"]);
    parse(&format!("{MINIMAL}{uplink}b = \"net_null1\"\n{none}")).unwrap();
    let ebpf = "[steering]\nbackend = \"ebpf\"\nnic = \"n\"\nports = { a = \"a\", b = \"b\" }\n";
    assert_parts(
        &error_of(ebpf),
        &[":4:1: steering", "no uplink", "[uplink]"],
    );
    let backend = error_of("[steering]\nbackend = \"magic\"\n");
    assert_parts(&backend, &[": steering", "unknown value `magic`", "`ebpf`"]);
}

#[test]
fn a_running_supervisor_is_found_while_the_rest_of_the_file_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vswsup.toml");
    fs::write(
        &file,
        "[supervisor]\nruntime_dir = \"/run/x\"\n[vswitch]\nlames = 1\n",
    )
    .unwrap();
    assert!(Config::load(&file).is_err());
    assert_eq!(Config::runtime_dir_of(&file).unwrap(), Path::new("/run/x"));
}

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

#[test]
fn the_reference_names_every_key() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let docs = fs::read_to_string(docs).unwrap();
    for section in [
        "",
        "[supervisor]\n",
        "[uplink]\n",
        "[timeouts]\n",
        "[failover]\n",
        "[[port]]\n",
        "[instance.a]\n",
    ] {
        let message = error_of(&format!("{section}no_such_key = 1\n"));
        let (_, known) = message
            .split_once("known here: ")
            .unwrap_or_else(|| panic!("{message}"));
        let keys: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        assert!(!keys.is_empty(), "{message}");
        for key in keys {
            assert!(
                docs.contains(&format!("`{key}`")),
                "docs/configuration.md lacks {key}"
            );
        }
    }
}

const FILES: &str =
    "[memory]\nfiles = [{ path = \"/dev/hugepages/{instance}\", size = \"1GiB\", node = 1 }]\n";

#[test]
fn each_instance_has_a_memory_file_of_its_own() {
    let config = parse(&format!("{MINIMAL}{FILES}")).unwrap();
    let file = &config.memory.as_ref().unwrap().files[0];
    assert_eq!(file.path_of(InstanceId::A), Path::new("/dev/hugepages/a"));
    assert_eq!(file.path_of(InstanceId::B), Path::new("/dev/hugepages/b"));
    assert_eq!((file.size.unwrap().mib(), file.node), (1024, Some(1)));

    let shared = "[memory]\nfiles = [{ path = \"/dev/hugepages/one\" }]\n";
    let message = error_of(shared);
    assert_parts(
        &message,
        &["memory.files[0]", "both instances", "{instance}", "standby"],
    );
    let alone = format!("{MINIMAL}standby = false\n{shared}");
    assert!(parse(&alone).is_ok());
}

#[test]
fn memory_files_and_other_memory_exclude_each_other() {
    let text = format!("{MINIMAL}memory = \"64MiB\"\n{FILES}");
    assert_parts(&error_of_text(&text), &["vswitch.memory", "not used"]);
    assert_parts(
        &error_of("[memory]\nfiles = []\n"),
        &["memory.files", "0 files"],
    );
    let twice = "[memory]\nfiles = [{ path = \"/h/{instance}\" }, { path = \"/h/{instance}\" }]\n";
    assert_parts(&error_of(twice), &["memory.files[1]", "the same file"]);
    let relative = "[memory]\nfiles = [{ path = \"h/{instance}\" }]\n";
    assert_parts(
        &error_of(relative),
        &["memory.files[0]", "not an absolute path"],
    );
}

#[test]
fn one_device_is_named_twice_and_needs_no_steering() {
    let uplink =
        |b: &str, more: &str| format!("[uplink]\na = \"0000:03:10.0\"\nb = \"{b}\"\n{more}");
    let config = parse(&format!(
        "{MINIMAL}{}",
        uplink("0000:03:10.0", "mode = \"restart\"\n")
    ))
    .unwrap();
    assert!(config.has_one_device() && config.moves_uplink());
    let message = error_of(&uplink("0000:03:10.1", "mode = \"restart\"\n"));
    assert_parts(&message, &["uplink.b", "different uplinks"]);
    let message = error_of(&uplink("0000:03:10.0", "[steering]\nbackend = \"none\"\n"));
    assert_parts(&message, &["uplink.b", "mode = \"restart\""]);
}

#[test]
fn one_device_may_be_one_vf() {
    let uplink = |vfs: &str| format!("[uplink]\npf = \"nic0\"\nvfs = {vfs}\nmode = \"restart\"\n");
    let config = parse(&format!("{MINIMAL}{}", uplink("[3]"))).unwrap();
    assert!(config.has_one_device() && config.moves_uplink());
    let message = error_of(&uplink("[3, 4]"));
    assert_parts(&message, &["uplink.vfs", "one function, and there are 2"]);
}

#[test]
fn hooks_have_programs_and_time() {
    let config = parse(&format!(
        "{MINIMAL}[hooks]\npre_start = [\"/bin/x\", \"y\"]\npost_stop_timeout = \"1s\"\n"
    ))
    .unwrap();
    assert_eq!(config.hooks.pre_start, ["/bin/x", "y"]);
    assert_eq!(config.hooks.post_stop_timeout, Duration::from_secs(1));
    let relative = error_of("[hooks]\npost_stop = [\"x\"]\n");
    assert_parts(&relative, &["hooks.post_stop", "not an absolute path"]);
    let long = error_of("[hooks]\npre_start_timeout = \"30s\"\n");
    assert_parts(&long, &["hooks.pre_start_timeout", "timeouts.start"]);
}
