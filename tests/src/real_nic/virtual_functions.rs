//! Two VFs of one port.

use std::io;

use super::device::{load, netdev, set_up};
use super::{DEAF_AFTER, Mishap, RealNic};
use crate::emulator::Mac;
use crate::nic_machine::{PF, WIRE};
use crate::rig::{ip, quiet_ipv6};

/// Two VFs of the PF, which the supervisor makes and binds, with steering by `sriov-mac`: the address that
/// moves is the first guest's.
///
/// # Errors
/// What the kernel refuses.
pub fn virtual_functions() -> io::Result<RealNic> {
    quiet_ipv6();
    ["igb", "virtio_net", "vfio-pci"]
        .iter()
        .try_for_each(|module| load(module))?;
    let (pf, wire) = (netdev(PF)?, netdev(WIRE)?);
    // The wire's frames are for guests, whose addresses are not its own.
    ip(&format!("link set {wire} promisc on"))?;
    set_up(&wire)?;
    set_up(&pf)?;
    Ok(RealNic {
        uplink: format!("pf = {pf:?}\nvfs = [0, 1]\nmake_vfs = true\n{DEAF_AFTER}"),
        deafness: [lose(&pf, 0), lose(&pf, 1)],
        reset: Some(Mishap::new(
            format!("ip link set {pf} down"),
            format!("ip link set {pf} up"),
        )),
        steering: format!(
            "backend = \"sriov-mac\"\npf = {pf:?}\nvfs = [0, 1]\naddress = \"{}\"\n",
            Mac::of_endpoint(0)
        ),
        wire,
    })
}

/// Somebody puts the VF into a VLAN in which nobody is.
fn lose(pf: &str, vf: u16) -> Mishap {
    let set = |vlan: u16| format!("ip link set {pf} vf {vf} vlan {vlan}");
    Mishap::new(set(77), set(0))
}
