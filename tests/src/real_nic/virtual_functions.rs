//! Two VFs of one port.

use std::io;

use super::RealNic;
use super::device::wait_for_carrier;
use super::device::{give_to_vfio, load, netdev, pci_address, set, set_up, virtual_function};
use crate::emulator::Mac;
use crate::nic_machine::{PF, WIRE};
use crate::rig::{ip, quiet_ipv6};

/// Two VFs of the PF, on vfio-pci, with steering by `sriov-mac`: the address that moves is the first
/// guest's.
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
    let [a, b] = make(&pf)?;
    Ok(RealNic {
        uplink: format!("a = {a:?}\nb = {b:?}\n"),
        steering: format!(
            "backend = \"sriov-mac\"\npf = {pf:?}\nvfs = [0, 1]\naddress = \"{}\"\n",
            Mac::of_endpoint(0)
        ),
        wire,
    })
}

/// Their PCI addresses. A PF that makes VFs resets itself and loses its carrier.
fn make(pf: &str) -> io::Result<[String; 2]> {
    let function = pci_address(pf)?;
    set(&function, "sriov_drivers_autoprobe", "0")?;
    set(&function, "sriov_numvfs", "2")?;
    wait_for_carrier(pf)?;
    let [a, b] = [0, 1].map(|number| virtual_function(&function, number));
    let both = [a?, b?];
    both.iter()
        .try_for_each(|function| give_to_vfio(function))?;
    Ok(both)
}
