//! Which DPDK this is.

use std::ffi::CStr;

/// Version of the DPDK that the process runs with, such as `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: rte_version() returns a constant string.
    unsafe { CStr::from_ptr(dpdk_sys::rte_version()) }
        .to_string_lossy()
        .into_owned()
}
