//! A front end that breaks the protocol loses its own connection, and nobody else loses anything.

mod support;

use std::os::fd::AsFd;
use support::record::{command, wait_until};
use support::{PATIENCE, assert_without_a_trace, measured, steady, three_flows};
use vswsup_tests::emulator::Report;
use vswsup_tests::emulator::front_end::{FrontEnd, Request, wire};
use vswsup_tests::rig::{Rig, RigConfig};

const SET_MEM_TABLE: Request = Request(5);
const SET_VRING_NUM: Request = Request(8);
const SET_VRING_KICK: Request = Request(12);

#[test]
fn hostile_front_ends_disturb_nobody() {
    let report = measured(attack);
    report.flows.iter().for_each(assert_without_a_trace);
}

fn attack() -> Report {
    let rig = Rig::start(&RigConfig::guests(3)).unwrap();
    let running = three_flows(&rig, steady);
    let null = std::fs::File::open("/dev/null").unwrap();
    let attacks: [(&str, Vec<u8>, usize); 7] = [
        ("a header that is all ones", vec![0xff; 12], 0),
        (
            "a payload of four gigabytes",
            wire::header(SET_MEM_TABLE, 1, u32::MAX).to_vec(),
            0,
        ),
        (
            "an unknown request",
            wire::header(Request(4242), 1, 0).to_vec(),
            0,
        ),
        (
            "a memory table without its fd",
            with_payload(SET_MEM_TABLE, &table(1, 0x1000)),
            0,
        ),
        (
            "a memory region that wraps around",
            with_payload(SET_MEM_TABLE, &table(1, u64::MAX)),
            1,
        ),
        (
            "a ring that no device has",
            with_payload(SET_VRING_NUM, &wire::vring_state(9999, 256)),
            0,
        ),
        (
            "two kick fds",
            with_payload(SET_VRING_KICK, &0u64.to_ne_bytes()),
            2,
        ),
    ];
    for (what, bytes, fds) in attacks {
        let mut front_end = FrontEnd::connect(&rig.socket(3)).unwrap();
        let fds = vec![null.as_fd(); fds];
        front_end.send_raw(&bytes, &fds).unwrap();
        front_end.set_reply_limit(PATIENCE).unwrap();
        assert!(
            front_end.receive(SET_MEM_TABLE).is_err(),
            "{what}: answered"
        );
        drop(front_end);
        wait_until_gone(&rig);
    }
    command(&rig, &["promote"]);
    running.stop().unwrap()
}

/// The port is free for the next one.
fn wait_until_gone(rig: &Rig) {
    wait_until(rig, "the device is gone", || {
        rig.supervisor().status().unwrap()["devices"] == 2
    });
}

fn with_payload(request: Request, payload: &[u8]) -> Vec<u8> {
    [&wire::header(request, 1, payload.len() as u32)[..], payload].concat()
}

/// A memory table of one region that begins at guest address 0 (vhost-user.rst, "Memory regions").
fn table(regions: u32, size: u64) -> Vec<u8> {
    let mut table = [regions, 0].map(u32::to_ne_bytes).concat();
    [0, size, 0x1000, 0]
        .iter()
        .for_each(|word: &u64| table.extend_from_slice(&word.to_ne_bytes()));
    table
}
