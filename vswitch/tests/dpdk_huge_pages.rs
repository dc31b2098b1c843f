//! Frames through DPDK with huge pages, of which none may be kept afterwards.

mod dpdk_support;

use dpdk_support::{eal, huge_pages, netns, receive_all, send_all, started};
use vswitch::dpdk::{Memory, Mempool, MempoolConfig};

#[test]
fn frames_pass_with_huge_pages() {
    let _borrowed = huge_pages::Borrowed::at_least(64);
    netns::enter_with_veth();
    let eal = eal(Memory::HugePages { mib: 64 });
    let pool = Mempool::new(&eal, "packets", &MempoolConfig::default()).expect("a mempool");

    let (ring, mut queues) = started(&eal, "net_ring0", &pool);
    send_all(&pool, &mut queues);
    receive_all(&mut queues);
    drop((ring, queues));

    let (near, mut near_queues) = started(&eal, "net_af_packet0,iface=wire0", &pool);
    let (far, mut far_queues) = started(&eal, "net_af_packet1,iface=wire1", &pool);
    send_all(&pool, &mut near_queues);
    receive_all(&mut far_queues);
    drop((near, near_queues, far, far_queues));
    assert_eq!(
        pool.available(),
        MempoolConfig::default().mbufs,
        "a buffer was lost"
    );
}
