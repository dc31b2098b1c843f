//! A network namespace of the calling thread, which goes with it.

use std::fs;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread into a new network namespace with the veth pair `wire0` and `wire1`.
pub(crate) fn enter_with_veth() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root for a network namespace");
    ip("link add wire0 type veth peer name wire1");
    for end in ["wire0", "wire1"] {
        let ipv6 = format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6");
        if fs::exists(&ipv6).expect("/proc is mounted") {
            fs::write(&ipv6, "1").expect("the kernel's own frames are turned off");
        }
        ip(&format!("link set {end} up"));
    }
}

/// The address of a netdev of this namespace.
pub(crate) fn mac(netdev: &str) -> String {
    let output = Command::new("ip")
        .args(["-o", "link", "show", netdev])
        .output();
    let text = String::from_utf8(output.expect("ip is installed").stdout).expect("ASCII");
    let mut words = text.split_whitespace();
    words
        .find(|word| *word == "link/ether")
        .expect("an Ethernet device");
    words.next().expect("its address").to_owned()
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("ip is installed").success(), "ip {arguments}");
}
