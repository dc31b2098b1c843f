//! The crate links against the installed DPDK, and that is one the product knows.

use std::ffi::CStr;

#[test]
fn the_installed_dpdk_is_a_known_one() {
    // SAFETY: rte_version() returns a static string and needs no EAL.
    let version = unsafe { CStr::from_ptr(dpdk_sys::rte_version()) };
    let version = version.to_str().expect("DPDK's version is ASCII");
    assert!(
        version.starts_with("DPDK 22.11") || version.starts_with("DPDK 24.11"),
        "{version} is neither 22.11 nor 24.11"
    );
}

/// Whoever has DPDK's libraries loads its folder of drivers, too.
#[test]
fn no_other_dpdk_is_loaded() {
    // SAFETY: as above; without a call the linker would leave DPDK out.
    unsafe { dpdk_sys::rte_version() };
    let mapped = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let librte: Vec<_> = mapped
        .lines()
        .filter(|line| line.contains("librte_"))
        .collect();
    assert!(librte.is_empty(), "{librte:#?}");
}
