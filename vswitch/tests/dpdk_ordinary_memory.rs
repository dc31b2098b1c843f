//! Frames through DPDK without huge pages: a loop of rings, a sink, and a veth pair.

mod dpdk_support;

use dpdk_support::{FRAMES, eal, netns, receive_all, send_all, started};
use nix::sched::sched_getaffinity;
use nix::unistd::Pid;
use vswitch::dpdk::{
    DpdkError, Eal, LaneRegistration, MbufBatch, Memory, Mempool, MempoolConfig, Uplink,
    UplinkConfig,
};

#[test]
fn frames_pass_without_huge_pages() {
    netns::enter_with_veth();
    let before = sched_getaffinity(Pid::from_raw(0)).expect("affinity");
    let eal = eal(Memory::Ordinary { mib: 64 });
    assert_eq!(
        sched_getaffinity(Pid::from_raw(0)).expect("affinity"),
        before
    );

    let pool = Mempool::new(&eal, "packets", &MempoolConfig::default()).expect("a mempool");
    ring_loops(&eal, &pool);
    null_swallows(&eal, &pool);
    vhost_opens(&eal, &pool);
    veth_carries(&eal, &pool);
    lanes_register_once(&eal, &pool);
    assert_eq!(
        pool.available(),
        MempoolConfig::default().mbufs,
        "a buffer was lost"
    );

    refusals_are_clear(&eal, &pool);
    drop((pool, eal));
    let again = Eal::init(&dpdk_support::config(Memory::Ordinary { mib: 64 }));
    assert_eq!(again.err(), Some(DpdkError::AlreadyStarted));
}

fn ring_loops(eal: &Eal, pool: &Mempool) {
    let (mut uplink, mut queues) = started(eal, "net_ring0", pool);
    send_all(pool, &mut queues);
    receive_all(&mut queues);
    let stats = uplink.stats().expect("counters");
    assert_eq!(
        (stats.tx_packets, stats.rx_packets),
        (FRAMES as u64, FRAMES as u64)
    );

    assert!(
        matches!(uplink.stop(), Err(DpdkError::QueuesInUse(_))),
        "a lane polls it"
    );
    let second = Uplink::open(eal, "net_ring0", pool, &UplinkConfig::default());
    assert_eq!(
        second.err(),
        Some(DpdkError::AlreadyOpen("net_ring0".into()))
    );
    drop(queues);
    uplink.close().expect("it closes");

    let (_uplink, mut queues) = started(eal, "net_ring0", pool);
    send_all(pool, &mut queues);
    receive_all(&mut queues);
}

fn null_swallows(eal: &Eal, pool: &Mempool) {
    let (uplink, mut queues) = started(eal, "net_null0,no-rx=1", pool);
    assert_eq!(uplink.driver().expect("a driver"), "net_null");
    send_all(pool, &mut queues);
    assert_eq!(queues.rx[0].burst(&mut MbufBatch::<8>::new()), 0);
    assert_eq!(uplink.stats().expect("counters").tx_packets, FRAMES as u64);
}

/// The peer that this switch is compared with; its driver has to be there.
fn vhost_opens(eal: &Eal, pool: &Mempool) {
    let socket = std::env::temp_dir().join(format!("vswitch-dpdk-{}", std::process::id()));
    let devargs = format!("net_vhost0,iface={}", socket.display());
    let (uplink, mut queues) = started(eal, &devargs, pool);
    assert_eq!(uplink.driver().expect("a driver"), "net_vhost");
    assert!(
        !uplink.link().expect("a link").up,
        "no front end is connected"
    );
    assert_eq!(queues.rx[0].pending(), Ok(false));
    assert_eq!(queues.rx[0].burst(&mut MbufBatch::<8>::new()), 0);
    drop((uplink, queues));
    assert!(!socket.exists(), "{} is left behind", socket.display());
}

fn veth_carries(eal: &Eal, pool: &Mempool) {
    let (mut near, mut near_queues) = started(eal, "net_af_packet0,iface=wire0", pool);
    let (far, mut far_queues) = started(eal, "net_af_packet1,iface=wire1", pool);
    near.promiscuous_on().expect("a veth can");
    assert!(near.link().expect("a link").up);
    let mac = near
        .mac()
        .expect("an address")
        .map(|byte| format!("{byte:02x}"))
        .join(":");
    assert_eq!(mac, netns::mac("wire0"));

    send_all(pool, &mut near_queues);
    receive_all(&mut far_queues);
    send_all(pool, &mut far_queues);
    receive_all(&mut near_queues);
    assert_eq!(far.stats().expect("counters").rx_packets, FRAMES as u64);

    near_queues.tx[0]
        .has_sent_all(pool)
        .expect_err("net_af_packet does not tell");
    near_queues.rx[0]
        .pending()
        .expect_err("net_af_packet cannot look ahead");
}

fn lanes_register_once(eal: &Eal, pool: &Mempool) {
    LaneRegistration::new(eal).expect_err("this thread is DPDK's main lcore");
    std::thread::scope(|scope| {
        let lane = || {
            let lane = LaneRegistration::new(eal).expect("a new thread registers");
            LaneRegistration::new(eal).expect_err("but once");
            drop(pool.alloc());
            drop(lane);
            LaneRegistration::new(eal).expect("and again after it has left");
        };
        scope.spawn(lane).join().expect("the lane ends well");
    });
}

fn refusals_are_clear(eal: &Eal, pool: &Mempool) {
    let config = UplinkConfig::default();
    let open = |devargs: &str, config: &UplinkConfig| {
        let error = Uplink::open(eal, devargs, pool, config)
            .expect_err(devargs)
            .to_string();
        println!("{error}");
        error
    };
    assert!(open("net_af_packet9,iface=nowhere0", &config).contains("\"nowhere0\""));
    assert!(open("net_af_packet9", &config).contains("DPDK says"));
    assert!(open("net_unknown0", &config).contains("net_unknown0"));
    assert!(open("ffff:ff:1f.7", &config).contains("no PCI device ffff:ff:1f.7"));
    let queues = UplinkConfig {
        rx_queues: 100,
        ..config
    };
    assert!(open("net_ring9", &queues).contains("receive queues, not 100"));
    let jumbo = UplinkConfig {
        mtu: 9000,
        ..config
    };
    assert!(open("net_null9", &jumbo).contains("MTU 9000"));

    let huge = MempoolConfig {
        mbufs: 1_000_000,
        ..MempoolConfig::default()
    };
    let error = Mempool::new(eal, "huge", &huge)
        .expect_err("64 MiB are not enough")
        .to_string();
    println!("{error}");
    assert!(error.contains("give DPDK more memory"), "{error}");
    Mempool::new(
        eal,
        "packets",
        &MempoolConfig {
            mbufs: 63,
            cache: 0,
            ..huge
        },
    )
    .expect_err("the name is taken");
}
