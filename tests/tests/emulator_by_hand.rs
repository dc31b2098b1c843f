//! The low level of the emulator, from which tests of hostile front ends are made, against dpdk-testpmd.

mod emulator_support;

use std::time::{Duration, Instant};

use emulator_support::{Listener, START_LIMIT, Testpmd, one_at_a_time};
use vswsup_tests::emulator::front_end::{
    FrontEnd, Request, RingSetup, Session, SessionOptions, wire,
};
use vswsup_tests::emulator::{
    Allocator, Descriptor, GuestMemory, Instrument, Pages, Plan, RingLayout, Socket,
};

const OPTIONS: SessionOptions = SessionOptions {
    features: 0,
    protocol_features: 0,
};

fn connect(testpmd: &Testpmd, port: usize) -> FrontEnd {
    let Socket::Client(path) = testpmd.socket(port) else {
        panic!("testpmd listens")
    };
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match FrontEnd::connect(&path) {
            Ok(front_end) => return front_end,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_frame_can_be_sent_by_hand() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    // testpmd forwards nothing until all of its ports are up.
    let running = Instrument::start(Plan::new().guest("b", testpmd.guest(1))).unwrap();
    running.wait_for_links(START_LIMIT).unwrap();
    let memory = GuestMemory::new(1, 1 << 20, Pages::Small).unwrap();
    let mut allocator = Allocator::new(&memory);
    let rings = [(); 2].map(|()| RingLayout::allocate(8, &mut allocator));
    let rings = rings.map(|layout| RingSetup::new(layout).unwrap());
    let mut session = Session::open(connect(&testpmd, 0), OPTIONS).unwrap();
    session.share_memory(&memory).unwrap();
    for (index, ring) in (0..).zip(&rings) {
        session.start_ring(index, ring, &memory, 0).unwrap();
        session.enable_ring(index, true).unwrap();
    }

    let tx = &rings[1];
    let buffer = allocator.take(128, 64);
    let descriptor = Descriptor {
        address: buffer,
        length: 72,
        flags: 0,
        next: 0,
    };
    descriptor.write(&memory, tx.layout.descriptors, 3);
    tx.layout.offer(&memory, 0, 3);
    tx.kick.write(1).unwrap();
    let deadline = Instant::now() + START_LIMIT;
    while tx.layout.used_index(&memory) == 0 {
        assert!(Instant::now() < deadline, "testpmd takes the frame");
    }
    assert_eq!(session.stop_ring(1).unwrap(), 1);
}

#[test]
fn a_hostile_front_end_is_cut_off_and_others_are_not() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    let running = Instrument::start(Plan::new().guest("b", testpmd.guest(1))).unwrap();
    running.wait_for_links(START_LIMIT).unwrap();
    let hostilities: [Vec<u8>; 3] = [
        wire::header(Request(999), wire::VERSION, 0).to_vec(),
        wire::header(Request::GET_FEATURES, wire::VERSION, u32::MAX).to_vec(),
        [
            &wire::header(Request::SET_VRING_NUM, wire::VERSION, 8)[..],
            &wire::vring_state(200, 3),
        ]
        .concat(),
    ];
    for bytes in hostilities {
        let mut front_end = connect(&testpmd, 0);
        front_end.send_raw(&bytes, &[]).unwrap();
        let error = front_end.receive(Request(999)).unwrap_err().to_string();
        assert!(
            error.contains("closed the connection"),
            "{bytes:?}: {error}"
        );
    }
    assert_eq!(running.link("b").unwrap().disconnects(), 0);
}
