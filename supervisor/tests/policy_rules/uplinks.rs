//! Uplinks that go bad, and what the policy does by itself.

use crate::world::{Fault, Link, Move, World};
use vhost_transfer::InstanceId::{A, B};
use vswsup::policy::{Cause, Event, Health, Life, Note, Outcome, Timer};

/// An active one, a spare, one connected device.
fn well() -> World {
    World::new(9, 9, 9).made_well()
}

fn reason(outcome: Option<&Outcome>) -> &str {
    match outcome {
        Some(Outcome::Refused { reason } | Outcome::Failed { reason, .. }) => reason,
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn a_bad_active_one_hands_over_to_a_good_standby() {
    for link in [Link::Deaf, Link::Silent, Link::Gone] {
        let mut world = well();
        world.lose_link(A, link);
        let handover = world.state.handover().expect("nobody has to ask");
        assert!(matches!(&handover.cause, Cause::Uplink(why) if why.contains("uplink of a is")));
        world.run();
        assert_eq!((world.state.active(), world.nic), (Some(B), Some(B)));
        assert!(matches!(world.escapes[..], [Outcome::Promoted(_)]));
        assert_eq!(world.vault.len(), 1, "the connection is kept");
        world.settle();
        world.check_well();
        assert_eq!(world.state.active(), Some(B), "it stays");
    }
}

#[test]
fn a_deaf_standby_is_started_again_once() {
    let mut world = well();
    world.lose_link(B, Link::Silent);
    assert_eq!(world.dropped, 1);
    world.run();
    world.make(Move::TimeOut(Timer::Respawn(B)));
    world.run();
    assert_eq!(world.state.instance(B).life, Life::Standby);
    assert_eq!((world.dropped, world.state.spare()), (1, None), "not again");
    assert_eq!(world.state.successor(), Some(B), "it waits for the locks");
    world.make(Move::MendLink(B));
    world.run();
    assert_eq!(world.state.spare(), Some(B));
    world.lose_link(B, Link::Deaf);
    assert_eq!(world.dropped, 2, "a new trouble is a new try");
    world.settle();
    world.check_well();
}

#[test]
fn a_standby_without_its_device_leaves_until_it_is_back() {
    let mut world = well();
    world.lose_link(B, Link::Gone);
    world.run();
    assert!(world.state.is_held(B));
    assert!(!world.timers.contains(&Timer::Respawn(B)));
    world.make(Move::MendLink(B));
    world.run();
    assert!(world.timers.contains(&Timer::Respawn(B)));
    world.settle();
    world.check_well();
}

#[test]
fn a_port_that_lost_both_heals_one_after_the_other() {
    let mut world = well();
    world.lose_link(A, Link::Deaf);
    world.make(Move::Kill(B));
    world.run();
    world.lose_link(B, Link::Deaf);
    world.settle();
    world.check_well();
    assert_eq!(world.links, [Link::Well; 2]);
    assert_eq!(world.vault.len(), 1, "the connection is kept");
}

#[test]
fn when_both_are_gone_guests_still_have_a_successor() {
    let mut world = well();
    world.links = [Link::Gone; 2];
    world.happen(Event::Uplink(A, Health::Gone("taken away".into())));
    world.happen(Event::Uplink(B, Health::Gone("taken away".into())));
    world.links_told = world.links.map(Some);
    world.run();
    assert_eq!(world.state.active(), Some(A));
    assert_eq!(world.state.successor(), Some(B));
    world.kill(A);
    world.run();
    assert_eq!(world.state.active(), Some(B), "guests reach each other");
    assert!(world.state.is_held(A));
    world.settle();
    world.check_well();
}

#[test]
fn a_promote_to_a_worse_uplink_is_refused_and_to_one_as_bad_is_not() {
    let mut world = well();
    world.pin(Event::Pin);
    world.run();
    world.lose_link(B, Link::Silent);
    world.pin(Event::Unpin);
    world.run();
    let mut twice = world.clone();
    twice.settle_timers();
    let request = twice.promote(false);
    let why = reason(twice.outcome(request));
    assert!(
        why.contains("the uplink of b is deaf: nothing arrives"),
        "{why}"
    );
    twice.lose_link(A, Link::Silent);
    let request = twice.promote(false);
    twice.run();
    assert!(matches!(twice.outcome(request), Some(Outcome::Promoted(_))));
}

#[test]
fn a_move_is_called_off_when_its_goal_goes_bad_and_not_after_the_release_word() {
    let mut world = well();
    let request = world.promote(false);
    world.lose_link(B, Link::Gone);
    world.run();
    let why = reason(world.outcome(request));
    assert!(why.contains("that of b gone: taken away"), "{why}");
    assert_eq!(world.state.active(), Some(A));

    let mut world = well();
    let request = world.promote(false);
    while world.release.0 < 2 {
        let next = world.progress()[0];
        world.make(next);
    }
    world.lose_link(B, Link::Gone);
    world.run();
    assert!(matches!(world.outcome(request), Some(Outcome::Promoted(_))));
    assert_eq!(world.state.active(), Some(A), "and back by itself");
    world.settle();
    world.check_well();
}

#[test]
fn one_try_and_another_when_something_has_changed() {
    let mut world = well();
    world.model(B).fault = Some(Fault::Refuse);
    world.lose_link(A, Link::Silent);
    world.run();
    assert!(matches!(world.escapes[..], [Outcome::Failed { .. }]));
    assert_eq!(world.state.active(), Some(A), "not again by itself");
    world.kill(B);
    world.settle_timers();
    assert_eq!(world.state.active(), Some(B), "a new spare is a new chance");
    assert_eq!(world.escapes.len(), 2);
}

#[test]
fn while_pinned_nothing_flees() {
    let mut world = well();
    let pin = world.pin(Event::Pin);
    world.lose_link(A, Link::Silent);
    assert_eq!(world.state.handover(), None, "not even while it is pinned");
    world.run();
    assert_eq!(world.outcome(pin), Some(&Outcome::Done));
    let stays = |world: &World| {
        let (a, b) = (world.state.instance(A).life, world.state.instance(B).life);
        assert_eq!((a, b), (Life::Active, Life::Warm), "nobody is a refuge");
        assert_eq!((world.state.handover(), world.escapes.len()), (None, 0));
    };
    stays(&world);
    world.kill(B);
    world.run();
    world.make(Move::TimeOut(Timer::Respawn(B)));
    world.run();
    stays(&world);
    world.pin(Event::Unpin);
    world.run();
    assert_eq!(world.state.active(), Some(B), "then it does");
}

#[test]
fn what_has_not_changed_is_not_told_twice() {
    let mut world = well();
    let bad = |why: &str| Event::Uplink(B, Health::Deaf(why.into()));
    let told = world.state.step(bad("one"));
    let is_told = |action: &_| matches!(action, vswsup::policy::Action::Note(Note::Uplink(..)));
    assert!(told.iter().any(is_told), "{told:?}");
    let again = world.state.step(bad("in other words"));
    assert!(!again.iter().any(is_told), "{again:?}");
    assert_eq!(world.state.uplink(B).trouble(), Some("in other words"));
}

/// Probes have come through both.
fn proven() -> World {
    World::probing().made_well()
}

#[test]
fn a_standby_is_no_spare_until_something_has_come_through_its_uplink() {
    let mut world = proven();
    world.kill(B);
    world.make(Move::Hear(B));
    let told = |world: &World| world.links_told[B as usize];
    while world.state.instance(B).life != Life::Standby {
        let next = world.progress().first().copied();
        let next = next.unwrap_or(Move::TimeOut(Timer::Respawn(B)));
        world.make(next);
    }
    assert_eq!((told(&world), world.state.spare()), (None, None));
    assert_eq!(world.state.successor(), Some(B), "should the other one die");
    world.promotes_left = 1;
    let request = world.promote(false);
    let why = reason(world.outcome(request));
    assert!(why.contains("the uplink of b is unproven"), "{why}");
    world.make(Move::TellLink(B));
    assert_eq!(world.state.spare(), Some(B));
}

#[test]
fn nothing_flees_from_one_that_has_only_not_been_proven() {
    let mut world = proven();
    world.happen(Event::Uplink(A, Health::Unproven));
    world.run();
    assert_eq!((world.state.active(), world.escapes.len()), (Some(A), 0));
    assert_eq!(world.state.spare(), Some(B));
    world.happen(Event::Uplink(A, Health::Deaf("nothing arrives".into())));
    world.run();
    assert_eq!((world.state.active(), world.escapes.len()), (Some(B), 1));
}

#[test]
fn where_nothing_ever_comes_through_it_is_started_again_once_and_nothing_moves() {
    let mut world = proven();
    world.links = [Link::Silent; 2];
    world.tell_link(B);
    world.tell_link(A);
    world.settle_timers();
    assert_eq!((world.state.active(), world.escapes.len()), (Some(A), 0));
    assert_eq!(world.dropped, 1, "a new start has been tried");
    assert_eq!(world.state.spare(), Some(B), "it is as good as the other");
    let request = world.promote(false);
    world.run();
    assert!(matches!(world.outcome(request), Some(Outcome::Promoted(_))));
}

#[test]
fn people_hear_of_what_is_bad_and_of_its_end_and_not_of_each_start() {
    let mut world = proven();
    let mut told = |health: Health| {
        let actions = world.state.step(Event::Uplink(B, health));
        let of_uplink =
            |action: &_| matches!(action, vswsup::policy::Action::Note(Note::Uplink(..)));
        actions.iter().filter(|action| of_uplink(action)).count()
    };
    let deaf = || Health::Deaf("nothing arrives".into());
    assert_eq!([told(Health::Unproven), told(Health::Well)], [0, 0]);
    assert_eq!([told(Health::Unproven), told(deaf())], [0, 1]);
    assert_eq!([told(Health::Unproven), told(Health::Well)], [0, 1]);
    assert_eq!(told(Health::Well), 0);
}
