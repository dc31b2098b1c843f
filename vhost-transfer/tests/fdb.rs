//! The forwarding database against a model, and with two lanes at a time.

use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use vhost_transfer::ledger::MacAddr;
use vhost_transfer::{Ledger, PortId};

const AGING: u32 = 300;

fn port(number: u16) -> PortId {
    PortId::new(number).unwrap()
}

/// An address of a few thousand: far fewer than the table holds, so that every one finds a place.
fn mac(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    [0x52, 0x54, 0x00, 0xab, high, low]
}

#[derive(Debug, Clone)]
enum Step {
    Learn(u16, u16),
    Lookup(u16),
    Forget(u16),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40u16, 0..5u16).prop_map(|(mac, port)| Step::Learn(mac, port)),
        6 => (0..40u16).prop_map(Step::Lookup),
        1 => (0..5u16).prop_map(Step::Forget),
        2 => (0..=AGING + 1).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_does_what_a_map_does(steps in prop::collection::vec(step(), 1..200)) {
        let ledger = Ledger::create().unwrap();
        let fdb = ledger.fdb();
        let mut model: HashMap<u16, (u16, u32)> = HashMap::new();
        let mut now = 10;
        for step in steps {
            match step {
                Step::Learn(address, to) => {
                    fdb.learn(mac(address), port(to), now, AGING);
                    model.insert(address, (to, now));
                }
                Step::Forget(of) => {
                    fdb.forget(port(of));
                    model.retain(|_, &mut (to, _)| to != of);
                }
                Step::Wait(seconds) => now += seconds,
                Step::Lookup(address) => {
                    let young = model.get(&address).filter(|(_, seen)| now - seen <= AGING);
                    prop_assert_eq!(fdb.lookup(mac(address), now, AGING), young.map(|&(to, _)| port(to)));
                }
            }
        }
        let mut entries: Vec<_> = fdb.entries().collect();
        let mut expected: Vec<_> = model.iter().map(|(&m, &(to, seen))| (mac(m), port(to), seen)).collect();
        // An aged address may have lost its place to another.
        entries.retain(|&(_, _, seen)| now - seen <= AGING);
        expected.retain(|&(_, _, seen)| now - seen <= AGING);
        entries.sort();
        expected.sort();
        prop_assert_eq!(entries, expected);
    }

    #[test]
    fn any_address_and_port_come_back(address: [u8; 6], number in 0..vhost_transfer::MAX_PORTS, now: u32) {
        let ledger = Ledger::create().unwrap();
        ledger.fdb().learn(address, port(number), now, AGING);
        prop_assert_eq!(ledger.fdb().lookup(address, now, AGING), Some(port(number)));
        prop_assert_eq!(ledger.fdb().entries().collect::<Vec<_>>(), vec![(address, port(number), now)]);
    }
}

#[test]
fn a_half_full_table_knows_all() {
    let ledger = Ledger::create().unwrap();
    let known = |m: u16| ledger.fdb().lookup(mac(m), 0, AGING) == Some(port(m % 512));
    (0..8192).for_each(|m| ledger.fdb().learn(mac(m), port(m % 512), 0, AGING));
    let unknown = (0..8192).filter(|&m| !known(m)).count();
    assert_eq!(unknown, 0, "of 8192 addresses in 16384 places");
}

/// A flood of addresses, as a hostile guest sends: old ones stay, and give way once they are old.
#[test]
fn an_overfull_table_keeps_the_young_and_reuses_the_old() {
    let ledger = Ledger::create().unwrap();
    let fdb = ledger.fdb();
    fdb.learn([2, 0, 0, 0, 0, 1], port(1), 0, AGING);
    (0..u16::MAX).for_each(|m| fdb.learn(mac(m), port(2), 0, AGING));
    assert_eq!(fdb.lookup([2, 0, 0, 0, 0, 1], 0, AGING), Some(port(1)));
    let late = AGING + 1;
    (0..100).for_each(|m| fdb.learn([6, 0, 0, 0, 0, m], port(3), late, AGING));
    assert!((0..100).all(|m| fdb.lookup([6, 0, 0, 0, 0, m], late, AGING) == Some(port(3))));
}

/// Addresses that want the same few places: those that stand there in an overfull table when the
/// lowest come first, and when the highest do.
fn rivals() -> Vec<u16> {
    let standing = |order: &mut dyn Iterator<Item = u16>| {
        let ledger = Ledger::create().unwrap();
        order.for_each(|m| ledger.fdb().learn(mac(m), port(0), 0, AGING));
        let entries = ledger.fdb().entries().skip(1000).take(24);
        entries
            .map(|([.., high, low], _, _)| u16::from_be_bytes([high, low]))
            .collect::<Vec<_>>()
    };
    let lowest = standing(&mut (0..u16::MAX));
    let highest = standing(&mut (0..u16::MAX).rev());
    [lowest, highest].concat()
}

/// Each address has one port at all times, so whatever the lanes do to the places that they share,
/// a lookup must give this port or none.
#[test]
fn a_lookup_never_gives_the_port_of_another_address() {
    const ROUNDS: u32 = 20_000;
    let (ledger, rivals, done) = (Ledger::create().unwrap(), rivals(), AtomicBool::new(false));
    let fdb = ledger.fdb();
    let home = |m: u16| port(m % 500);
    // With an aging of 0 all addresses of an earlier round give way: places change hands all the time.
    let learn = |m: u16, round: u32| fdb.learn(mac(m), home(m), round, 0);
    let look = |m: u16| match fdb.lookup(mac(m), ROUNDS, ROUNDS) {
        Some(port) if port == home(m) => 1,
        Some(port) => panic!("address {m} of {} is told to be at {port}", home(m)),
        None => 0,
    };
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut found = 0;
            while !done.load(Relaxed) {
                found += rivals.iter().map(|&m| look(m)).sum::<u64>();
            }
            found
        });
        let lane = scope.spawn(|| {
            for round in 1..ROUNDS {
                let first = round as usize % rivals.len();
                rivals[first..].iter().for_each(|&m| learn(m, round));
            }
        });
        let outcome = lane.join();
        done.store(true, Relaxed);
        assert!(outcome.is_ok());
        assert!(reader.join().unwrap() > 0, "the reader saw something");
    });
}

#[test]
fn two_lanes_that_learn_the_same_leave_no_twins() {
    let ledger = Ledger::create().unwrap();
    let fdb = ledger.fdb();
    for round in 0..20u16 {
        thread::scope(|scope| {
            for lane in 0..2 {
                scope
                    .spawn(move || (0..3000).for_each(|m| fdb.learn(mac(m), port(lane), 0, AGING)));
            }
        });
        let mut addresses: Vec<_> = fdb.entries().map(|(mac, _, _)| mac).collect();
        let all = addresses.len();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(
            addresses.len(),
            all,
            "round {round}: an address stands in two places"
        );
        (0..3000).for_each(|m| fdb.learn(mac(m), port(2), 0, AGING));
        assert!((0..3000).all(|m| fdb.lookup(mac(m), 0, AGING) == Some(port(2))));
        fdb.forget(port(2));
        assert_eq!(fdb.entries().count(), 0, "round {round}: forgotten");
    }
}
