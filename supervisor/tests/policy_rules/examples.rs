//! The journeys of the design, one by one.

use crate::world::{Fault, Move, STRAYED, World, port};
use vhost_transfer::InstanceId::{A, B};
use vhost_transfer::Term;
use vswsup::policy::{Event, Life, Outcome, Timer, Word};

/// An active one, a spare, one connected device.
fn well() -> World {
    World::new(9, 9, 9).made_well()
}

fn reason(outcome: Option<&Outcome>) -> &str {
    match outcome {
        Some(
            Outcome::Refused { reason }
            | Outcome::Failed { reason, .. }
            | Outcome::Degraded { reason, .. },
        ) => reason,
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn a_is_activated_first_and_b_waits() {
    let mut world = World::new(0, 0, 0);
    world.warm_up(B);
    for _ in 0..3 {
        world.hear(B);
    }
    assert_eq!(world.state.instance(B).life, Life::Warm);
    assert!(world.look(B).inbox.iter().all(|(order, _)| {
        !matches!(
            order,
            vswsup::policy::Order::StandBy | vswsup::policy::Order::Activate(_)
        )
    }));
    world.run();
    world.check_well();
    assert_eq!(world.state.active(), Some(A));
    assert_eq!(world.state.term(), Term(1));
}

#[test]
fn b_is_activated_when_a_dies_before() {
    let mut world = World::new(0, 0, 0);
    world.kill(A);
    world.run();
    assert_eq!(world.state.active(), Some(B));
    world.settle();
    world.check_well();
    assert_eq!(world.state.active(), Some(B));
}

#[test]
fn a_promote_swaps_the_roles() {
    let mut world = well();
    let request = world.promote(false);
    world.run();
    let Some(Outcome::Promoted(promoted)) = world.outcome(request) else {
        panic!("{:?}", world.outcome(request));
    };
    assert_eq!((promoted.from, promoted.to, promoted.term), (A, B, Term(2)));
    assert!(promoted.spare);
    assert_eq!(promoted.drained, 3);
    world.check_well();
    assert_eq!(world.vault.len(), 1);
}

#[test]
fn promotes_go_on_and_on() {
    let mut world = well();
    for round in 0..20 {
        let request = world.promote(false);
        world.run();
        assert!(
            matches!(world.outcome(request), Some(Outcome::Promoted(_))),
            "round {round}"
        );
        world.check_well();
    }
    assert_eq!(world.state.term(), Term(21));
    assert_eq!(world.state.active(), Some(A));
}

#[test]
fn a_reconnect_empties_the_vault_first() {
    let mut world = well();
    let request = world.promote(true);
    world.run();
    assert!(matches!(world.outcome(request), Some(Outcome::Promoted(_))));
    assert!(world.vault.is_empty());
    world.check_well();
}

#[test]
fn a_refusal_is_told_and_changes_nothing() {
    for id in [A, B] {
        let mut world = well();
        world.model(id).fault = Some(Fault::Refuse);
        let request = world.promote(false);
        world.run();
        assert!(matches!(
            world.outcome(request),
            Some(Outcome::Failed { .. })
        ));
        assert!(reason(world.outcome(request)).contains("told to refuse"));
        assert_eq!(world.state.active(), Some(A));
        world.check_well();
        let again = world.promote(false);
        world.run();
        assert!(matches!(world.outcome(again), Some(Outcome::Promoted(_))));
    }
}

#[test]
fn a_standby_that_is_stuck_is_replaced() {
    let mut world = well();
    let request = world.promote(false);
    world.happen(Event::TimedOut(Timer::Prepare));
    assert_eq!(world.outcome(request), None);
    world.happen(Event::TimedOut(Timer::Abort));
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Failed { .. })
    ));
    assert!(reason(world.outcome(request)).contains("not prepared within 2s"));
    assert_eq!(world.state.active(), Some(A));
    world.settle();
    world.check_well();
}

#[test]
fn a_standby_that_dies_in_any_phase_leaves_the_old_one_active() {
    for steps in 0..12 {
        let mut world = well();
        let request = world.promote(false);
        for _ in 0..steps {
            if let Some(&next) = world.progress().first() {
                world.make(next);
            }
        }
        let released = world.release == Term(2);
        world.kill(B);
        world.settle();
        match world.outcome(request) {
            Some(Outcome::Failed { .. }) => assert_eq!(world.state.active(), Some(A)),
            outcome => assert!(released, "{outcome:?} after {steps} steps"),
        }
        world.check_well();
    }
}

#[test]
fn steering_that_fails_is_undone() {
    let mut world = well();
    world.steer_failures = 1;
    let request = world.promote(false);
    world.run();
    let Some(Outcome::Failed { reason, discarded }) = world.outcome(request) else {
        panic!("{:?}", world.outcome(request));
    };
    assert!(reason.contains("steering to b failed: out of order"));
    assert_eq!(*discarded, 2, "as the two models say");
    world.check_well();
}

#[test]
fn steering_that_cannot_be_undone_is_degraded_and_tried_again() {
    let mut world = well();
    world.steer_failures = 2;
    let request = world.promote(false);
    world.run();
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Degraded { .. })
    ));
    assert_eq!(world.nic, None);
    let refused = world.promote(false);
    assert!(reason(world.outcome(refused)).contains("the NIC does not deliver to a"));
    world.happen(Event::TimedOut(Timer::Steer));
    world.run();
    world.check_well();
}

/// Everything up to the release word, and nothing after it.
fn released() -> (World, u64) {
    let mut world = well();
    let request = world.promote(false);
    world.obey(B);
    world.hear(B);
    world.obey(A);
    world.hear(A);
    assert_eq!(world.release, Term(2));
    (world, request)
}

#[test]
fn the_old_one_takes_the_lanes_back_when_the_new_one_does_not_come() {
    let (mut world, request) = released();
    world.run_lanes(A);
    world.run_lanes(A);
    assert_eq!(world.owner, Some(A));
    world.run();
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Failed { .. })
    ));
    assert_eq!(world.state.active(), Some(A));
    assert_eq!(world.state.term(), Term(2));
    world.check_well();
}

/// Whether it is noticed before the old lanes let go or after: the word is revoked, the NIC is steered
/// back at once, and what it had delivered is counted.
#[test]
fn a_standby_that_dies_after_the_release_word_is_not_waited_for() {
    for let_go in [false, true] {
        let (mut world, request) = released();
        if let_go {
            world.run_lanes(A);
        }
        world.kill(B);
        world.hear(B);
        assert_eq!((world.release, world.nic), (Term(1), Some(A)));
        world.run();
        let Some(Outcome::Failed { reason, discarded }) = world.outcome(request) else {
            panic!("{:?}", world.outcome(request));
        };
        assert!(reason.contains("b was lost: killed by the test"));
        assert_eq!(*discarded, STRAYED + 1, "the dead one's, and a's own");
        assert_eq!(world.owner, Some(A));
        assert_eq!(world.state.term(), Term(if let_go { 2 } else { 1 }));
        world.settle();
        world.check_well();
        let again = world.promote(false);
        world.run();
        assert!(matches!(world.outcome(again), Some(Outcome::Promoted(_))));
    }
}

/// It takes longer to die than it is waited for.
#[test]
fn what_a_silent_standby_was_given_is_counted() {
    let (mut world, request) = released();
    world.run_lanes(A);
    world.run_lanes(A);
    world.hear(A);
    world.hear(A);
    assert_eq!((world.owner, world.nic), (Some(A), Some(A)));
    world.happen(Event::TimedOut(Timer::Abort));
    let Some(Outcome::Failed { reason, discarded }) = world.outcome(request) else {
        panic!("{:?}", world.outcome(request));
    };
    assert!(reason.contains("a took them back"), "{reason}");
    assert_eq!(*discarded, STRAYED);
    world.settle();
    world.check_well();
}

/// The control thread confirms the abort before it hears that the lanes had let go by then.
#[test]
fn one_whose_lanes_take_a_revoked_release_back_is_active_all_the_time() {
    let (mut world, request) = released();
    world.step_lanes(A);
    world.kill(B);
    world.hear(B);
    world.obey(A);
    world.hear(A);
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Failed { .. })
    ));
    assert_eq!(world.state.active(), Some(A));
    world.model(A).tell_of_lanes();
    world.hear(A);
    assert_eq!(world.state.active(), Some(A), "it takes its lanes back");
    assert!(world.look(A).inbox.is_empty(), "and needs no order for it");
    world.run();
    assert_eq!((world.owner, world.state.term()), (Some(A), Term(2)));
    world.settle();
    world.check_well();
}

#[test]
fn lanes_that_nobody_takes_are_degraded_and_come_back() {
    let (mut world, request) = released();
    world.run_lanes(A);
    world.hear(A);
    world.happen(Event::TimedOut(Timer::Release));
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Degraded { .. })
    ));
    world.settle();
    world.check_well();
    assert_eq!(world.state.active(), Some(A));
}

#[test]
fn lanes_that_are_not_let_go_are_taken_from_the_dead() {
    let (mut world, request) = released();
    world.happen(Event::TimedOut(Timer::Release));
    assert!(matches!(
        world.outcome(request),
        Some(Outcome::Degraded { .. })
    ));
    world.settle();
    world.check_well();
    assert_eq!(world.state.active(), Some(B));
}

#[test]
fn a_death_is_taken_over_without_being_asked() {
    let mut world = well();
    world.kill(A);
    world.run_lanes(B);
    world.hear(B);
    assert_eq!(world.state.active(), Some(B));
    assert_eq!(world.nic, Some(B));
    world.settle();
    world.check_well();
    assert_eq!(world.vault.len(), 1, "the connection is kept");
}

#[test]
fn a_death_that_is_seen_before_the_standby_speaks_waits_for_it() {
    let mut world = well();
    world.kill(A);
    world.hear(A);
    assert_eq!(world.state.active(), None);
    assert!(world.timers.contains(&Timer::Takeover));
    world.run_lanes(B);
    world.hear(B);
    assert_eq!(world.state.active(), Some(B));
    assert!(!world.timers.contains(&Timer::Takeover));
}

#[test]
fn when_all_die_the_vault_brings_the_devices_back() {
    let mut world = well();
    world.kill(A);
    world.kill(B);
    world.settle();
    world.check_well();
    assert_eq!(world.vault.len(), 1);
}

#[test]
fn an_update_waits_for_the_standby_and_no_longer_than_its_limit() {
    let mut world = well();
    world.make(Move::Change(A, 1));
    world.hear(A);
    world.obey(A);
    assert_eq!(world.look(A).unstored.len(), 1);
    world.happen(Event::TimedOut(Timer::Mapped(port(1))));
    world.obey(A);
    assert!(world.look(A).unstored.is_empty());
    assert_eq!(world.dropped, 1);
    world.settle();
    world.check_well();
}

#[test]
fn a_standby_that_cannot_map_is_dropped_and_says_why() {
    let mut world = well();
    world.model(B).fault = Some(Fault::FailToMap);
    world.make(Move::Change(A, 1));
    world.hear(A);
    world.obey(B);
    world.hear(B);
    let trouble = world.state.instance(B).trouble.clone();
    assert_eq!(trouble.as_deref(), Some("cannot map port 1: told to fail"));
    let refused = world.promote(false);
    assert!(reason(world.outcome(refused)).contains("cannot map port 1"));
}

#[test]
fn an_update_of_one_that_owns_nothing_is_ignored() {
    let mut world = well();
    let word = Word::Device {
        port: port(1),
        revision: 77,
    };
    let actions = world.state.step(Event::Said(B, word));
    assert!(
        matches!(actions[..], [vswsup::policy::Action::Note(_)]),
        "{actions:?}"
    );
}

#[test]
fn promote_is_refused_without_a_spare_and_during_a_move() {
    let mut world = World::new(0, 0, 0);
    let early = world.promote(false);
    assert!(reason(world.outcome(early)).contains("no instance is active"));
    let mut world = well();
    let first = world.promote(false);
    world.requests += 1;
    let actions = world.state.step(Event::Promote {
        request: 99,
        reconnect: false,
    });
    let [vswsup::policy::Action::Answer(99, refused)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert!(reason(Some(refused)).contains("a move to term 2 is under way"));
    world.run();
    assert!(matches!(world.outcome(first), Some(Outcome::Promoted(_))));
}

#[test]
fn stop_lets_the_standby_go_first() {
    let mut world = well();
    world.happen(Event::Stop);
    assert_eq!(world.state.instance(B).life, Life::Leaving);
    assert_eq!(world.state.instance(A).life, Life::Active);
    world.settle();
    assert!(world.exited);
}

#[test]
fn starts_that_lead_to_nothing_come_slower_and_slower() {
    let limits = vswsup::policy::Limits::default();
    let waits: Vec<_> = (1..9)
        .map(|failures| limits.respawn(failures).as_secs())
        .collect();
    assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30], "the first at once");
}
