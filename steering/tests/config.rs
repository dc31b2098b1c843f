//! The configuration: what is accepted, and what the errors name.

use std::time::Duration;

use serde::Deserialize;
use steering::{
    Address, CommandConfig, EbpfConfig, Ports, Representors, Side, SriovMacConfig, SriovVlanConfig,
    SteeringConfig, TcFlowerConfig, Vlan,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    steering: SteeringConfig,
}

fn read(keys: &str) -> Result<SteeringConfig, String> {
    toml::from_str::<File>(&format!("[steering]\n{keys}"))
        .map(|file| file.steering)
        .map_err(|error| error.to_string())
}

#[test]
fn each_backend_is_read() {
    let ebpf = read("backend = \"ebpf\"\nnic = \"n\"\nports = { a = \"x\", b = \"y\" }");
    let ports = Ports {
        a: "x".into(),
        b: "y".into(),
    };
    let in_flight = Duration::from_micros(20);
    let expected = EbpfConfig {
        nic: "n".into(),
        ports,
        in_flight,
    };
    assert_eq!(ebpf, Ok(SteeringConfig::Ebpf(expected)));
    let command = read("backend = \"command\"\nprogram = \"/bin/x\"\ntimeout = \"1s 500ms\"");
    let Ok(SteeringConfig::Command(CommandConfig {
        timeout, in_flight, ..
    })) = command
    else {
        panic!("{command:?}")
    };
    assert_eq!(timeout, Duration::from_millis(1500));
    assert_eq!(in_flight, Duration::from_millis(10));
    assert_eq!(read("backend = \"none\""), Ok(SteeringConfig::None {}));
}

const ADDRESS: &str = "address = \"52:54:00:12:34:56\"";

fn address() -> Option<Address> {
    Address::new([0x52, 0x54, 0, 0x12, 0x34, 0x56])
}

#[test]
fn backends_for_vfs_are_read() {
    let in_flight = Duration::from_millis(1);
    let vfs = [0, 1];
    let common = "pf = \"p\"\nvfs = [0, 1]";
    let by_address = read(&format!("backend = \"sriov-mac\"\n{common}\n{ADDRESS}"));
    let expected = SriovMacConfig {
        pf: "p".into(),
        vfs,
        address: address().expect("one station"),
        in_flight,
    };
    assert_eq!(by_address, Ok(SteeringConfig::SriovMac(expected)));
    let by_vlan = read(&format!("backend = \"sriov-vlan\"\n{common}\nvlan = 100"));
    let expected = SriovVlanConfig {
        pf: "p".into(),
        vfs,
        vlan: Vlan::new(100).expect("a VLAN"),
        vlan_at_rest: Vlan::new(4094).expect("a VLAN"),
        address: None,
        in_flight,
    };
    assert_eq!(by_vlan, Ok(SteeringConfig::SriovVlan(expected)));
    let flower = read("backend = \"tc-flower\"\nuplink = \"p\"\nvfs = [0, 1]");
    let expected = TcFlowerConfig {
        uplink: "p".into(),
        representors: Representors::Vfs(vfs),
        hardware: true,
        in_flight,
    };
    assert_eq!(flower, Ok(SteeringConfig::TcFlower(expected)));
}

#[test]
fn none_remembers_where_it_was_steered_to() {
    let mut steering = SteeringConfig::None {}.open().expect("open");
    assert_eq!(steering.current().expect("current"), None);
    steering.steer(Side::B).expect("steer");
    assert_eq!(steering.current().expect("current"), Some(Side::B));
    assert_eq!(steering.contract().in_flight, Duration::ZERO);
    steering.close().expect("close");
}

#[test]
fn errors_name_the_key_and_what_is_possible() {
    let cases = [
        ("", &["backend"][..]),
        (
            "backend = \"sriov\"",
            &["sriov", "`none`", "`ebpf`", "`command`"],
        ),
        ("backend = \"none\"\nnic = \"n\"", &["unknown field `nic`"]),
        (
            "backend = \"ebpf\"\nnic = \"n\"",
            &["missing field `ports`"],
        ),
        (
            "backend = \"ebpf\"\nnic = \"n\"\nports = { a = \"x\" }",
            &["missing field `b`"],
        ),
        (
            "backend = \"ebpf\"\nnic = \"n\"\nport = 1",
            &["unknown field `port`", "`ports`"],
        ),
        (
            "backend = \"sriov-mac\"\npf = \"p\"\nvfs = [0, 1]\naddress = \"x\"",
            &["`x` is no Ethernet address"],
        ),
        (
            "backend = \"sriov-mac\"\npf = \"p\"\nvfs = [0]\naddress = \"02:00:00:00:00:01\"",
            &["length"],
        ),
        (
            "backend = \"sriov-vlan\"\npf = \"p\"\nvfs = [0, 1]\nvlan = 4095",
            &["no VLAN 4095"],
        ),
        (
            "backend = \"tc-flower\"\nuplink = \"p\"",
            &["`vfs = [0, 1]`", "representors"],
        ),
        (
            "backend = \"tc-flower\"\nuplink = \"p\"\nvfs = [0, 1]\nports = { a = \"x\", b = \"y\" }",
            &["not both"],
        ),
        (
            "backend = \"tc-flower\"\nuplink = \"p\"\nvf = 1",
            &["unknown field `vf`"],
        ),
        (
            "backend = \"command\"\nprogram = \"/x\"\ntimeout = 2",
            &["a string"],
        ),
        (
            "backend = \"command\"\nprogram = \"/x\"\ntimeout = \"2\"",
            &["`2`", "\"2s\""],
        ),
        (
            "backend = \"command\"\nprogram = \"/x\"\nin_flight = \"1 day ago\"",
            &["`1 day ago`"],
        ),
    ];
    for (keys, expected) in cases {
        let error = read(keys).expect_err(keys);
        for part in expected {
            assert!(error.contains(part), "{keys}: `{part}` is not in: {error}");
        }
    }
}
