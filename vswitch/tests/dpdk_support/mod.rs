//! What the tests of the DPDK wrappers share. DPDK starts once in a process, so each test has a file.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod huge_files;
pub(crate) mod huge_pages;
pub(crate) mod netns;

use std::time::{Duration, Instant};

use vswitch::dpdk::{
    Eal, EalConfig, LogLevel, Mbuf, MbufBatch, Memory, Mempool, Pci, Queues, Uplink, UplinkConfig,
};

/// Frames of one round; fits into every ring used here.
pub(crate) const FRAMES: usize = 32;

/// Starts DPDK without PCI, with a prefix of this process.
pub(crate) fn eal(memory: Memory) -> Eal {
    let config = config(memory);
    let started = Instant::now();
    let eal = Eal::init(&config).expect("DPDK starts");
    println!("EAL start with {memory:?}: {:.0?}", started.elapsed());
    eal
}

pub(crate) fn config(memory: Memory) -> EalConfig {
    EalConfig {
        file_prefix: format!("test-{}", std::process::id()),
        main_cpu: 0,
        memory,
        pci: Pci::Off,
        log_level: LogLevel::Notice,
    }
}

/// Opens and starts `devargs` with one queue each way.
pub(crate) fn started(eal: &Eal, devargs: &str, pool: &Mempool) -> (Uplink, Queues) {
    let mut uplink =
        Uplink::open(eal, devargs, pool, &UplinkConfig::default()).expect("the device opens");
    let queues = uplink.start().expect("the device starts");
    (uplink, queues)
}

/// An Ethernet frame of `length` bytes, marked with `number` in its first bytes of payload.
pub(crate) fn frame(number: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5, number];
    frame.resize(length, number);
    frame
}

/// A packet with this content.
pub(crate) fn packet(pool: &Mempool, content: &[u8]) -> Mbuf {
    let mut mbuf = pool.alloc().expect("a free buffer");
    mbuf.append(content.len())
        .expect("room for the frame")
        .copy_from_slice(content);
    mbuf
}

/// Sends frames 0, 1, 2, ... of 60 bytes and more.
pub(crate) fn send_all(pool: &Mempool, queues: &mut Queues) {
    let mut batch = MbufBatch::<FRAMES>::new();
    for number in 0..FRAMES {
        batch
            .push(packet(pool, &frame(number as u8, 60 + number)))
            .expect("room");
    }
    let within = Instant::now() + Duration::from_secs(2);
    while !batch.is_empty() {
        queues.tx[0].burst(&mut batch);
        assert!(
            Instant::now() < within,
            "{} frames were not sent",
            batch.len()
        );
    }
}

/// Receives as many of our frames as [`send_all`] sends, and checks content and order.
pub(crate) fn receive_all(queues: &mut Queues) {
    let mut batch = MbufBatch::<8>::new();
    let mut next = 0;
    let within = Instant::now() + Duration::from_secs(2);
    while next < FRAMES {
        assert!(
            Instant::now() < within,
            "only {next} of {FRAMES} frames came"
        );
        queues.rx[0].burst(&mut batch);
        for mbuf in batch.drain().filter(is_ours) {
            assert_eq!(mbuf.data(), frame(next as u8, 60 + next));
            assert_eq!(
                mbuf.segments().map(<[u8]>::len).sum::<usize>(),
                mbuf.packet_len()
            );
            next += 1;
        }
    }
}

/// Frames through a loop of rings, and through the veth pair of [`netns::enter_with_veth`].
pub(crate) fn frames_pass(eal: &Eal, pool: &Mempool) {
    let (ring, mut queues) = started(eal, "net_ring0", pool);
    send_all(pool, &mut queues);
    receive_all(&mut queues);
    drop((ring, queues));

    let (near, mut near_queues) = started(eal, "net_af_packet0,iface=wire0", pool);
    let (far, mut far_queues) = started(eal, "net_af_packet1,iface=wire1", pool);
    send_all(pool, &mut near_queues);
    receive_all(&mut far_queues);
    drop((near, near_queues, far, far_queues));
}

/// The kernel may send its own frames over a veth; ours have an experimental ethertype.
fn is_ours(mbuf: &Mbuf) -> bool {
    mbuf.data().get(12..14) == Some(&[0x88, 0xb5])
}
