//! What goes wrong, one by one: hangs, the fence, poison, pins, storms.

use crate::world::{Move, World, port};
use vhost_transfer::InstanceId::{A, B};
use vswsup::policy::{Event, Life, Outcome, Timer, Watched};

/// An active one, a spare, one connected device.
fn well() -> World {
    well_with_limit(0)
}

fn well_with_limit(restart_limit: u32) -> World {
    World::with_restart_limit(restart_limit, 9, 9, 9).made_well()
}

#[test]
fn a_hang_is_killed_and_taken_over() {
    let mut world = well();
    world.make(Move::Stick(A));
    world.run();
    assert_eq!(world.state.active(), Some(B));
    world.settle();
    world.check_well();
    assert_eq!(world.vault.len(), 1, "the connection is kept");
}

#[test]
fn a_standby_that_hangs_is_replaced() {
    let mut world = well();
    world.make(Move::Stick(B));
    world.settle();
    world.check_well();
    assert_eq!(world.state.active(), Some(A));
}

#[test]
fn who_rests_by_design_is_not_watched() {
    let mut world = well();
    let all = Watched {
        lanes: true,
        control: true,
    };
    let control = Watched {
        lanes: false,
        control: true,
    };
    assert_eq!(
        (world.state.watched(A), world.state.watched(B)),
        (all, control)
    );
    world.promote(false);
    while world.release.0 < 2 {
        let next = world.progress()[0];
        world.make(next);
    }
    assert_eq!(world.state.watched(A), control, "its lanes let go now");
    world.run();
    assert_eq!(
        (world.state.watched(A), world.state.watched(B)),
        (control, all)
    );
    world.pin(Event::Pin);
    assert_eq!(
        [A, B].map(|id| world.state.watched(id)),
        [Watched::default(); 2]
    );
}

#[test]
fn nobody_takes_over_from_one_that_cannot_be_killed() {
    let mut world = well();
    world.make(Move::StickInKernel(A));
    world.run();
    assert_eq!((world.owner, world.state.active()), (Some(A), None));
    for _ in 0..3 {
        world.happen(Event::TimedOut(Timer::Takeover));
        assert_eq!(world.state.instance(B).life, Life::Standby, "it is kept");
        assert!(world.state.instance(A).unfenced);
        assert!(world.timers.contains(&Timer::Takeover), "and tried again");
    }
    assert_eq!(world.look(A).kills, 2, "it is killed again");
    world.make(Move::Perish(A));
    world.run();
    assert_eq!(world.state.active(), Some(B));
    assert!(!world.state.instance(A).unfenced);
    world.settle();
    world.check_well();
}

#[test]
fn a_standby_that_does_not_take_what_is_free_is_dropped() {
    let mut world = well();
    world.kill(A);
    world.hear(A);
    world.happen(Event::TimedOut(Timer::Takeover));
    assert_eq!(world.dropped, 1);
    world.settle();
    world.check_well();
}

#[test]
fn the_second_death_over_a_port_takes_its_device_out() {
    let mut world = well();
    world.make(Move::AddPort(2));
    world.run();
    world.make(Move::Change(A, 2));
    world.run();
    world.make(Move::KillOver(A, 1));
    world.run();
    assert!(world.quarantined.is_empty(), "once is no proof");
    assert!(world.timers.contains(&Timer::Poison(port(1))));
    world.make(Move::KillOver(B, 1));
    world.settle();
    assert!(world.quarantined.contains(&port(1)));
    assert!(
        !world.connected.contains_key(&port(1)),
        "its front end is let go"
    );
    assert!(world.connected.contains_key(&port(2)), "the others live");
    world.check_well();
    world.make(Move::PutBack(1));
    world.settle();
    world.check_well();
    assert!(world.look(A).ports.contains(&port(1)));
}

#[test]
fn deaths_far_apart_are_no_poison() {
    let mut world = well();
    for _ in 0..4 {
        let active = world.state.active().expect("one");
        world.make(Move::KillOver(active, 1));
        world.settle();
        world.check_well();
    }
    assert!(world.quarantined.is_empty());
    assert_eq!(world.vault.len(), 1);
}

#[test]
fn deaths_over_different_ports_are_no_poison() {
    let mut world = well();
    world.make(Move::AddPort(2));
    world.run();
    world.make(Move::KillOver(A, 1));
    world.run();
    world.make(Move::KillOver(B, 2));
    world.run();
    assert!(world.quarantined.is_empty());
}

#[test]
fn while_pinned_nothing_takes_over() {
    let mut world = well();
    let request = world.pin(Event::Pin);
    assert_eq!(
        world.outcome(request),
        None,
        "the standby may still take over"
    );
    world.run();
    assert_eq!(world.outcome(request), Some(&Outcome::Done));
    assert_eq!(world.state.spare(), None);
    let promote = world.promote(false);
    let Some(Outcome::Refused { reason }) = world.outcome(promote) else {
        panic!("{:?}", world.outcome(promote));
    };
    assert!(reason.contains("vswsup unpin"), "{reason}");
    world.kill(A);
    for _ in 0..5 {
        world.run();
        if let Some(&next) = world.pauses().first() {
            world.make(next);
        }
    }
    assert_eq!((world.owner, world.state.active()), (None, None));
    assert_eq!(world.state.instance(B).life, Life::Warm);
    world.pin(Event::Unpin);
    world.run();
    assert_eq!(
        world.state.active(),
        Some(B),
        "the one that was the standby"
    );
    world.settle();
    world.check_well();
    assert_eq!(world.vault.len(), 1, "the connection is kept");
}

#[test]
fn a_death_while_it_is_being_pinned_is_still_taken_over() {
    let mut world = well();
    world.pin(Event::Pin);
    world.kill(A);
    world.run_lanes(B);
    world.run();
    assert_eq!(world.state.active(), Some(B));
    assert!(world.state.is_pinned());
    world.settle();
    world.check_well();
}

#[test]
fn a_move_is_not_pinned() {
    let mut world = well();
    let promote = world.promote(false);
    let pin = world.pin(Event::Pin);
    assert!(matches!(world.outcome(pin), Some(Outcome::Refused { .. })));
    world.run();
    assert!(matches!(world.outcome(promote), Some(Outcome::Promoted(_))));
}

#[test]
fn a_row_of_deaths_ends_and_a_calm_time_begins_a_new_one() {
    let mut world = well_with_limit(3);
    for deaths in 1..3 {
        world.kill(B);
        world.run();
        assert_eq!(world.state.instance(B).failures, deaths);
        world.happen(Event::TimedOut(Timer::Respawn(B)));
        world.run();
        assert_eq!(world.state.spare(), Some(B));
    }
    world.happen(Event::TimedOut(Timer::Calm(B)));
    assert_eq!(world.state.instance(B).failures, 0);
    for _ in 0..2 {
        world.kill(B);
        world.run();
        world.happen(Event::TimedOut(Timer::Respawn(B)));
        world.run();
    }
    world.kill(B);
    world.run();
    assert!(world.state.is_given_up(B));
    assert!(!world.timers.contains(&Timer::Respawn(B)));
    assert!(!world.gave_up, "the other one serves");
    world.happen(Event::TryAgain);
    world.settle();
    world.check_well();
}

#[test]
fn when_both_are_given_up_it_ends() {
    let mut world = well_with_limit(1);
    world.kill(B);
    world.run();
    world.kill(A);
    world.run();
    assert!(world.gave_up);
}
