//! A real guest notices no promote: QEMU boots Linux behind the switch, guest and host ping each other
//! every 2 ms, and the standby is promoted twenty times.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use vswsup_tests::demo_vm::{self, QemuSide, Scene};
use vswsup_tests::terminal::Interrupt;

const PROMOTES: u32 = 20;
/// The guest's kernel tells of its link a little later than it uses it.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// Each test wants both cores for itself.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn qemu_as_client_notices_no_promote() {
    notices_no_promote(QemuSide::Client);
}

#[test]
fn qemu_as_server_notices_no_promote() {
    notices_no_promote(QemuSide::Server);
}

fn notices_no_promote(side: QemuSide) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let never = Interrupt::default();
    let scene = Scene::start(side, &never).unwrap_or_else(|error| panic!("{error}"));
    let (version, boot_time) = (scene.vm().version(), scene.vm().boot_time());
    println!("QEMU {version} as {}, booted in {boot_time:?}", side.name());
    let log = network_log(&scene);

    let promoted = demo_vm::promote(&scene, PROMOTES, &never, |what| println!("{what}"))
        .unwrap_or_else(|error| panic!("{error}"));
    for promote in &promoted.promotes {
        println!("{promote:?}");
    }
    let seen = promoted.seen;

    println!("{seen:#?}");
    assert!(seen.unnoticed(), "{seen:#?}\n{}", scene.vm().log_tail());
    assert_eq!(promoted.promotes.len(), PROMOTES as usize);
    let pings = [seen.guest_to_host.sent, seen.host_to_guest.sent];
    assert!(
        pings.iter().all(|sent| *sent > u64::from(10 * PROMOTES)),
        "{pings:?}"
    );
    assert_eq!(network_log(&scene), log, "the guest's kernel log");
}

/// What the guest's kernel has said of its network device, the beginning included.
fn network_log(scene: &Scene) -> String {
    let until = Instant::now() + LOG_LIMIT;
    loop {
        let log = scene.vm().kernel_log().unwrap();
        let of_device = log.lines().filter(|line| line.contains("eth0"));
        let of_device: Vec<_> = of_device.collect();
        if of_device
            .iter()
            .any(|line| line.ends_with("link becomes ready"))
        {
            return of_device.join("\n");
        }
        assert!(
            Instant::now() < until,
            "the guest never says that eth0 is ready:\n{log}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}
