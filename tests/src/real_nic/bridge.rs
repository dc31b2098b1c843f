//! Two virtio-net devices behind ports of one bridge.
//!
//! ```text
//! wire ═ br-wire ─bridge┬─ port ═ virtio-net   instance a
//!                       └─ port ═ virtio-net   instance b
//! ```

use std::io;

use super::device::{interrupt_one_cpu, load, netdev, pci_address, set_up};
use super::{DEAF_AFTER, Mishap, RealNic};
use crate::nic_machine::{BRIDGE_PORTS, UPLINKS};
use crate::rig::{ip, quiet_ipv6};

const WIRE: &str = "wire";
const WIRE_PORT: &str = "br-wire";
const BRIDGE: &str = "br0";

/// The two virtio-net devices, which the supervisor binds to vfio-pci, with steering by `bridge-fdb`.
///
/// # Errors
/// What the kernel refuses.
pub fn virtio_on_a_bridge() -> io::Result<RealNic> {
    quiet_ipv6();
    ["virtio_net", "vfio-pci"]
        .iter()
        .try_for_each(|module| load(module))?;
    ip(&format!("link add {BRIDGE} type bridge mcast_snooping 0"))?;
    ip(&format!("link set {BRIDGE} up"))?;
    ip(&format!("link add {WIRE} type veth peer name {WIRE_PORT}"))?;
    ip(&format!("link set {WIRE} up"))?;
    let [port_a, port_b] = BRIDGE_PORTS.map(netdev);
    let ports = [port_a?, port_b?];
    for port in [WIRE_PORT, &ports[0], &ports[1]] {
        ip(&format!("link set {port} master {BRIDGE}"))?;
        set_up(port)?;
    }
    // Otherwise what one instance sent last and the other one first may change places in the bridge.
    interrupt_one_cpu(&ports)?;
    let [a, b] = UPLINKS.map(|address| pci_address(&netdev(address)?));
    let ([a, b], [port_a, port_b]) = ([a?, b?], ports);
    Ok(RealNic {
        uplink: format!("vfs = [{a:?}, {b:?}]\n{DEAF_AFTER}"),
        deafness: [swallow(&port_a), swallow(&port_b)],
        reset: None,
        // The emulated machine may be late to give a packet to the device.
        steering: Some(format!(
            "backend = \"bridge-fdb\"\nports = {{ a = {port_a:?}, b = {port_b:?} }}\n\
             in_flight = \"50ms\"\n"
        )),
        wire: WIRE.to_owned(),
    })
}

/// What the port sends to its instance goes nowhere; what comes from there is forwarded as ever.
fn swallow(port: &str) -> Mishap {
    let filter = format!("tc filter add dev {port} egress matchall action drop");
    Mishap::new(
        format!("tc qdisc add dev {port} clsact; {filter}"),
        format!("tc qdisc del dev {port} clsact"),
    )
}
