//! What drivers tell of packets that have left: `net_virtio` with `net_vhost` as its device, which takes
//! packets only when it is asked to.

mod dpdk_support;

use dpdk_support::{FRAMES, eal, receive_all, send_all, started};
use std::time::{Duration, Instant};
use vswitch::dpdk::{Eal, MbufBatch, Memory, Mempool, MempoolConfig, Queues, Uplink};

const SMALL: MempoolConfig = MempoolConfig {
    mbufs: 2047,
    cache: 0,
    data_room: 2048,
};

#[test]
fn virtio_tells_when_its_device_has_taken_all() {
    let eal = eal(Memory::Ordinary { mib: 64 });
    let received = Mempool::new(&eal, "received", &MempoolConfig::default()).expect("a mempool");
    for ring in [
        "packed_vq=0",
        "packed_vq=1",
        "in_order=0",
        "in_order=0,packed_vq=1",
    ] {
        let sent = Mempool::new(&eal, &ring.replace([',', '='], "-"), &SMALL);
        tells(&eal, ring, &received, &sent.expect("a mempool"));
    }
}

fn tells(eal: &Eal, ring: &str, received: &Mempool, sent: &Mempool) {
    let (device, mut far) = device(eal, received);
    let socket = socket();
    let devargs = format!("net_virtio_user0,path={socket},queue_size=256,{ring}");
    let (driver, mut near) = started(eal, &devargs, received);
    wait_for_link(&device);
    let is_done = |near: &mut Queues| near.tx[0].has_sent_all(sent).expect("it tells");
    assert!(is_done(&mut near), "{ring}: nothing was sent");
    // More than once around the ring.
    for round in 0..20 {
        send_all(sent, &mut near);
        assert!(!is_done(&mut near), "{ring}, {round}: nobody has taken it");
        assert!(
            !is_done(&mut near),
            "{ring}, {round}: nor does asking change that"
        );
        receive_all(&mut far);
        assert!(is_done(&mut near), "{ring}, {round}: all was taken");
    }
    let none = far.rx[0].burst(&mut MbufBatch::<8>::new());
    assert_eq!(none, 0, "{ring}: what it is asked with is not sent");
    let stats = driver.stats().expect("counters");
    assert_eq!(stats.tx_packets, 20 * FRAMES as u64, "{ring}");
}

fn device(eal: &Eal, pool: &Mempool) -> (Uplink, Queues) {
    started(eal, &format!("net_vhost0,iface={}", socket()), pool)
}

fn socket() -> String {
    let path = std::env::temp_dir().join(format!("vswitch-virtio-{}", std::process::id()));
    path.display().to_string()
}

fn wait_for_link(device: &Uplink) {
    let within = Instant::now() + Duration::from_secs(5);
    while !device.link().expect("a link").up {
        assert!(Instant::now() < within, "nobody has connected");
        std::thread::sleep(Duration::from_millis(5));
    }
}
