//! A NIC with two ports for instances, made of veth pairs in a network namespace of its own.
//!
//! ```text
//! wire0 ═ nic0 ─steering┬─ port0 ═ vf0   instance a
//!                       └─ port1 ═ vf1   instance b
//! ```

use nix::sched::{CloneFlags, unshare};
use std::io;
use std::process::Command;

const NIC_INDEX: u32 = 1000;
/// DPDK's af_packet driver makes its fanout group's number of the process id and this index, and two
/// instances with the same number cannot both start: ids of processes that start together differ in
/// low bits only, so the indices differ in a high one.
const INSTANCE_INDICES: [u32; 2] = [2000, 2000 + 0x4000];

/// The namespace and all that is in it live as long as threads and processes in it do.
#[derive(Debug)]
pub struct SoftwareNic(());

impl SoftwareNic {
    /// The far end of the wire.
    pub const WIRE: &str = "wire0";
    /// What steering calls the NIC.
    pub const NIC: &str = "nic0";
    /// Where steering delivers to: instance a, instance b.
    pub const PORTS: [&str; 2] = ["port0", "port1"];
    /// What the instances open.
    pub const INSTANCES: [&str; 2] = ["vf0", "vf1"];

    /// Moves the calling thread into a new namespace and makes the NIC there.
    ///
    /// # Errors
    /// Those of unshare(2) and of ip(8).
    pub fn new() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        quiet_ipv6();
        ip("link set lo up")?;
        pair(Self::NIC, Self::WIRE, NIC_INDEX)?;
        pair(Self::INSTANCES[0], Self::PORTS[0], INSTANCE_INDICES[0])?;
        pair(Self::INSTANCES[1], Self::PORTS[1], INSTANCE_INDICES[1])?;
        Ok(Self(()))
    }

    /// Gives the far end of the wire an address with prefix length, such as `10.77.0.1/24`, so that
    /// the namespace's own kernel answers there.
    ///
    /// # Errors
    /// Those of ip(8).
    pub fn set_wire_address(&self, address: &str) -> io::Result<()> {
        ip(&format!("address add {address} dev {}", Self::WIRE))
    }
}

/// Makes a pair of which `one` has this interface index.
fn pair(one: &str, other: &str, index: u32) -> io::Result<()> {
    ip(&format!(
        "link add {one} index {index} type veth peer name {other}"
    ))?;
    [one, other]
        .iter()
        .try_for_each(|name| ip(&format!("link set {name} up")))
}

/// Neighbour and router solicitations would be packets that no flow sent. A kernel without IPv6 has
/// neither.
pub(crate) fn quiet_ipv6() {
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

/// Runs `ip` with these arguments, which must succeed.
pub(crate) fn ip(arguments: &str) -> io::Result<()> {
    let outcome = Command::new("ip").args(arguments.split(' ')).output()?;
    if outcome.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    Err(io::Error::other(format!("ip {arguments}: {said}")))
}
