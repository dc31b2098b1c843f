//! What steering needs.

use super::finding::Findings;
use super::programs::executable;
use super::uplinks::netdev;
use steering::SteeringConfig;

pub(super) fn check(findings: &mut Findings<'_>) {
    match &findings.config.steering {
        SteeringConfig::None {} => {}
        SteeringConfig::Ebpf(ebpf) => {
            findings.add("steering.nic", netdev(&ebpf.nic));
            findings.add("steering.ports.a", netdev(&ebpf.ports.a));
            findings.add("steering.ports.b", netdev(&ebpf.ports.b));
        }
        SteeringConfig::BridgeFdb(bridge) => {
            findings.add("steering.ports.a", netdev(&bridge.ports.a));
            findings.add("steering.ports.b", netdev(&bridge.ports.b));
        }
        SteeringConfig::SriovMac(sriov) => findings.add("steering.pf", netdev(&sriov.pf)),
        SteeringConfig::SriovVlan(sriov) => findings.add("steering.pf", netdev(&sriov.pf)),
        SteeringConfig::TcFlower(flower) => {
            findings.add("steering.uplink", netdev(&flower.uplink));
        }
        SteeringConfig::Command(command) => {
            findings.add("steering.program", executable(&command.program));
        }
    }
}
