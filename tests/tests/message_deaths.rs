//! The active instance dies between every two steps of every message that a front end sends while it
//! comes up and goes down. The front end is never blocked and never out of step: it notices nothing,
//! or, where nobody can know whether an answer went out, its one connection is closed, with a reason
//! in the log, and made anew. Traffic flows afterwards.

mod support;

use support::PATIENCE;
use support::deaths::{self, STEPS, WAYS, is_done_in_time};
use vswitch::port::Step;
use vswsup_tests::emulator::front_end::{Request, protocol_feature};
use vswsup_tests::emulator::{FlowSpec, GuestSpec, Instrument, Plan, Running};
use vswsup_tests::rig::Rig;

const QEMU: u64 = protocol_feature::REPLY_ACK | protocol_feature::MQ | protocol_feature::STATUS;
/// It waits for no message that has no answer of its own.
const HASTY: u64 = protocol_feature::MQ | protocol_feature::STATUS;
const SLOTS: u64 = QEMU | protocol_feature::CONFIGURE_MEM_SLOTS;
const RESET: u64 = QEMU | protocol_feature::RESET_DEVICE;
const MTU: u64 = QEMU | protocol_feature::NET_MTU;
const LOG: u64 = QEMU | protocol_feature::LOG_SHMFD;
const RARP: u64 = QEMU | protocol_feature::RARP;

/// Messages that make another device, but for SET_VRING_BASE of a ring that stands there anyway.
const CHANGES: [Request; 12] = [
    Request::SET_PROTOCOL_FEATURES,
    Request::SET_OWNER,
    Request::SET_FEATURES,
    Request::SET_MEM_TABLE,
    Request::SET_VRING_NUM,
    Request::SET_VRING_ADDR,
    Request::SET_VRING_ERR,
    Request::SET_VRING_CALL,
    Request::SET_VRING_KICK,
    Request::SET_STATUS,
    Request::SET_VRING_ENABLE,
    Request::GET_VRING_BASE,
];
const OTHERS: [Request; 5] = [
    Request::GET_FEATURES,
    Request::GET_PROTOCOL_FEATURES,
    Request::GET_QUEUE_NUM,
    Request::SET_VRING_BASE,
    Request::GET_STATUS,
];
/// What only few front ends send, and with what negotiated.
const SELDOM_CHANGES: [(Request, u64); 7] = [
    (Request::ADD_MEM_REG, SLOTS),
    (Request::REM_MEM_REG, SLOTS),
    (Request::NET_SET_MTU, MTU),
    (Request::SET_LOG_BASE, LOG),
    (Request::SET_LOG_FD, LOG),
    (Request::RESET_DEVICE, RESET),
    (Request::RESET_OWNER, QEMU),
];
const SELDOM_OTHERS: [(Request, u64); 2] = [
    (Request::GET_MAX_MEM_SLOTS, SLOTS),
    (Request::SEND_RARP, RARP),
];

#[test]
fn every_message_that_the_back_end_takes_has_a_case_at_every_step() {
    for step in STEPS {
        let planned = cases(step);
        let has_case = |code| planned.iter().any(|(request, _)| request.0 == code);
        let changes_nothing = |code| {
            let seldom = SELDOM_OTHERS.iter().map(|(request, _)| request);
            OTHERS.iter().chain(seldom).any(|other| other.0 == code)
        };
        for code in deaths::taken_messages() {
            let never_gets_there = deaths::is_for_changes(step) && changes_nothing(code);
            assert!(
                has_case(code) || never_gets_there,
                "{}, {step:?}",
                Request(code)
            );
        }
    }
}

#[test]
fn deaths_over_a_message_that_was_looked_at() {
    die_at(Step::Peeked);
}

#[test]
fn deaths_before_the_device_is_sent_to_the_vault() {
    die_at(Step::Packed);
}

#[test]
fn deaths_while_the_device_is_on_its_way() {
    die_at(Step::Sent);
}

#[test]
fn deaths_when_the_vault_has_it() {
    die_at(Step::Stored);
}

#[test]
fn deaths_before_a_message_is_consumed() {
    die_at(Step::Noted);
}

#[test]
fn deaths_over_a_message_that_was_consumed() {
    die_at(Step::Consumed);
}

#[test]
fn deaths_before_the_answer() {
    die_at(Step::Applied);
}

#[test]
fn deaths_after_the_answer() {
    die_at(Step::Replied);
}

#[test]
fn deaths_between_two_messages() {
    die_at(Step::Settled);
}

/// One death.
#[derive(Debug, Clone, Copy)]
struct Case {
    request: Request,
    step: Step,
    protocol_features: u64,
    how: &'static str,
}

fn die_at(step: Step) {
    let rig = deaths::mortal(2, "server");
    let ways = WAYS.into_iter().cycle();
    for ((request, protocol_features), how) in cases(step).into_iter().zip(ways) {
        let case = Case {
            request,
            step,
            protocol_features,
            how,
        };
        println!("{case:?}");
        live_through(&rig, case);
    }
}

/// Messages, and what is negotiated when they come.
fn cases(step: Step) -> Vec<(Request, u64)> {
    let only_changes = deaths::is_for_changes(step);
    let (others, seldom) = match only_changes {
        true => (&[][..], &[][..]),
        false => (&OTHERS[..], &SELDOM_OTHERS[..]),
    };
    let usual = || others.iter().chain(&CHANGES).copied();
    usual()
        .map(|request| (request, QEMU))
        .chain(usual().map(|request| (request, HASTY)))
        .chain(SELDOM_CHANGES)
        .chain(seldom.iter().copied())
        .collect()
}

/// Two guests come up, send to each other and go down, and the active instance dies on the way.
fn live_through(rig: &Rig, case: Case) {
    let supervisor = rig.supervisor();
    supervisor.wait_for_spare(PATIENCE).unwrap();
    let active = supervisor.status().unwrap()["active"].clone();
    let Case {
        request, step, how, ..
    } = case;
    let step = deaths::word(step);
    rig.set_faults(&format!("* message {step} {request} {how}\n"))
        .unwrap();

    let mut running = start(rig, case);
    for guest in ["vm1", "vm2"] {
        let link = running.link(guest).unwrap();
        let closed = link.fault().is_some() || link.disconnects() > 0;
        let fault = link.fault().unwrap_or_default();
        let log = supervisor.log();
        assert!(!closed || case.may_close(), "{case:?}: {fault}\n{log}");
        link.fault()
            .iter()
            .for_each(|fault| case.judge(fault, &log));
        if let Err(error) = running.remove(guest) {
            case.judge(&error.to_string(), &supervisor.log());
        }
    }
    assert_eq!(rig.faults().unwrap(), "", "{case:?} never came to pass");
    let moved = is_done_in_time(|| {
        supervisor
            .status()
            .is_ok_and(|status| status["active"] != active)
    });
    let status = supervisor.status();
    assert!(
        moved,
        "{case:?}: {active} is active still: {status:?}\n{}",
        supervisor.log()
    );
}

/// Comes back when traffic flows.
fn start(rig: &Rig, case: Case) -> Running {
    let guest = |number| {
        let mut spec: GuestSpec = rig.idle_guest(number);
        spec.options.protocol_features = case.protocol_features;
        spec.reset = [Request::RESET_DEVICE, Request::RESET_OWNER].contains(&case.request);
        spec
    };
    let plan = Plan::new()
        .guest("vm1", guest(1))
        .guest("vm2", guest(2))
        .flow(FlowSpec::steady("there", "vm1", "vm2", 1000, 64))
        .flow(FlowSpec::steady("back", "vm2", "vm1", 1000, 64));
    let log = || rig.supervisor().log();
    let running = Instrument::start(plan).unwrap();
    let up = running.wait_for_links(PATIENCE);
    up.unwrap_or_else(|error| panic!("{case:?}: {error}\n{}", log()));
    let flowing = running.start_flows(PATIENCE);
    flowing.unwrap_or_else(|error| panic!("{case:?}: {error}\n{}", log()));
    let arrived = is_done_in_time(|| {
        running
            .flows()
            .iter()
            .all(|flow| flow.counters.received.get() > 0)
    });
    assert!(arrived, "{case:?}: a flow does not arrive\n{}", log());
    running
}

impl Case {
    /// An answer was owed, and may have gone out.
    fn may_close(self) -> bool {
        let acknowledged = self.protocol_features & protocol_feature::REPLY_ACK != 0
            && self.request != Request::SET_PROTOCOL_FEATURES;
        let owed = self.request.has_reply() || acknowledged;
        owed && deaths::leaves_answer_open(self.step)
    }

    /// The front end may find its connection closed, and nothing else.
    fn judge(self, fault: &str, log: &str) {
        let closed = fault.contains("closed the connection");
        assert!(closed && self.may_close(), "{self:?}: {fault}\n{log}");
    }
}
