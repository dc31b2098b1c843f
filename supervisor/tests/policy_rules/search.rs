//! Every sequence of events, up to a bound: from a pair that is well, a few wishes and mishaps in
//! any order, and everything that can follow from them.

use crate::world::{Move, World};
use std::collections::{HashSet, VecDeque};
use std::ops::Range;

/// An active one, a spare, one device.
fn well() -> World {
    World::new(0, 0, 1).made_well()
}

fn next(world: &World) -> Vec<Move> {
    let mut moves = world.progress();
    if moves.is_empty() {
        moves = world.pauses();
    }
    moves.extend(world.wishes());
    if world.faults_left > 0 {
        moves.extend(world.mishaps());
    }
    moves
}

fn make(world: &World, next: Move) -> World {
    let mut world = world.clone();
    if world.mishaps().contains(&next) && !world.progress().contains(&next) {
        world.faults_left = world.faults_left.saturating_sub(1);
    }
    world.make(next);
    world
}

/// Tells how a world was reached that breaks a rule.
struct Told<'a>(&'a [Move]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("reached by {:?}", self.0);
        }
    }
}

/// If nothing more goes wrong, all must become well again;
/// and where nothing goes wrong but uplinks, traffic must have left those that are bad.
fn check(world: &World, undisturbed: bool) {
    let mut quiet = world.clone();
    quiet.wish_nothing();
    if undisturbed {
        let mut rest = quiet.clone();
        rest.settle_timers();
        rest.check_fled();
    }
    quiet.settle();
    quiet.check_well();
}

/// Visits every world that can be reached; `World` checks itself after every step.
/// There must be more `worlds` than the least, or the search itself is broken, and fewer than the most.
fn all_are_well(start: World, worlds: Range<usize>) {
    let undisturbed = start.faults_left == 0;
    let mut seen = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([(start, Vec::new())]);
    while let Some((world, path)) = open.pop_front() {
        let told = Told(&path);
        check(&world, undisturbed);
        for next in next(&world) {
            let reached = make(&world, next);
            if seen.insert(reached.clone()) {
                let mut path = path.clone();
                path.push(next);
                open.push_back((reached, path));
            }
        }
        drop(told);
        let most = worlds.end;
        assert!(seen.len() < most, "{most} worlds and more: raise the bound");
    }
    let (found, least) = (seen.len(), worlds.start);
    assert!(
        found > least,
        "only {found} worlds were found: the search is broken"
    );
}

#[test]
fn every_promote_with_one_mishap() {
    let mut world = well();
    (world.promotes_left, world.faults_left) = (1, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_pin_with_one_mishap() {
    let mut world = well();
    (world.pins_left, world.faults_left) = (2, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn two_mishaps_in_any_order() {
    let mut world = well();
    world.faults_left = 2;
    all_are_well(world, 10_000..400_000);
}

#[test]
fn every_promote_beside_a_change_of_a_device() {
    let mut world = well();
    (world.promotes_left, world.changes_left) = (1, 1);
    all_are_well(world, 100..400_000);
}

#[test]
fn every_two_uplinks_lost_beside_a_promote() {
    let mut world = well();
    (world.promotes_left, world.links_left) = (1, 2);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_uplink_lost_with_one_mishap() {
    let mut world = well();
    (world.links_left, world.faults_left) = (1, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_uplink_lost_with_one_mishap_where_each_start_must_be_proven() {
    let mut world = World::probing().made_well();
    (world.links_left, world.faults_left) = (1, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_uplink_lost_beside_a_promote_where_each_start_must_be_proven() {
    let mut world = World::probing().made_well();
    (world.promotes_left, world.links_left) = (1, 2);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_promote_with_two_mishaps() {
    let mut world = well();
    (world.promotes_left, world.faults_left) = (1, 2);
    all_are_well(world, 10_000..2_000_000);
}

#[test]
fn every_promote_with_one_mishap_where_the_one_uplink_moves() {
    let mut world = World::moving_uplink().made_well();
    (world.promotes_left, world.faults_left) = (1, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn two_mishaps_where_the_one_uplink_moves() {
    let mut world = World::moving_uplink().made_well();
    world.faults_left = 2;
    all_are_well(world, 10_000..400_000);
}

#[test]
fn every_restart_with_two_mishaps_where_there_is_no_standby() {
    let mut world = World::alone().made_well();
    (world.promotes_left, world.faults_left) = (1, 2);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_restart_beside_two_lost_uplinks_where_there_is_no_standby() {
    let mut world = World::alone().made_well();
    (world.promotes_left, world.links_left) = (1, 2);
    all_are_well(world, 200..400_000);
}

#[test]
fn every_restart_and_pin_with_one_mishap_where_there_is_no_standby() {
    let mut world = World::alone().made_well();
    (world.promotes_left, world.pins_left, world.faults_left) = (1, 1, 1);
    all_are_well(world, 1_000..400_000);
}

#[test]
fn every_promote_beside_two_losses_of_the_one_uplink() {
    let mut world = World::moving_uplink().made_well();
    (world.promotes_left, world.links_left) = (1, 2);
    all_are_well(world, 200..400_000);
}

#[test]
fn every_loss_of_the_one_uplink_with_one_mishap() {
    let mut world = World::moving_uplink().made_well();
    (world.links_left, world.faults_left) = (1, 1);
    all_are_well(world, 1_000..400_000);
}
