//! Steering of VFs on a simulated NIC: what is set, what is read back, and what is said of VFs that
//! others touch. No packet flows here.

mod common;

use common::netdevsim::Nic;
use common::notices::Notices;
use common::{in_namespace, parse, sh, veth};
use steering::{Side, Steering, SteeringConfig};

const BY_ADDRESS: &str = r#"backend = "sriov-mac"
pf = "eth0"
vfs = [0, 1]
address = "02:aa:00:00:00:01""#;
const BY_VLAN: &str = r#"backend = "sriov-vlan"
pf = "eth0"
vfs = [0, 1]
vlan = 100"#;
const BY_VLAN_AND_ADDRESS: &str = r#"backend = "sriov-vlan"
pf = "eth0"
vfs = [0, 1]
vlan = 100
vlan_at_rest = 200
address = "02:aa:00:00:00:01""#;
const ALL: [&str; 3] = [BY_ADDRESS, BY_VLAN, BY_VLAN_AND_ADDRESS];

/// In a namespace with the NIC and two VFs.
fn with_nic(test: impl FnOnce(&Nic) + Send + 'static) {
    in_namespace(|| test(&Nic::new()));
}

fn open(config: &str) -> Box<dyn Steering> {
    parse(config)
        .open()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn steer(steering: &mut dyn Steering, to: Side) {
    steering.steer(to).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steering.current().expect("current"), Some(to));
}

/// Each VF as the kernel shows it.
fn vfs() -> [String; 2] {
    let all = sh("ip link show eth0");
    let vf = |number: u32| {
        let start = format!("vf {number} ");
        let mut lines = all.lines().map(str::trim);
        lines
            .find(|line| line.starts_with(&start))
            .expect("the VF")
            .to_owned()
    };
    [vf(0), vf(1)]
}

/// A move fails with these words, and the VFs are as they were.
fn fails_and_changes_nothing(steering: &mut dyn Steering, to: Side, words: &str) {
    let before = vfs();
    let error = steering.steer(to).expect_err(words).to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(vfs(), before);
    assert_eq!(steering.current().expect("current"), Some(to.other()));
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn each_move_is_one_request_and_is_read_back() {
    with_nic(|_| {
        for config in ALL {
            let mut steering = open(config);
            assert_eq!(steering.current().expect("current"), None, "{config}");
            steer(steering.as_mut(), Side::A);
            let notices = Notices::open();
            for side in [Side::B, Side::A, Side::B] {
                steer(steering.as_mut(), side);
                assert_eq!(notices.count(), 1, "{config}");
                steer(steering.as_mut(), side);
                assert_eq!(notices.count(), 0, "it was there already: {config}");
            }
            steering.close().expect("close");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn addresses_vlans_and_rights_are_what_they_should_be() {
    with_nic(|_| {
        sh("ip link set eth0 vf 1 spoofchk on trust on state disable");
        let mut steering = open(BY_ADDRESS);
        steer(steering.as_mut(), Side::B);
        let [a, b] = vfs();
        assert!(a.contains("link/ether 62:aa:00:00:00:01"), "{a}");
        assert!(b.contains("link/ether 02:aa:00:00:00:01"), "{b}");
        for vf in [&a, &b] {
            for right in ["spoof checking off", "trust off", "link-state auto"] {
                assert!(vf.contains(right), "{right}: {vf}");
            }
        }
        steering.close().expect("close");

        let mut steering = open(BY_VLAN);
        steer(steering.as_mut(), Side::A);
        let [a, b] = vfs();
        assert!(a.contains("vlan 100,") && a.contains("trust on"), "{a}");
        assert!(b.contains("vlan 4094,") && b.contains("trust on"), "{b}");
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn what_was_found_is_given_back() {
    with_nic(|_| {
        sh(
            "ip link set eth0 vf 0 mac 02:00:00:00:00:07 vlan 7 qos 3 spoofchk on trust on state disable",
        );
        sh("ip link set eth0 vf 1 mac 02:00:00:00:00:08 spoofchk on trust off state enable");
        let before = vfs();
        for config in ALL {
            let mut steering = open(config);
            steer(steering.as_mut(), Side::A);
            steer(steering.as_mut(), Side::B);
            assert_ne!(vfs(), before);
            steering.close().expect("close");
            assert_eq!(vfs(), before, "{config}");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn of_a_pf_that_is_down_it_is_given_back_too() {
    with_nic(|_| {
        for vf in [0, 1] {
            sh(&format!("ip link set eth0 vf {vf} spoofchk on"));
        }
        let before = vfs();
        let mut steering = open(BY_VLAN_AND_ADDRESS);
        steer(steering.as_mut(), Side::B);
        sh("ip link set eth0 down");
        steering.close().expect("close");
        assert_eq!(vfs(), before);
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn what_a_process_left_that_died_early_is_not_what_was_found() {
    with_nic(|_| {
        for vf in [0, 1] {
            sh(&format!("ip link set eth0 vf {vf} spoofchk on"));
        }
        let before = vfs();
        for config in ALL {
            drop(open(config));
            assert_ne!(vfs(), before);
            let mut steering = open(config);
            steer(steering.as_mut(), Side::A);
            steering.close().expect("close");
            assert_eq!(vfs(), before, "{config}");
        }
        steer(open(BY_ADDRESS).as_mut(), Side::A);
        sh("ip link set eth0 vf 1 mac 02:aa:00:00:00:01");
        open(BY_ADDRESS).close().expect("close");
        for vf in vfs() {
            assert!(vf.contains("spoof checking on"), "{vf}");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn an_installation_that_fails_leaves_everything_as_it_was() {
    with_nic(|nic| {
        for vf in [0, 1] {
            sh(&format!("ip link set eth0 vf {vf} spoofchk on trust off"));
        }
        let before = vfs();
        for vf in [0, 1] {
            // Trust is what this configuration wants, and what is refused.
            nic.set("refuse_vf", vf);
            let error = parse(BY_VLAN).open().expect_err("refused").to_string();
            assert!(error.contains("Input/output error"), "{error}");
            assert_eq!(vfs(), before, "VF {vf}");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_first_move_that_is_refused_leaves_neither_in_use() {
    with_nic(|nic| {
        for config in ALL {
            let mut steering = open(config);
            let before = vfs();
            for (side, vf) in [(Side::A, 1), (Side::B, 0)] {
                nic.set("refuse_vf", vf);
                steering.steer(side).expect_err(config);
                assert_eq!(vfs(), before, "{config}");
                assert_eq!(steering.current().expect("current"), None);
            }
            nic.all_is_well();
            steering.close().expect("close");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn the_next_supervisor_finds_the_side_touches_nothing_and_gives_back_the_rights() {
    with_nic(|_| {
        for config in ALL {
            steer(open(config).as_mut(), Side::B);
            let before = vfs();
            let steering = open(config);
            assert_eq!(
                steering.current().expect("current"),
                Some(Side::B),
                "{config}"
            );
            assert_eq!(vfs(), before);
            steering.close().expect("close");
            for vf in vfs() {
                assert!(vf.contains("spoof checking on"), "{vf}");
                assert!(vf.contains("trust off"), "{vf}");
            }
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_driver_that_refuses_one_of_the_two_leaves_the_old_side_in_use() {
    with_nic(|nic| {
        for config in ALL {
            let mut steering = open(config);
            steer(steering.as_mut(), Side::A);
            for vf in [1, 0] {
                nic.set("refuse_vf", vf);
                fails_and_changes_nothing(steering.as_mut(), Side::B, "Input/output error");
            }
            nic.all_is_well();
            steer(steering.as_mut(), Side::B);
            steering.close().expect("close");
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn what_others_set_is_noticed_and_the_next_move_repairs_it() {
    with_nic(|_| {
        for (line, words) in [
            (
                "ip link set eth0 vf 0 mac 02:00:00:00:00:07",
                "neither VF 0 nor VF 1",
            ),
            ("ip link set eth0 vf 1 mac 02:aa:00:00:00:01", "both in use"),
            ("ip link set eth0 vf 1 spoofchk on", "VF 1 of `eth0`"),
            ("ip link set eth0 vf 0 trust on", "VF 0 of `eth0`"),
            ("ip link set eth0 vf 0 state disable", "VF 0 of `eth0`"),
        ] {
            let mut steering = open(BY_ADDRESS);
            steer(steering.as_mut(), Side::A);
            sh(line);
            let error = steering.current().expect_err(line).to_string();
            assert!(error.contains(words), "{line}: {error}");
            drop(steering);
            steer(open(BY_ADDRESS).as_mut(), Side::A);
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn what_cannot_be_is_told_with_what_to_do() {
    with_nic(|nic| {
        let steering = open(BY_ADDRESS);
        let refused = |config: SteeringConfig| config.open().expect_err("refused").to_string();
        let told = |config: &str, words: &str| {
            let error = refused(parse(config));
            assert!(error.contains(words), "{error}");
        };
        told(
            &BY_ADDRESS.replace("[0, 1]", "[0, 5]"),
            "has no VF 5, for it has 2 VFs",
        );
        told(
            &BY_ADDRESS.replace("[0, 1]", "[1, 1]"),
            "both sides have VF 1",
        );
        told(
            &BY_ADDRESS.replace("eth0", "eth9"),
            "no network device `eth9`",
        );
        told(
            &BY_VLAN_AND_ADDRESS.replace("200", "100"),
            "100 is the VLAN in use",
        );
        sh("ip link set eth0 vf 1 vlan 7 proto 802.1ad");
        told(BY_ADDRESS, "ip link set eth0 vf 1 vlan 0");
        sh("ip link set eth0 vf 1 vlan 0");
        sh("ip link set eth0 down");
        told(BY_ADDRESS, "`eth0` is down");
        let error = steering.current().expect_err("down").to_string();
        assert!(error.contains("ip link set eth0 up"), "{error}");
        sh("ip link set eth0 up");
        nic.make_vfs(0);
        told(BY_ADDRESS, "it has 0 VFs");
        let error = steering.current().expect_err("gone").to_string();
        assert!(error.contains("sriov_numvfs"), "{error}");
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_process_without_the_privilege_is_told_and_changes_nothing() {
    with_nic(|_| {
        let mut steering = open(BY_ADDRESS);
        steer(steering.as_mut(), Side::A);
        caps::drop(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_NET_ADMIN,
        )
        .expect("drop");
        fails_and_changes_nothing(steering.as_mut(), Side::B, "CAP_NET_ADMIN");
    });
}

#[test]
fn a_device_that_is_no_pf_is_refused() {
    in_namespace(|| {
        veth("eth0", "wire");
        for config in ALL {
            let error = parse(config).open().expect_err("no PF").to_string();
            assert!(error.contains("it has 0 VFs"), "{error}");
        }
    });
}

/// The way to a VF is by what was set, also when somebody else has changed it.
#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn each_vf_has_a_way_of_its_own_as_soon_as_something_was_steered() {
    with_nic(|_| {
        let ways = |steering: &dyn Steering| {
            Side::BOTH.map(|side| {
                let way = steering.way(side)?;
                assert_eq!(way.netdev, "eth0");
                Some((way.destination, way.vlan))
            })
        };
        let service = [2, 0xaa, 0, 0, 0, 1];
        let mut steering = open(BY_ADDRESS);
        assert_eq!(ways(steering.as_ref()), [None, None]);
        steer(steering.as_mut(), Side::B);
        let expected = [
            Some(([0x62, 0xaa, 0, 0, 0, 1], None)),
            Some((service, None)),
        ];
        assert_eq!(ways(steering.as_ref()), expected);
        sh("ip link set eth0 vf 1 vlan 77");
        assert_eq!(ways(steering.as_ref()), expected, "it leads nowhere now");
        sh("ip link set eth0 vf 1 vlan 0");
        steering.close().expect("close");

        let mut steering = open(BY_VLAN_AND_ADDRESS);
        steer(steering.as_mut(), Side::A);
        let expected = [Some((service, Some(100))), Some((service, Some(200)))];
        assert_eq!(ways(steering.as_ref()), expected);
        steering.close().expect("close");

        let mut steering = open(BY_VLAN);
        steer(steering.as_mut(), Side::B);
        sh("ip link set eth0 vf 0 mac 02:00:00:00:00:07");
        let expected = Some(([2, 0, 0, 0, 0, 7], Some(4094)));
        assert_eq!(ways(steering.as_ref())[0], expected);
    });
}
