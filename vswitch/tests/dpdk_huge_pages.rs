//! Frames through DPDK with huge pages, of which none may be kept afterwards.

mod dpdk_support;

use dpdk_support::{eal, frames_pass, huge_pages, netns};
use vswitch::dpdk::{Memory, Mempool, MempoolConfig};

#[test]
fn frames_pass_with_huge_pages() {
    let _borrowed = huge_pages::Borrowed::at_least(64);
    netns::enter_with_veth();
    let eal = eal(Memory::HugePages { mib: 64 });
    let pool = Mempool::new(&eal, "packets", &MempoolConfig::default()).expect("a mempool");
    frames_pass(&eal, &pool);
    assert_eq!(
        pool.available(),
        MempoolConfig::default().mbufs,
        "a buffer was lost"
    );
}
