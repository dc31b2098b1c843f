//! What the host does not have: the error says so, and what there is or what to set.

mod dpdk_support;

use vswitch::dpdk::{DpdkError, Eal, EalConfig, Memory};

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

#[test]
fn a_missing_cpu_is_named_and_dpdk_is_not_touched() {
    let main_cpu = 1 << 20;
    let config = EalConfig {
        main_cpu,
        ..dpdk_support::config(Memory::Ordinary { mib: 64 })
    };
    for _ in 0..2 {
        assert_eq!(Eal::init(&config).err(), Some(DpdkError::NoCpu(main_cpu)));
    }
}
