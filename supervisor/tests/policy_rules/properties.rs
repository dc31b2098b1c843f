//! Random sequences of events, and what must hold after each of them.

use crate::world::{Move, World};
use proptest::prelude::*;
use vhost_transfer::InstanceId;
use vswsup::policy::Outcome;

/// What the next random number stands for: mostly things go on, sometimes someone wishes
/// something, and sometimes something goes wrong.
fn pick(world: &World, kind: u8, choice: u16) -> Option<Move> {
    let progress = world.progress();
    let wishes = world.wishes();
    let moves = match kind {
        0..=1 if world.faults_left > 0 => world.mishaps(),
        2..=4 if !wishes.is_empty() => wishes,
        _ if progress.is_empty() => world.pauses(),
        _ => progress,
    };
    (!moves.is_empty()).then(|| moves[usize::from(choice) % moves.len()])
}

fn play(world: &mut World, script: &[(u8, u16)]) {
    for &(kind, choice) in script {
        if world.gave_up {
            return;
        }
        if let Some(next) = pick(world, kind, choice) {
            if kind <= 1 {
                world.faults_left = world.faults_left.saturating_sub(1);
            }
            world.make(next);
        }
    }
}

fn script(length: usize) -> impl Strategy<Value = Vec<(u8, u16)>> {
    prop::collection::vec((0..16_u8, any::<u16>()), 0..length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened: when things go right again, all is well, and everybody got an answer.
    #[test]
    fn it_always_comes_back(script in script(200)) {
        let mut world = World::new(6, 6, 12);
        (world.pins_left, world.links_left) = (4, 6);
        play(&mut world, &script);
        world.settle();
        world.check_well();
        prop_assert_eq!(world.outcomes.len() as u64 + world.unanswered, world.requests);
    }

    /// With nothing going wrong, every promote is done or refused, and nobody is dropped.
    #[test]
    fn nothing_fails_without_a_cause(script in script(200)) {
        let mut world = World::new(0, 10, 20);
        world.pins_left = 4;
        play(&mut world, &script);
        if world.state.is_pinned() {
            world.make(Move::Unpin);
        }
        world.run();
        world.check_well();
        prop_assert_eq!(world.dropped, 0);
        for (_, outcome) in &world.outcomes {
            let fine = matches!(
                outcome,
                Outcome::Promoted(_) | Outcome::Refused { .. } | Outcome::Done
            );
            prop_assert!(fine, "{:?}", outcome);
        }
    }

    /// Uplinks come and go, and nothing else goes wrong: at rest traffic is where it is well.
    #[test]
    fn traffic_is_where_it_is_well(script in script(200)) {
        let mut world = World::new(0, 4, 8);
        (world.pins_left, world.links_left) = (2, 8);
        play(&mut world, &script);
        if world.state.is_pinned() {
            world.make(Move::Unpin);
        }
        world.wish_nothing();
        world.settle_timers();
        world.check_fled();
        world.settle();
        world.check_well();
    }

    /// With a limit of restarts: either nothing is left and it says so, or all becomes well when
    /// somebody has it tried again.
    #[test]
    fn a_storm_ends(script in script(300)) {
        let mut world = World::with_restart_limit(2, 12, 4, 6);
        world.links_left = 4;
        play(&mut world, &script);
        if !world.gave_up {
            world.settle();
        }
        if world.gave_up {
            prop_assert!(InstanceId::BOTH.iter().all(|&id| world.state.is_given_up(id)));
        } else {
            world.check_well();
        }
    }

    /// A stop at any moment ends with no process and no timer, and everybody got an answer.
    #[test]
    fn it_always_stops(before in script(120), after in script(60), twice: bool) {
        let mut world = World::new(6, 6, 6);
        (world.pins_left, world.links_left) = (2, 4);
        play(&mut world, &before);
        if !world.supervised {
            world.make(Move::StartSupervisor);
        }
        world.make(Move::Stop);
        world.wish_nothing();
        if twice {
            world.make(Move::Stop);
        }
        play(&mut world, &after);
        if !world.exited {
            world.settle();
        }
        prop_assert!(world.exited);
        prop_assert!(InstanceId::BOTH.iter().all(|&id| !world.look(id).exists));
        prop_assert!(world.timers.is_empty());
        prop_assert!(world.open.is_empty() && world.open_pins.is_empty());
    }
}
