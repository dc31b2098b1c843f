//! Two VFs of one port.

use std::io;

use super::RealNic;
use super::device::{load, netdev, set_up};
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
        uplink: format!("pf = {pf:?}\nvfs = [0, 1]\nmake_vfs = true\n"),
        steering: format!(
            "backend = \"sriov-mac\"\npf = {pf:?}\nvfs = [0, 1]\naddress = \"{}\"\n",
            Mac::of_endpoint(0)
        ),
        wire,
    })
}
