//! Where the one device moves, and where there is one instance at a time.

use crate::world::{Link, Move, World};
use vhost_transfer::InstanceId::{self, A, B};
use vhost_transfer::Term;
use vswsup::policy::{Event, Life, Outcome, Phase, Timer};

fn well(mut world: World) -> World {
    (world.changes_left, world.promotes_left) = (9, 9);
    world.made_well()
}

/// Everything has gone on but the uplink.
fn run_but_for_the_uplink(world: &mut World) {
    for _ in 0..2000 {
        let progress = world.progress();
        let next = progress.iter().find(|next| **next != Move::OpenUplink);
        let Some(&next) = next else { return };
        world.make(next);
    }
    panic!("does not come to rest");
}

#[test]
fn nobody_is_released_before_the_uplink_is_open() {
    let mut world = well(World::moving_uplink());
    let request = world.promote(false);
    run_but_for_the_uplink(&mut world);
    let phase = world.state.handover().map(|handover| &handover.phase);
    assert_eq!(phase, Some(&Phase::Steering));
    assert_eq!(world.state.active(), Some(A));
    assert_eq!(world.state.steering().on(), None, "nobody has it meanwhile");
    world.run();
    assert!(matches!(world.outcome(request), Some(Outcome::Promoted(_))));
    assert_eq!(world.nic, Some(B));
    world.check_well();
}

#[test]
fn when_the_new_one_cannot_open_it_the_old_one_has_it_again_and_stays_active() {
    let mut world = well(World::moving_uplink());
    world.steer_failures = 1;
    let request = world.promote(false);
    world.run();
    assert!(
        matches!(world.outcome(request), Some(Outcome::Failed { reason, .. }) if reason.contains("out of order")),
        "{:?}",
        world.outcome(request)
    );
    assert_eq!((world.nic, world.state.active()), (Some(A), Some(A)));
    world.check_well();
}

#[test]
fn it_is_not_failed_before_the_old_one_has_the_uplink_again() {
    let mut world = well(World::moving_uplink());
    let request = world.promote(false);
    run_but_for_the_uplink(&mut world);
    world.kill(B);
    run_but_for_the_uplink(&mut world);
    assert_eq!(world.outcome(request), None);
    world.settle();
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Failed { .. })
    ));
    world.check_well();
}

#[test]
fn after_a_death_the_successor_gets_the_uplink() {
    let mut world = well(World::moving_uplink());
    world.kill(A);
    world.run();
    assert_eq!((world.nic, world.state.active()), (Some(B), Some(B)));
    world.settle();
    world.check_well();
}

#[test]
fn without_a_standby_the_old_one_is_gone_before_the_new_one_starts() {
    let mut world = well(World::alone());
    assert_eq!(world.state.instance(B).life, Life::Absent);
    let request = world.promote(false);
    world.settle();
    let Some(Outcome::Promoted(promoted)) = world.outcome(request) else {
        panic!("{:?}", world.outcome(request));
    };
    assert_eq!((promoted.from, promoted.to, promoted.term), (A, B, Term(2)));
    assert!(!promoted.spare && promoted.freeze_ns.is_none());
    assert_eq!(world.state.instance(A).failures, 0, "it was told to leave");
    world.check_well();
}

#[test]
fn without_a_standby_the_same_one_is_started_again_after_a_death() {
    let mut world = well(World::alone());
    world.kill(A);
    world.settle();
    assert_eq!(world.state.active(), Some(A));
    world.check_well();
}

#[test]
fn a_restart_whose_new_one_dies_goes_back_to_the_old_one() {
    let mut world = well(World::alone());
    let request = world.promote(false);
    run_until_it_exists(&mut world, B);
    world.kill(B);
    world.settle();
    assert!(
        matches!(world.outcome(request), Some(Outcome::Degraded { reason, .. }) if reason.contains("a is started again")),
        "{:?}",
        world.outcome(request)
    );
    assert_eq!(world.state.active(), Some(A));
    world.check_well();
}

#[test]
fn a_restart_is_refused_where_a_promote_would_be() {
    let mut world = well(World::alone());
    let reconnect = world.promote(true);
    let pin = world.pin(Event::Pin);
    let pinned = world.promote(false);
    for request in [reconnect, pinned] {
        assert!(matches!(
            world.outcome(request),
            Some(Outcome::Refused { .. })
        ));
    }
    assert_eq!(world.outcome(pin), Some(&Outcome::Done));
    world.pin(Event::Unpin);
    world.check_well();
}

fn reason(outcome: Option<&Outcome>) -> &str {
    match outcome {
        Some(Outcome::Refused { reason } | Outcome::Degraded { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Until the process of `id` is there.
fn run_until_it_exists(world: &mut World, id: InstanceId) {
    while !world.look(id).exists {
        let next = world.progress().into_iter().chain(world.pauses()).next();
        world.make(next.expect("something to do"));
    }
}

/// The new one would be started and never be told to serve, with the old one gone.
#[test]
fn a_restart_is_not_pinned() {
    let mut world = well(World::alone());
    let request = world.promote(false);
    let pin = world.pin(Event::Pin);
    assert!(reason(world.outcome(pin)).contains("a move is under way"));
    world.settle();
    assert!(matches!(world.outcome(request), Some(Outcome::Promoted(_))));
    world.check_well();
}

/// The old one would be stopped for one that cannot start.
#[test]
fn a_restart_to_an_uplink_that_is_worse_is_refused() {
    for link in [Link::Gone, Link::Silent] {
        let mut world = well(World::alone());
        world.lose_link(B, link);
        let request = world.promote(false);
        assert!(reason(world.outcome(request)).contains("the uplink of b is"));
        assert_eq!(world.state.active(), Some(A));
    }
    let mut world = well(World::alone());
    world.lose_link(A, Link::Gone);
    world.lose_link(B, Link::Gone);
    let request = world.promote(false);
    assert!(reason(world.outcome(request)).contains("the uplink of b is gone"));
}

#[test]
fn a_restart_whose_new_one_loses_its_uplink_goes_back_to_the_old_one() {
    let mut world = well(World::alone());
    let request = world.promote(false);
    world.lose_link(B, Link::Gone);
    world.settle_timers();
    let why = reason(world.outcome(request));
    assert!(
        why.contains("the uplink of b is gone") && why.contains("a is started again"),
        "{why}"
    );
    assert_eq!(world.state.active(), Some(A), "nobody has put it back");
    world.check_well();
}

#[test]
fn without_a_standby_one_whose_uplink_is_gone_is_not_waited_for() {
    let mut world = well(World::alone());
    world.lose_link(A, Link::Gone);
    world.run();
    assert_eq!(world.state.active(), Some(A), "guests reach each other");
    world.kill(A);
    world.settle_timers();
    assert_eq!(world.state.active(), Some(B));
    world.settle();
    world.check_well();
}

#[test]
fn the_one_device_is_opened_again_when_it_is_back() {
    let mut world = well(World::moving_uplink());
    world.lose_link(A, Link::Gone);
    world.run();
    assert_eq!((world.state.active(), world.nic), (Some(A), None));
    assert_eq!(
        world.state.successor(),
        Some(B),
        "guests have one all the same"
    );
    assert!(world.escapes.is_empty(), "there is nowhere to flee to");
    assert!(world.timers.contains(&Timer::Steer), "it is tried again");
    world.make(Move::MendLink(A));
    world.run();
    world.make(Move::TimeOut(Timer::Steer));
    world.run();
    assert_eq!((world.state.active(), world.nic), (Some(A), Some(A)));
    world.check_well();
}
