//! The handshake of the emulator, in QEMU's order, with back ends that are kind and others.

mod emulator_support;

use std::time::Duration;

use emulator_support::back_end::{BackEnd, Manners, Mood};
use emulator_support::{START_LIMIT, one_at_a_time};
use vswsup_tests::emulator::front_end::{Request, feature, protocol_feature};
use vswsup_tests::emulator::{GuestSpec, Instrument, Plan, Running, Socket};

fn guest(back_end: &BackEnd, number: usize) -> GuestSpec {
    let mut spec = GuestSpec::idle(Socket::Client(back_end.path(number)));
    spec.memory_regions = 2;
    spec.options.protocol_features = u64::MAX;
    spec
}

fn start(back_end: &BackEnd) -> Running {
    Instrument::start(Plan::new().guest("a", guest(back_end, 0))).unwrap()
}

/// Why the guest does not get connected.
fn failure(manners: Manners) -> String {
    let back_end = BackEnd::start(1, manners);
    let running = start(&back_end);
    running
        .wait_for_links(Duration::from_millis(300))
        .unwrap_err()
        .to_string()
}

const RING: [Request; 6] = [
    Request::SET_VRING_NUM,
    Request::SET_VRING_BASE,
    Request::SET_VRING_ADDR,
    Request::SET_VRING_ERR,
    Request::SET_VRING_CALL,
    Request::SET_VRING_KICK,
];

#[test]
fn a_device_is_brought_up_in_the_order_of_qemu() {
    let _turn = one_at_a_time();
    let back_end = BackEnd::start(1, Manners::new(Mood::Kind));
    let mut running = start(&back_end);
    running.wait_for_links(START_LIMIT).unwrap();
    assert_eq!(running.remove("a").unwrap(), Some([42, 42]));
    let heard = back_end.heard();
    let (opening, rest) = heard.split_at(6);
    assert_eq!(
        opening,
        [
            Request::GET_FEATURES,
            Request::GET_PROTOCOL_FEATURES,
            Request::SET_PROTOCOL_FEATURES,
            Request::SET_OWNER,
            Request::SET_FEATURES,
            Request::SET_MEM_TABLE,
        ]
    );
    assert_eq!(rest[..12], [RING, RING].concat());
    assert_eq!(
        rest[12..16],
        [Request::SET_VRING_ENABLE; 4],
        "on twice, off twice"
    );
    assert_eq!(rest[16..], [Request::GET_VRING_BASE; 2]);
}

#[test]
fn memory_slots_and_status_are_used_where_offered() {
    let _turn = one_at_a_time();
    let mut manners = Manners::new(Mood::Kind);
    let more = protocol_feature::CONFIGURE_MEM_SLOTS | protocol_feature::STATUS;
    manners.protocol_features |= more | protocol_feature::MQ;
    let back_end = BackEnd::start(1, manners);
    let running = start(&back_end);
    running.wait_for_links(START_LIMIT).unwrap();
    let heard = back_end.heard();
    let count = |request| heard.iter().filter(|one| **one == request).count();
    assert_eq!(count(Request::SET_MEM_TABLE), 0);
    assert_eq!(count(Request::GET_MAX_MEM_SLOTS), 1);
    assert_eq!(count(Request::ADD_MEM_REG), 2);
    assert_eq!(count(Request::GET_STATUS), 1);
    assert_eq!(count(Request::SET_STATUS), 1);
    assert_eq!(count(Request::GET_QUEUE_NUM), 1);
    assert_eq!(
        running.link("a").unwrap().features() & feature::EVENT_IDX,
        feature::EVENT_IDX
    );
}

#[test]
fn what_is_wrong_with_a_back_end_is_said() {
    let _turn = one_at_a_time();
    let refused = failure(Manners::new(Mood::Refuse(Request::SET_VRING_ADDR)));
    assert!(
        refused.contains("refused SET_VRING_ADDR with code 1"),
        "{refused}"
    );
    let closed = failure(Manners::new(Mood::HangUpAt(Request::SET_MEM_TABLE)));
    assert!(
        closed.contains("closed the connection before it answered SET_MEM_TABLE"),
        "{closed}"
    );
    let mut old = Manners::new(Mood::Kind);
    old.features = feature::PROTOCOL_FEATURES;
    assert!(failure(old).contains("which lack 0x100000000"));
    let mut small = Manners::new(Mood::Kind);
    small.protocol_features |= protocol_feature::CONFIGURE_MEM_SLOTS;
    small.memory_slots = 1;
    let small = failure(small);
    assert!(small.contains("1 slots for 2 regions"), "{small}");
}

#[test]
fn a_silent_back_end_is_given_up() {
    let _turn = one_at_a_time();
    let back_end = BackEnd::start(
        1,
        Manners::new(Mood::SilentAt(Request::GET_PROTOCOL_FEATURES)),
    );
    let running = start(&back_end);
    let error = running
        .wait_for_links(Duration::from_millis(2200))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did not answer GET_PROTOCOL_FEATURES within 2s"),
        "{error}"
    );
}

#[test]
fn nobody_listening_is_said_with_the_path() {
    let _turn = one_at_a_time();
    let back_end = BackEnd::start(0, Manners::new(Mood::Kind));
    let running = start(&back_end);
    let error = running
        .wait_for_links(Duration::from_millis(50))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("0.sock: No such file or directory"),
        "{error}"
    );
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    let _turn = one_at_a_time();
    let back_end = BackEnd::start(1, Manners::new(Mood::Kind));
    let refusal = |change: fn(&mut GuestSpec)| {
        let mut spec = guest(&back_end, 0);
        change(&mut spec);
        Instrument::start(Plan::new().guest("a", spec))
            .err()
            .expect("a refusal")
            .to_string()
    };
    assert!(refusal(|spec| spec.tx_ring = 100).contains("a ring of 100 entries"));
    assert!(refusal(|spec| spec.memory_regions = 0).contains("without memory"));
    let small = refusal(|spec| {
        spec.options.features = 0;
        spec.buffer_size = 1500;
    });
    assert!(
        small.contains("buffers of 1500 bytes: use 1526 or more"),
        "{small}"
    );
}

#[test]
fn two_hundred_and_fifty_five_guests_are_served_by_one_thread() {
    let _turn = one_at_a_time();
    const GUESTS: usize = 255;
    let back_end = BackEnd::start(GUESTS, Manners::new(Mood::Kind));
    let mut running = Instrument::start(Plan::new()).unwrap();
    for number in 0..GUESTS {
        running
            .add_guest(&format!("vm {number}"), &guest(&back_end, number))
            .unwrap();
    }
    running.wait_for_links(START_LIMIT).unwrap();
    for number in 0..GUESTS {
        assert_eq!(
            running.remove(&format!("vm {number}")).unwrap(),
            Some([42, 42])
        );
    }
}
