//! The two ways to name the uplinks' devices.

use super::*;
use crate::pci::PciAddress;

const NONE: &str = "[steering]\nbackend = \"none\"\n";

/// The message for an `[uplink]` of these lines; the first is line 7 of the file.
fn error_of_uplink(lines: &str) -> String {
    error_of(&format!("{NONE}[uplink]\n{lines}\n"))
}

fn uplink(lines: &str) -> Uplink {
    let config = parse(&format!("{MINIMAL}{NONE}[uplink]\n{lines}\n"));
    config.unwrap().uplink.unwrap()
}

#[test]
fn vfs_are_numbers_or_addresses() {
    let numbers = uplink("pf = \"enp1s0\"\nvfs = [0, 3]\nmake_vfs = true");
    let [a, b] = [FunctionName::Vf(0), FunctionName::Vf(3)];
    assert_eq!(numbers.devices(), Devices::Functions(&[a, b]));
    assert!(numbers.make_vfs);
    assert_eq!(numbers.arguments(InstanceId::A), None);
    let addresses = uplink("vfs = [\"01:10.0\", \"0000:01:10.2\"]");
    let at = |text| FunctionName::At(PciAddress::parse(text).unwrap());
    let [a, b] = [at("0000:01:10.0"), at("0000:01:10.2")];
    assert_eq!(addresses.devices(), Devices::Functions(&[a, b]));
    let arguments = uplink("a = \"net_null0\"\nb = \"net_null1\"");
    assert_eq!(
        arguments.devices(),
        Devices::Arguments(["net_null0", "net_null1"])
    );
    assert_eq!(arguments.arguments(InstanceId::B), Some("net_null1"));
}

#[test]
fn it_is_one_way_or_the_other() {
    for (lines, parts) in [
        (
            "",
            &[":6:1: uplink: there are no devices", "`pf` and `vfs`"],
        ),
        (
            "a = \"net_null0\"\nb = \"net_null1\"\nvfs = [0, 1]",
            &[":9:7: uplink.vfs: ", "either `vfs`, or `a` and `b`"],
        ),
        (
            "a = \"net_null0\"\nb = \"net_null1\"\npf = \"enp1s0\"",
            &[":9:6: uplink.pf: ", "either `pf` and `vfs`"],
        ),
        (
            "a = \"net_null0\"\nb = \"net_null1\"\nmake_vfs = true",
            &[":9:12: uplink.make_vfs: ", "either `pf` and `vfs`"],
        ),
        (
            "pf = \"enp1s0\"",
            &[":6:1: uplink: which VFs of `enp1s0`", "vfs = [0, 1]"],
        ),
    ] {
        assert_parts(&error_of_uplink(lines), parts);
    }
}

#[test]
fn what_cannot_be_a_function_is_shown_where_it_is() {
    for (lines, parts) in [
        (
            "vfs = [0, \"01:10.2\"]",
            &[":7:8: uplink.vfs[0]: VF 0 of which NIC", "pf = \"enp1s0\""],
        ),
        (
            "pf = \"enp1s0\"\nvfs = [1, 1]",
            &[
                ":8:11: uplink.vfs[1]: ",
                "both instances have the uplink `VF 1`",
            ],
        ),
        (
            "vfs = [\"01:10.0\", \"enp1s0\"]",
            &[
                ":7:19: uplink.vfs[1]: `enp1s0` is no PCI address",
                "lspci -D",
            ],
        ),
        (
            "pf = \"enp1s0\"\nvfs = [0, -1]",
            &[":8:11: uplink.vfs[1]: -1 is no number of a VF", "from 0"],
        ),
        (
            "pf = \"enp1s0\"\nvfs = [0]",
            &[
                ":8:7: uplink.vfs: each instance has one function, and there are 1",
                "mode = \"restart\"",
            ],
        ),
        (
            "pf = \"enp1s0\"\nvfs = []",
            &[
                ":8:7: uplink.vfs: each instance has one function",
                "there are 0",
            ],
        ),
        (
            "pf = \"enp1s0\"\nvfs = [0, true]",
            &[
                ":8:11: uplink.vfs[1]: this is boolean",
                "the number of a VF",
            ],
        ),
        (
            "pf = \"../x\"\nvfs = [0, 1]",
            &[":7:6: uplink.pf: `../x` is no name", "ip link"],
        ),
        (
            "vfs = [\"01:10.0\", \"01:10.2\"]\nmake_vfs = true",
            &[
                ":8:12: uplink.make_vfs: 0000:01:10.0 cannot be made",
                "by their numbers",
            ],
        ),
    ] {
        assert_parts(&error_of_uplink(lines), parts);
    }
}

#[test]
fn a_reload_tells_that_other_functions_need_a_restart() {
    let with = |lines: &str| parse(&format!("{MINIMAL}{NONE}[uplink]\n{lines}\n")).unwrap();
    let old = with("pf = \"enp1s0\"\nvfs = [0, 1]");
    assert!(old.diff(&with("pf = \"enp1s0\"\nvfs = [0, 1]")).is_ok());
    let keys = |new: &Config| old.diff(new).unwrap_err().keys;
    assert_eq!(keys(&with("pf = \"enp1s0\"\nvfs = [0, 2]")), ["uplink.vfs"]);
    let addresses = with("vfs = [\"01:10.0\", \"01:10.2\"]");
    assert_eq!(keys(&addresses), ["uplink.vfs", "uplink.pf"]);
}

#[test]
fn probes_are_on_unless_they_are_off_and_not_too_many() {
    let pair = "a = \"net_null0\"\nb = \"net_null1\"\n";
    let usual = uplink(pair);
    assert_eq!(usual.probe, Some(Duration::from_millis(200)));
    assert_eq!(usual.deaf_after, 5);
    let other = uplink(&format!("{pair}probe = \"1s\"\ndeaf_after = 3"));
    assert_eq!(
        (other.probe, other.deaf_after),
        (Some(Duration::from_secs(1)), 3)
    );
    assert_eq!(uplink(&format!("{pair}probe = \"off\"")).probe, None);
    for (line, parts) in [
        ("probe = \"19ms\"", ["uplink.probe", "at least \"20ms\""]),
        ("deaf_after = 2", ["uplink.deaf_after", "at least 3"]),
    ] {
        assert_parts(&error_of_uplink(&format!("{pair}{line}")), &parts);
    }
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
