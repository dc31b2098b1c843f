//! What the example and the reference say is so.

use super::*;

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
fn the_reference_names_every_key() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let docs = fs::read_to_string(docs).unwrap();
    for section in [
        "",
        "[supervisor]\n",
        "[memory]\n",
        "[[memory.files]]\n",
        "[hooks]\n",
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
