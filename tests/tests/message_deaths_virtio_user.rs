//! As `message_deaths.rs`, with DPDK's virtio-user as the front end: a port of dpdk-testpmd comes up,
//! carries traffic and goes down, and the active instance dies at a step of a message on the way. Every
//! message that virtio-user really sends has its turn, and every step.
//!
//! Needs root and dpdk-testpmd (scripts/packages); fails with the reason where they are missing.

mod support;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::deaths::{self, Death, Moment};
use support::testpmd::Prompt;
use vswsup_tests::rig::Rig;

/// Without these it would not be virtio-user that was seen.
const CERTAIN: [&str; 8] = [
    "SET_OWNER",
    "GET_FEATURES",
    "SET_FEATURES",
    "SET_MEM_TABLE",
    "SET_VRING_ADDR",
    "SET_VRING_KICK",
    "SET_VRING_ENABLE",
    "GET_VRING_BASE",
];

/// How long the first packets may take.
const TRAFFIC: Duration = Duration::from_secs(3);

#[test]
fn deaths_under_virtio_user_as_client() {
    die_everywhere(Side::Client);
}

#[test]
fn deaths_under_virtio_user_as_server() {
    die_everywhere(Side::Server);
}

/// Which end of the socket virtio-user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

fn die_everywhere(side: Side) {
    let (mode, turn) = match side {
        Side::Client => ("server", 0),
        Side::Server => ("client", 5),
    };
    let rig = deaths::mortal(2, mode);
    let mut front_end = FrontEnd::start(side, &rig);
    rig.record_steps().unwrap();
    assert!(front_end.comes_and_goes(), "{}", front_end.prompt.said());
    for (moment, how) in deaths::moments(&rig, &CERTAIN, turn) {
        front_end.live_through(&rig, &moment, how);
    }
}

/// Two ports, of which the second stays.
struct FrontEnd {
    prompt: Prompt,
    side: Side,
    devices: [String; 2],
    sockets: [PathBuf; 2],
}

impl FrontEnd {
    fn start(side: Side, rig: &Rig) -> Self {
        let sockets = [1, 2].map(|number| rig.socket(number));
        let mut new = Self {
            prompt: Prompt::start(),
            side,
            devices: [0, 1].map(|port| device(side, port, &sockets[port])),
            sockets,
        };
        // In the order of their numbers.
        new.attach(0);
        new.attach(1);
        new.prompt.run("port start 1");
        new.go_down();
        new
    }

    /// A death on the way, which may cost this connection and nothing else.
    fn live_through(&mut self, rig: &Rig, moment: &Moment, how: &str) {
        let death = Death::ordered(rig, moment, how);
        let done = self.comes_and_goes();
        let closed = death.has_closed();
        println!("    closed: {closed}, well all the same: {done}");
        let said = self.prompt.said();
        assert!(
            done || closed,
            "{moment:?}\n{said}\n{}",
            rig.supervisor().log()
        );
        if !done && self.side == Side::Server {
            self.start_again(rig);
        }
        assert!(
            self.comes_and_goes(),
            "{moment:?}, afterwards\n{}",
            self.prompt.said()
        );
    }

    /// As a server virtio-user that could not begin keeps its listening socket, where nobody accepts what
    /// the switch connects, until its process ends. As a client it can be attached again.
    fn start_again(&mut self, rig: &Rig) {
        self.prompt.end();
        *self = Self::start(self.side, rig);
    }

    /// Up, traffic, and down again. Whether all of that went well.
    fn comes_and_goes(&mut self) -> bool {
        let attached = self.attach(0);
        let started = self.prompt.run("port start 0");
        let flows = self.traffic_flows();
        self.go_down();
        attached && !started.contains("Fail") && flows
    }

    fn attach(&mut self, port: usize) -> bool {
        if self.side == Side::Server {
            let _ = std::fs::remove_file(&self.sockets[port]); // virtio-user leaves it there
        }
        let attach = format!("port attach {}", self.devices[port]);
        self.prompt.run(&attach).contains("is attached")
    }

    fn go_down(&mut self) {
        for command in [
            "port stop 0",
            "port close 0",
            "device detach net_virtio_user0",
        ] {
            self.prompt.run(command);
        }
    }

    /// Both ports generate packets for nobody in particular, so that the switch gives each those of
    /// the other.
    fn traffic_flows(&mut self) -> bool {
        self.prompt.run("clear port stats all");
        self.prompt.run("start");
        let until = Instant::now() + TRAFFIC;
        let mut flows = false;
        while !flows && Instant::now() < until {
            sleep(Duration::from_millis(20));
            flows = received(&self.prompt.run("show port stats all")).all(|packets| packets > 0);
        }
        self.prompt.run("stop");
        flows
    }
}

/// Packets of each port that there is.
fn received(statistics: &str) -> impl Iterator<Item = u64> + use<'_> {
    let numbers = statistics.split("RX-packets:").skip(1);
    numbers.map(move |text| {
        let number = text.split_whitespace().next();
        let number = number.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no statistics: {statistics}"))
    })
}

fn device(side: Side, port: usize, socket: &Path) -> String {
    let server = u8::from(side == Side::Server);
    let path = socket.display();
    format!("net_virtio_user{port},path={path},queues=1,queue_size=256,server={server}")
}
