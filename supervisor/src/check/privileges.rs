//! Capabilities, as far as this configuration needs them.

use super::device::{Device, named_by_arguments};
use super::finding::{Findings, Outcome, problem};
use crate::config::Config;
use caps::{CapSet, Capability};
use steering::SteeringConfig;

pub(super) fn check(findings: &mut Findings<'_>) {
    for (capability, reason) in wanted(findings.config) {
        findings.add("privileges", held(capability, reason));
    }
}

/// The capabilities that are needed, and what for.
fn wanted(config: &Config) -> Vec<(Capability, &'static str)> {
    let mut wanted = Vec::new();
    match &config.steering {
        SteeringConfig::None {} | SteeringConfig::Command(_) => {}
        SteeringConfig::Ebpf(_) => {
            wanted.push((Capability::CAP_NET_ADMIN, "to attach the steering program"));
            wanted.push((Capability::CAP_BPF, "to load the steering program"));
        }
        SteeringConfig::BridgeFdb(_) => {
            wanted.push((
                Capability::CAP_NET_ADMIN,
                "to move addresses between the bridge's ports",
            ));
        }
        SteeringConfig::SriovMac(_) | SteeringConfig::SriovVlan(_) => {
            wanted.push((Capability::CAP_NET_ADMIN, "to set the VFs"));
        }
        SteeringConfig::TcFlower(_) => {
            wanted.push((
                Capability::CAP_NET_ADMIN,
                "to put tc filters on the NIC's ports",
            ));
        }
    }
    let uplink = config.uplink.as_ref();
    if named_by_arguments(config)
        .iter()
        .any(|device| matches!(device, Device::Netdev(_)))
    {
        wanted.push((
            Capability::CAP_NET_RAW,
            "to open the uplinks' packet sockets",
        ));
    } else if config.probe().is_ok() {
        wanted.push((Capability::CAP_NET_RAW, "to send probes to the uplinks"));
    }
    if uplink.is_some_and(|uplink| uplink.wanted().is_some()) {
        wanted.push((
            Capability::CAP_SYS_ADMIN,
            "to show each instance only its own vfio group",
        ));
    }
    wanted
}

fn held(capability: Capability, reason: &str) -> Outcome {
    // CAP_SYS_ADMIN includes CAP_BPF: capabilities(7).
    let includes = |held| {
        held == capability
            || (capability == Capability::CAP_BPF && held == Capability::CAP_SYS_ADMIN)
    };
    let effective = caps::read(None, CapSet::Effective).unwrap_or_default();
    if effective.into_iter().any(includes) {
        return Ok(format!("{capability} is here"));
    }
    problem(
        format!("{capability} is missing, which is needed {reason}"),
        format!("run vswsup as root, or as a service with AmbientCapabilities={capability}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_missing_capability_is_named_with_what_it_is_for_and_how_to_have_it() {
        // Capabilities belong to a thread: this one gives up its own.
        let without = thread::spawn(|| {
            caps::clear(None, CapSet::Effective).unwrap();
            held(Capability::CAP_BPF, "to load the steering program")
        });
        let (problem, remedy) = without.join().unwrap().unwrap_err();
        assert!(problem.contains("CAP_BPF is missing"), "{problem}");
        assert!(
            problem.contains("to load the steering program"),
            "{problem}"
        );
        assert!(remedy.contains("as root"), "{remedy}");
        assert!(remedy.contains("AmbientCapabilities=CAP_BPF"), "{remedy}");
    }
}
