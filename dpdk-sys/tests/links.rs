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
