//! VFs of one port.

use std::io;

use super::device::{load, make_vfs, netdev, set_up};
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
    let (pf, wire) = port()?;
    Ok(RealNic {
        uplink: format!("pf = {pf:?}\nvfs = [0, 1]\nmake_vfs = true\n{DEAF_AFTER}"),
        deafness: [lose(&pf, 0), lose(&pf, 1)],
        reset: Some(down_and_up(&pf)),
        steering: Some(format!(
            "backend = \"sriov-mac\"\npf = {pf:?}\nvfs = [0, 1]\naddress = \"{}\"\n",
            Mac::of_endpoint(0)
        )),
        wire,
    })
}

/// One VF of the PF for both instances, which the supervisor binds. What is for `address` is delivered to
/// it.
///
/// # Errors
/// What the kernel refuses.
pub fn one_virtual_function(address: Mac) -> io::Result<RealNic> {
    let (pf, wire) = port()?;
    make_vfs(&pf, 1)?;
    ip(&format!("link set {pf} vf 0 mac {address} spoofchk off"))?;
    Ok(RealNic {
        uplink: format!("pf = {pf:?}\nvfs = [0]\nmode = \"restart\"\n"),
        steering: None,
        deafness: [lose(&pf, 0), lose(&pf, 0)],
        reset: Some(down_and_up(&pf)),
        wire,
    })
}

/// PF and wire, both up.
fn port() -> io::Result<(String, String)> {
    quiet_ipv6();
    ["igb", "virtio_net", "vfio-pci"]
        .iter()
        .try_for_each(|module| load(module))?;
    let (pf, wire) = (netdev(PF)?, netdev(WIRE)?);
    // The wire's frames are for guests, whose addresses are not its own.
    ip(&format!("link set {wire} promisc on"))?;
    set_up(&wire)?;
    set_up(&pf)?;
    Ok((pf, wire))
}

/// Somebody puts the VF into a VLAN in which nobody is.
fn lose(pf: &str, vf: u16) -> Mishap {
    let set = |vlan: u16| format!("ip link set {pf} vf {vf} vlan {vlan}");
    Mishap::new(set(77), set(0))
}

fn down_and_up(pf: &str) -> Mishap {
    let set = |state: &str| format!("ip link set {pf} {state}");
    Mishap::new(set("down"), set("up"))
}
