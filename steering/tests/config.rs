//! The configuration: what is accepted, and what the errors name.

use std::time::Duration;

use serde::Deserialize;
use steering::{CommandConfig, EbpfConfig, Ports, Side, SteeringConfig};

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
