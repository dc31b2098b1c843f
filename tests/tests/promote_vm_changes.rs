//! A guest may start its driver again, reset or be replaced at any time, also in the middle of a promote:
//! QEMU is never disconnected by it, and afterwards nobody notices a promote.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use vswsup_tests::demo_vm::{self, QemuSide, Scene};
use vswsup_tests::rig::{Operator, OperatorError};
use vswsup_tests::terminal::Interrupt;

/// As often as a driver negotiates with the device while it is promoted.
const REBINDS: u32 = 20;
const REBIND: &str = "
    device=$(basename $(readlink /sys/class/net/eth0/device))
    echo $device > /sys/bus/virtio/drivers/virtio_net/unbind
    echo $device > /sys/bus/virtio/drivers/virtio_net/bind
    ip address add 10.77.0.2/24 dev eth0
    ip link set eth0 up";
/// Promotes afterwards, under pings.
const PROMOTES: u32 = 5;

/// Each test wants both cores for itself.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn drivers_negotiate_while_the_standby_is_promoted() {
    for_both_sides(|scene| {
        let promoted = promoted_meanwhile(&scene, |scene| {
            for _ in 0..REBINDS {
                scene.vm().run(REBIND).unwrap();
            }
        });
        assert!(promoted >= REBINDS, "only {promoted} promotes");
        scene
    });
}

#[test]
fn guests_reset_while_the_standby_is_promoted() {
    for_both_sides(|scene| {
        let promoted = promoted_meanwhile(&scene, |scene| scene.vm().reset().unwrap());
        assert!(promoted > 0);
        scene
    });
}

#[test]
fn guests_are_replaced_after_a_promote() {
    for_both_sides(|scene| {
        scene.promote(&Interrupt::default()).unwrap();
        scene.with_another_guest(&Interrupt::default()).unwrap()
    });
}

/// Starts a guest, changes it, and sees that it is connected as ever.
fn for_both_sides(change: impl Fn(Scene) -> Scene) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let never = Interrupt::default();
    for side in QemuSide::ALL {
        let scene = Scene::start(side, &never).unwrap_or_else(|error| panic!("{error}"));
        let scene = change(scene);
        assert_eq!(scene.vm().connects().unwrap(), 1, "QEMU as {}", side.name());
        assert_eq!(
            scene.vm().disconnects().unwrap(),
            0,
            "QEMU as {}",
            side.name()
        );
        scene.wait_until_connected(&never).unwrap();
        let promoted = demo_vm::promote(&scene, PROMOTES, &never, |_| {})
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(promoted.seen.unnoticed(), "{:#?}", promoted.seen);
    }
}

/// Promotes as fast as it goes until `change` returns; how often.
fn promoted_meanwhile(scene: &Scene, change: impl FnOnce(&Scene)) -> u32 {
    let operator = scene.rig().operator();
    let done = AtomicBool::new(false);
    let promoted = thread::scope(|scope| {
        let promoter = scope.spawn(|| promote_until(&operator, &done));
        change(scene);
        done.store(true, Ordering::Relaxed);
        promoter.join().unwrap()
    });
    println!("{promoted} promotes");
    promoted
}

/// The standby may need a moment to map what the guest has just changed; it says so.
fn promote_until(operator: &Operator, done: &AtomicBool) -> u32 {
    let mut promoted = 0;
    while !done.load(Ordering::Relaxed) {
        match operator.promote(false) {
            Ok(_) => promoted += 1,
            Err(OperatorError::Answer { answered, .. }) => println!("{answered}"),
            Err(error @ OperatorError::Client(_)) => panic!("{error}"),
        }
        thread::sleep(Duration::from_millis(1));
    }
    promoted
}
