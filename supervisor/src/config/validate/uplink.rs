//! What is wrong with `[uplink]`, and between it and `[steering]`.

use super::{Fault, Findings, fault};
use crate::Config;
use crate::config::{Devices, FunctionName, Uplink, UplinkMode};
use std::time::Duration;
use steering::SteeringConfig;

/// Draining is part of a handover: longer than this, and it is no longer one.
const MAX_DRAIN: Duration = Duration::from_millis(100);
/// Bytes of a network device's name: IFNAMSIZ without its closing NUL.
const MAX_NETDEV: usize = 15;
/// The control thread of a standby empties its uplink every 100 ms.
const SHORTEST_PROBE: Duration = Duration::from_millis(20);
/// One probe may be lost, and the other instance's silence comes at the same time only within some.
const LEAST_DEAF_AFTER: u32 = 3;

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let steers = !matches!(config.steering, SteeringConfig::None {});
    match &config.uplink {
        None => findings.add(
            "steering",
            steers.then(|| {
                fault(
                    "there is steering and no uplink that it could steer to",
                    "add the section [uplink], or remove [steering]",
                )
            }),
        ),
        Some(uplink) => {
            ways(uplink, findings);
            drain(uplink, findings);
            probes(uplink, findings);
            if config.has_one_device() {
                findings.add("steering", steers.then(one_device_steered));
            } else {
                findings.add("uplink", unsteered(findings));
            }
        }
    }
}

fn unsteered(findings: &Findings<'_>) -> Option<Fault> {
    findings.places.of("steering").position.is_none().then(|| {
        fault(
            "there is an uplink and no steering: after a promote the NIC would go on delivering to \
             the old instance",
            "add the section [steering] (backend = \"none\" if the network itself finds the new \
             one)",
        )
    })
}

fn one_device_steered() -> Fault {
    fault(
        "there is one device, which needs no steering",
        "remove the section [steering], or give each instance a device of its own",
    )
}

/// Exactly one of the two ways.
fn ways(uplink: &Uplink, findings: &mut Findings<'_>) {
    let arguments = uplink.a.is_some() || uplink.b.is_some();
    match uplink.devices() {
        Devices::Functions(_) if arguments => findings.add(
            "uplink.vfs",
            Some(fault(
                "there are devices for `a` and `b` as well",
                "write either `vfs`, or `a` and `b`",
            )),
        ),
        Devices::Functions(functions) => vfs(uplink, functions, findings),
        Devices::Arguments(_) if !arguments => findings.add("uplink", Some(nothing(uplink))),
        Devices::Arguments(both) => self::arguments(uplink, both, findings),
    }
}

fn nothing(uplink: &Uplink) -> Fault {
    match &uplink.pf {
        Some(pf) => fault(
            format!("which VFs of `{pf}` the instances have is not said"),
            "add such as `vfs = [0, 1]`",
        ),
        None => fault(
            "there are no devices",
            "write `pf` and `vfs`, or `a` and `b`",
        ),
    }
}

fn arguments(uplink: &Uplink, both: [&str; 2], findings: &mut Findings<'_>) {
    let remedy = "write a PCI address such as \"0000:03:10.0\", or DPDK device arguments such as \
                  \"net_af_packet0,iface=vf0\"";
    for (key, given, value) in [("a", &uplink.a, both[0]), ("b", &uplink.b, both[1])] {
        let missing = given.is_none();
        findings.add(
            "uplink",
            missing.then(|| fault(format!("the key `{key}` is missing"), "add it")),
        );
        let empty = !missing && value.trim().is_empty();
        findings.add(
            &format!("uplink.{key}"),
            empty.then(|| fault("no device", remedy)),
        );
    }
    findings.add("uplink.b", one_or_two(uplink, both));
    for (key, given) in [("pf", uplink.pf.is_some()), ("make_vfs", uplink.make_vfs)] {
        findings.add(
            &format!("uplink.{key}"),
            given.then(|| {
                fault(
                    format!("`{key}` is for `vfs`, and there are `a` and `b`"),
                    "write either `pf` and `vfs`, or `a` and `b`",
                )
            }),
        );
    }
}

fn one_or_two(uplink: &Uplink, both: [&str; 2]) -> Option<Fault> {
    match (uplink.mode, both[0] == both[1]) {
        (UplinkMode::Pair, true) => Some(same(both[0])),
        (UplinkMode::Restart, false) => Some(fault(
            "the instances have different uplinks, and uplink.mode is \"restart\"",
            "name the one device twice, or remove uplink.mode",
        )),
        (UplinkMode::Pair, false) | (UplinkMode::Restart, true) => None,
    }
}

fn vfs(uplink: &Uplink, functions: &[FunctionName], findings: &mut Findings<'_>) {
    findings.add("uplink.vfs", one_or_two_vfs(uplink.mode, functions.len()));
    for (index, function) in functions.iter().enumerate() {
        let numbered = matches!(function, FunctionName::Vf(_));
        let key = format!("uplink.vfs[{index}]");
        findings.add(
            &key,
            (numbered && uplink.pf.is_none()).then(|| of_which_pf(function)),
        );
        findings.add(
            "uplink.make_vfs",
            (!numbered && uplink.make_vfs).then(|| {
                fault(
                    format!(
                        "{function} cannot be made: the address of a VF follows from its number"
                    ),
                    "name VFs by their numbers, such as `vfs = [0, 1]`",
                )
            }),
        );
    }
    if let [a, b] = functions {
        findings.add("uplink.vfs[1]", (a == b).then(|| same(&a.to_string())));
    }
    findings.add("uplink.pf", uplink.pf.as_deref().and_then(no_netdev));
}

fn one_or_two_vfs(mode: UplinkMode, number: usize) -> Option<Fault> {
    match (mode, number) {
        (UplinkMode::Pair, 2) | (UplinkMode::Restart, 1) => None,
        (UplinkMode::Pair, number) => Some(fault(
            format!("each instance has one function, and there are {number}"),
            "name two, or set uplink.mode = \"restart\" if there is only one",
        )),
        (UplinkMode::Restart, number) => Some(fault(
            format!("with uplink.mode = \"restart\" there is one function, and there are {number}"),
            "name one, such as `vfs = [0]`, or remove uplink.mode",
        )),
    }
}

fn of_which_pf(function: &FunctionName) -> Fault {
    fault(
        format!("{function} of which NIC is not said"),
        "add the network device of its PF, such as `pf = \"enp1s0\"`, or write its PCI address",
    )
}

fn no_netdev(name: &str) -> Option<Fault> {
    let fits = !name.is_empty() && name.len() <= MAX_NETDEV && ![".", ".."].contains(&name);
    (!fits || name.contains(|c: char| c == '/' || c.is_whitespace())).then(|| {
        fault(
            format!("`{}` is no name of a network device", name.escape_debug()),
            "write one that `ip link` shows",
        )
    })
}

fn same(device: &str) -> Fault {
    fault(
        format!("both instances have the uplink `{device}`"),
        "give each instance a device of its own, or set uplink.mode = \"restart\"",
    )
}

fn drain(uplink: &Uplink, findings: &mut Findings<'_>) {
    let [drain, most] = [uplink.drain, MAX_DRAIN].map(humantime::format_duration);
    findings.add(
        "uplink.drain",
        (uplink.drain > MAX_DRAIN).then(|| {
            fault(
                format!("{drain} is too long"),
                format!("write at most \"{most}\""),
            )
        }),
    );
}

fn probes(uplink: &Uplink, findings: &mut Findings<'_>) {
    let short = uplink.probe.filter(|&probe| probe < SHORTEST_PROBE);
    findings.add(
        "uplink.probe",
        short.map(|probe| {
            let [probe, least] = [probe, SHORTEST_PROBE].map(humantime::format_duration);
            fault(
                format!("{probe}: a standby does not look so often"),
                format!("write at least \"{least}\", or \"off\""),
            )
        }),
    );
    findings.add(
        "uplink.deaf_after",
        (uplink.deaf_after < LEAST_DEAF_AFTER).then(|| {
            fault(
                format!("{}: a probe may be lost without harm", uplink.deaf_after),
                format!("write at least {LEAST_DEAF_AFTER}"),
            )
        }),
    );
}
