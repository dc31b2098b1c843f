//! How a world begins.

use super::{Link, Model, Move, World, port};
use std::collections::{BTreeMap, BTreeSet};
use vhost_transfer::{InstanceId, Term};
use vswsup::policy::{Event, Limits, State};

impl World {
    /// Two instances are being started; one port is configured.
    pub(crate) fn new(faults: u8, promotes: u8, changes: u8) -> Self {
        Self::with_restart_limit(0, faults, promotes, changes)
    }

    /// As above, where an instance is given up after so many deaths in a row.
    pub(crate) fn with_restart_limit(
        restart_limit: u32,
        faults: u8,
        promotes: u8,
        changes: u8,
    ) -> Self {
        let limits = Limits {
            restart_limit,
            ..Limits::default()
        };
        let mut world = Self::unborn(State::new(limits), faults, promotes, changes);
        world.begin();
        world
    }

    /// One instance at a time.
    pub(crate) fn alone() -> Self {
        let mut world = Self::unborn(State::alone(Limits::default()), 0, 0, 1);
        world.alone = true;
        world.begin();
        world
    }

    /// The one device moves.
    pub(crate) fn moving_uplink() -> Self {
        let mut world = Self::unborn(State::new(Limits::default()), 0, 0, 1);
        world.moves_uplink = true;
        world.begin();
        world
    }

    /// Uplinks are asked whether they hear.
    pub(crate) fn probing() -> Self {
        let mut world = Self::unborn(State::new(Limits::default()), 0, 0, 1);
        world.probes = true;
        world.begin();
        world
    }

    /// When all have come up, and one guest has connected.
    pub(crate) fn made_well(mut self) -> Self {
        self.run();
        self.make(Move::Change(InstanceId::A, 1));
        self.run();
        self.check_well();
        self
    }

    fn begin(&mut self) {
        self.happen(Event::PortAdded(port(1)));
        self.happen(Event::Start);
    }

    fn unborn(state: State, faults: u8, promotes: u8, changes: u8) -> Self {
        Self {
            state,
            models: [Model::default(), Model::default()],
            owner: None,
            owner_died: false,
            begun: Term::default(),
            release: Term::default(),
            nic: None,
            moves_uplink: false,
            moving: None,
            alone: false,
            steer_failures: 0,
            timers: BTreeSet::new(),
            ports: BTreeSet::new(),
            unused_port: 2,
            vault: BTreeMap::new(),
            connected: BTreeMap::new(),
            next_connection: 1,
            unread: BTreeSet::new(),
            requests: 0,
            open: BTreeSet::new(),
            open_pins: BTreeSet::new(),
            quarantined: BTreeSet::new(),
            outcomes: Vec::new(),
            ready: false,
            exited: false,
            gave_up: false,
            faults_left: faults,
            promotes_left: promotes,
            changes_left: changes,
            pins_left: 0,
            dropped: 0,
            links: Default::default(),
            links_told: [Some(Link::Well); 2],
            links_left: 0,
            probes: false,
            escapes: Vec::new(),
            supervised: true,
            unanswered: 0,
        }
    }
}
