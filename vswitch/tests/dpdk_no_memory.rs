//! More huge pages than any host has: the error says how many there are and what to set.

mod dpdk_support;

use vswitch::dpdk::{DpdkError, Eal, Memory};

#[test]
fn missing_huge_pages_are_counted() {
    let wanted = 1 << 30;
    let config = dpdk_support::config(Memory::HugePages { mib: wanted });
    let error = Eal::init(&config).expect_err("no host has a PiB of huge pages");
    println!("{error}");
    assert!(
        matches!(error, DpdkError::HugePages { wanted_mib, .. } if wanted_mib == u64::from(wanted)),
        "{error}"
    );
}
