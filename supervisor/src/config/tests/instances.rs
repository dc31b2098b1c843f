//! What the instances are: programs, lanes, hooks, and how they are watched.

use super::*;

#[test]
fn an_instance_has_its_overrides_and_the_rest_in_common() {
    let config = parse(&format!(
        "{MINIMAL}[instance.b]\nprogram = \"/opt/next\"\nlanes = [3]\n"
    ));
    let config = config.unwrap();
    let [a, b] = InstanceId::BOTH.map(|instance| config.instance(instance));
    assert_eq!(
        (a.program, a.lanes),
        (Path::new("/usr/lib/vswsup/vswitch"), &[2][..])
    );
    assert_eq!((b.program, b.lanes), (Path::new("/opt/next"), &[3][..]));
}

#[test]
fn lanes_are_counted_and_each_has_a_cpu_of_its_own() {
    let with_lanes = |lanes: &str| error_of_text(&MINIMAL.replace("[2]", lanes));
    assert_parts(
        &with_lanes("[]"),
        &[":3:9: vswitch.lanes: 0 lanes; ", "1 to 16"],
    );
    assert_parts(
        &with_lanes(&format!("{:?}", (0..17).collect::<Vec<_>>())),
        &["17 lanes"],
    );
    assert_parts(
        &with_lanes("[1, 2, 1]"),
        &["two lanes on CPU 1", "a CPU of its own"],
    );
    assert_parts(&with_lanes("[-1]"), &[":3:10: vswitch.lanes[0]: ", "-1"]);
    let uneven = error_of("[instance.b]\nlanes = [3, 4]\n");
    assert_parts(
        &uneven,
        &[
            ":5:9: instance.b.lanes",
            "a has 1 lanes and instance b has 2",
            "same",
        ],
    );
}

#[test]
fn watching_can_be_switched_off() {
    let off = parse(&format!(
        "{MINIMAL}[failover]\nlane_hang = \"off\"\ncontrol_hang = \"off\"\n"
    ))
    .unwrap();
    assert_eq!(off.failover.lane_hang, None);
    assert_eq!(off.failover.control_hang, None);
    let on = parse(MINIMAL).unwrap();
    let keys = on.diff(&off).unwrap_err().keys;
    assert_eq!(keys, ["failover.control_hang", "failover.lane_hang"]);
}

#[test]
fn hooks_have_programs_and_time() {
    let config = parse(&format!(
        "{MINIMAL}[hooks]\npre_start = [\"/bin/x\", \"y\"]\npost_stop_timeout = \"1s\"\n"
    ))
    .unwrap();
    assert_eq!(config.hooks.pre_start, ["/bin/x", "y"]);
    assert_eq!(config.hooks.post_stop_timeout, Duration::from_secs(1));
    let relative = error_of("[hooks]\npost_stop = [\"x\"]\n");
    assert_parts(&relative, &["hooks.post_stop", "not an absolute path"]);
    let long = error_of("[hooks]\npre_start_timeout = \"30s\"\n");
    assert_parts(&long, &["hooks.pre_start_timeout", "timeouts.start"]);
}
