//! DPDK on hugepage files: frames pass, and not one hugepage is taken that is not in a file.

mod dpdk_support;

use dpdk_support::huge_files::HugeFiles;
use dpdk_support::{config, frames_pass, huge_pages, netns};
use std::time::Instant;
use vswitch::dpdk::{DpdkError, Eal, Memory, Mempool, MempoolConfig};

/// MiB of the two files, and hugepages beside them that must stay free.
const FILES: [i64; 2] = [96, 32];
const SPARE: u64 = 64;

#[test]
fn dpdk_takes_no_hugepage_but_those_of_its_files() {
    let pages = (FILES.iter().sum::<i64>() / 2) as u64 + SPARE;
    let _borrowed = huge_pages::Borrowed::at_least(pages);
    netns::enter_with_veth();
    let hugetlbfs = HugeFiles::mounted();
    let files: Vec<_> = FILES
        .iter()
        .map(|&mib| hugetlbfs.file(&format!("f{mib}"), mib, mib))
        .collect();
    let free = huge_pages::free();
    assert!(free >= SPARE, "{free} hugepages are free beside the files");

    let begun = Instant::now();
    let eal = Eal::init_on_files(&config(Memory::Files), files).expect("DPDK starts");
    println!("EAL start on files: {:.0?}", begun.elapsed());
    let pool = Mempool::new(&eal, "packets", &MempoolConfig::default()).expect("a mempool");
    frames_pass(&eal, &pool);
    assert_eq!(huge_pages::free(), free, "hugepages were taken");

    every_file_is_used(&eal);
    assert_eq!(huge_pages::free(), free, "hugepages were taken");
}

/// Pools until nothing is left: more than the first slice holds.
fn every_file_is_used(eal: &Eal) {
    let config = MempoolConfig::default();
    let bytes = u64::from(config.mbufs) * u64::from(config.data_room);
    let mut pools = Vec::new();
    let error = loop {
        match Mempool::new(eal, &format!("pool{}", pools.len()), &config) {
            Ok(pool) => pools.push(pool),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, DpdkError::NoMemory { .. }),
        "the end of the memory is told as {error}"
    );
    let used = pools.len() as u64 * bytes;
    assert!(used > 48 << 20, "only {} MiB were had", used >> 20);
    assert!(used < 128 << 20, "{} MiB were had of 128", used >> 20);
}
