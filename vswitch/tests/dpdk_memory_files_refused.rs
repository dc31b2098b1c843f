//! A file that is not populated would take hugepages when it is used: it is refused before.

mod dpdk_support;

use dpdk_support::huge_files::HugeFiles;
use dpdk_support::{config, huge_pages};
use vswitch::dpdk::{Eal, Memory};

#[test]
fn a_file_that_is_not_populated_is_refused_and_nothing_is_taken() {
    let _borrowed = huge_pages::Borrowed::at_least(32);
    let hugetlbfs = HugeFiles::mounted();
    let whole = hugetlbfs.file("whole", 16, 16);
    let sparse = hugetlbfs.file("sparse", 16, 8);
    let free = huge_pages::free();
    let error = Eal::init_on_files(&config(Memory::Files), vec![whole, sparse])
        .expect_err("half of a file is no memory");
    assert_eq!(
        error.to_string(),
        "memory file 2 has 8 MiB of its 16 MiB populated: populate it before an instance starts"
    );
    assert_eq!(huge_pages::free(), free, "hugepages were taken");
}
