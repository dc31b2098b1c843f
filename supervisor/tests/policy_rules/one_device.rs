//! Where the one device moves, and where there is one instance at a time.

use crate::world::{Move, World};
use vhost_transfer::InstanceId::{A, B};
use vhost_transfer::Term;
use vswsup::policy::{Event, Life, Outcome, Phase};

fn well(mut world: World) -> World {
    (world.changes_left, world.promotes_left) = (9, 9);
    world.run();
    world.make(Move::Change(A, 1));
    world.run();
    world.check_well();
    world
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
    while !world.look(B).exists {
        let next = world.progress().into_iter().chain(world.pauses()).next();
        world.make(next.expect("something to do"));
    }
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
