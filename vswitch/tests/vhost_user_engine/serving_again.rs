//! Ports that begin to serve look only where something happened or was left unfinished, and there
//! they do look.

use crate::support::backend::Call;
use crate::support::front_end::FrontEnd;
use crate::support::host::{Host, Listener};
use crate::support::message::Message;

/// An active instance, and a standby with the same device that has seen all events so far.
fn pair() -> (Host, Host, FrontEnd, Listener) {
    let (mut active, mut front_end, listener) = Host::with_front_end();
    let mut standby = Host::server(&listener);
    standby
        .adopt(active.backend.world.vault.clone().expect("stored"))
        .expect("can be adopted");
    assert!(
        active
            .exchange(&mut front_end, &Message::empty(1))
            .is_some()
    );
    standby.run();
    standby.port.forget_old_events();
    (active, standby, front_end, listener)
}

/// `to` serves in the place of `from`, and what it does before it waits for events is returned.
fn succeed(from: &mut Host, to: &mut Host) -> Vec<Call> {
    from.serve(false);
    std::mem::swap(&mut from.backend.world, &mut to.backend.world);
    to.backend.calls.clear();
    to.serve(true);
    to.backend.calls.clone()
}

#[test]
fn where_nothing_happened_nothing_is_done() {
    let (mut active, mut standby, mut front_end, _listener) = pair();
    for _ in 0..3 {
        assert_eq!(succeed(&mut active, &mut standby), []);
        assert!(
            standby
                .exchange(&mut front_end, &Message::empty(1))
                .is_some()
        );
        std::mem::swap(&mut active, &mut standby);
        standby.run();
        standby.port.forget_old_events();
    }
}

/// Whoever was told of it, and whenever.
#[test]
fn a_message_that_waits_is_answered_at_once() {
    for seen in [true, false] {
        let (mut active, mut standby, mut front_end, _listener) = pair();
        active.serve(false);
        front_end.send(&Message::empty(1));
        if seen {
            active.run();
            standby.run();
        }
        standby.port.forget_old_events();
        succeed(&mut active, &mut standby);
        if !seen {
            standby.run();
        }
        assert_eq!(front_end.answer().map(|answer| answer.0), Some(1), "{seen}");
    }
}

#[test]
fn a_front_end_that_waits_to_be_accepted_is_accepted() {
    let listener = Listener::new();
    let (mut active, mut standby) = (Host::server(&listener), Host::server(&listener));
    let mut front_end = listener.connect();
    standby.run();
    standby.port.forget_old_events();
    assert_eq!(
        succeed(&mut active, &mut standby),
        [Call::Note(vswitch::port::Handled::all(1)), Call::Store(1)]
    );
    standby.run();
    assert!(
        standby
            .exchange(&mut front_end, &Message::empty(1))
            .is_some()
    );
}

/// A pause ends with serving; what was to be done after it is not forgotten.
#[test]
fn those_who_were_to_be_turned_away_later_are_turned_away() {
    let (mut host, _first, listener) = Host::with_front_end();
    let mut crowd: Vec<_> = (0..3).map(|_| listener.connect()).collect();
    host.run();
    assert!(crowd[0].is_closed() && !crowd[1].is_closed());
    host.serve(false);
    host.serve(true);
    assert!(crowd[1].is_closed());
}

/// An instance that served before, and whose successor has died over a message, has adopted nothing
/// since: only the ledger tells it.
#[test]
fn a_message_over_which_the_other_died_is_noticed_by_one_that_served_before() {
    let (mut active, mut standby, mut front_end, _listener) = pair();
    succeed(&mut active, &mut standby);
    standby.backend.world.handled.owes_answer = true;
    succeed(&mut standby, &mut active);
    assert!(front_end.is_closed());
    assert!(active.backend.troubles()[0].contains("nobody can know"));
}

#[test]
fn a_connection_that_is_forgotten_tells_nothing_although_others_hold_it() {
    let (mut active, mut standby, front_end, _listener) = pair();
    standby.port.drop_device(&mut standby.backend);
    front_end.send(&Message::empty(1));
    standby.run();
    standby.port.forget_old_events();
    assert_eq!(succeed(&mut active, &mut standby), []);
}

#[test]
fn a_client_without_a_front_end_looks_for_one_each_time() {
    let mut host = Host::client("/nonexistent/vm.sock");
    for _ in 0..2 {
        host.serve(true);
        assert!(host.port.next_deadline().is_some(), "it has tried");
        host.serve(false);
    }
}
