//! Files that are not understood: where, what, and what to write.

use super::*;

#[test]
fn a_missing_file_and_one_that_is_no_text_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vswsup.toml");
    let missing = Config::load(&file).unwrap_err().to_string();
    assert_parts(
        &missing,
        &[file.to_str().unwrap(), "cannot be read", "--config"],
    );
    fs::write(&file, b"[vswitch]\n\xff").unwrap();
    let binary = Config::load(&file).unwrap_err().to_string();
    assert_parts(&binary, &[file.to_str().unwrap(), "not UTF-8", "index 10"]);
}

#[test]
fn broken_toml_shows_line_and_column() {
    let message = error_of("[timeouts\nstart = \"1s\"\n");
    assert_parts(
        &message,
        &["/etc/vswsup.toml:4:10: ", "docs/configuration.md"],
    );
    assert_parts(
        &error_of("[vswitch]\n"),
        &["/etc/vswsup.toml:4:", "duplicate key"],
    );
}

#[test]
fn an_unknown_key_comes_with_the_known_ones() {
    let message = error_of("pol = \"busy\"\n");
    assert_parts(
        &message,
        &[
            "/etc/vswsup.toml:4:1: vswitch.pol: unknown key `pol`; remove it, or write one of",
            "`poll`",
            "`mac_aging`",
        ],
    );
    assert_parts(
        &error_of("[upplink]\n"),
        &[":4:2: upplink: unknown key `upplink`", "`uplink`"],
    );
    let port = error_of("[[port]]\nname = \"a\"\nsocket = \"/a\"\nsoket = \"/b\"\n");
    assert_parts(
        &port,
        &[":7:1: port[0].soket: unknown key `soket`", "`socket`"],
    );
}

#[test]
fn a_missing_key_is_named_with_its_section() {
    let message = error_of_text("[vswitch]\nprogram = \"/v\"\n");
    assert_parts(
        &message,
        &["/etc/vswsup.toml:1:1: vswitch: the key `lanes` is missing; add it"],
    );
    assert_parts(
        &error_of_text(""),
        &["/etc/vswsup.toml", "the key `vswitch` is missing; add it"],
    );
}

#[test]
fn values_of_the_wrong_kind_say_what_to_write() {
    for (more, parts) in [
        (
            "memory = 128\n",
            [
                "4:10: vswitch.memory",
                "this is integer `128`",
                "write a string",
            ],
        ),
        (
            "memory = \"128\"\n",
            [
                "4:10: vswitch.memory",
                "`128` is no size of memory",
                "\"128MiB\"",
            ],
        ),
        (
            "memory = \"0MiB\"\n",
            [
                "4:10: vswitch.memory",
                "`0MiB` is no size",
                "whole MiB or GiB",
            ],
        ),
        (
            "mac_aging = \"5\"\n",
            ["4:13: vswitch.mac_aging", "`5` is no duration", "its unit"],
        ),
        (
            "mac_aging = \"1500ms\"\n",
            ["4:13: vswitch.mac_aging", "1s 500ms", "whole seconds"],
        ),
        (
            "poll = \"lazy\"\n",
            [
                "4:8: vswitch.poll",
                "unknown value `lazy`",
                "`busy` or `adaptive`",
            ],
        ),
        (
            "[timeouts]\nstart = \"0s\"\n",
            ["5:9: timeouts.start", "no time at all", "default"],
        ),
        (
            "[failover]\nlane_hang = \"4ms\"\n",
            [
                "5:13: failover.lane_hang",
                "4ms",
                "at least \"5ms\", or \"off\"",
            ],
        ),
        (
            "[failover]\ncontrol_hang = \"100ms\"\n",
            ["5:16: failover.control_hang", "100ms", "250ms"],
        ),
        (
            "[failover]\nrestart_limit = 0\nrestart_first = \"0s\"\n",
            [
                "6:17: failover.restart_first",
                "no restart_limit",
                "at least \"1ms\"",
            ],
        ),
        (
            "[failover]\nrestart_first = \"9s\"\nrestart_last = \"8s\"\n",
            [
                "6:16: failover.restart_last",
                "shorter than the first",
                "restart_first",
            ],
        ),
    ] {
        assert_parts(&error_of(more), &parts);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = parse("[vswitch]\nprogram = \"v\"\nlanes = []\n").unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert_eq!(error.to_string().lines().count(), 2);
}

#[test]
fn a_running_supervisor_is_found_while_the_rest_of_the_file_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vswsup.toml");
    fs::write(
        &file,
        "[supervisor]\nruntime_dir = \"/run/x\"\n[vswitch]\nlames = 1\n",
    )
    .unwrap();
    assert!(Config::load(&file).is_err());
    assert_eq!(Config::runtime_dir_of(&file).unwrap(), Path::new("/run/x"));
}

#[test]
fn relative_paths_and_long_socket_paths_are_refused() {
    let relative = error_of_text(&MINIMAL.replace("/usr/lib", "usr/lib"));
    assert_parts(
        &relative,
        &[
            ":2:11: vswitch.program",
            "not an absolute path",
            "from / on",
        ],
    );
    let long = format!("/{}", "x".repeat(MAX_SOCKET_PATH));
    let message = error_of(&format!("[[port]]\nname = \"vm1\"\nsocket = \"{long}\"\n"));
    assert_parts(
        &message,
        &[
            ":6:10: port[0].socket",
            "108 bytes",
            "allows 107",
            "shorter",
        ],
    );
    for (length, socket) in [(100, "113 bytes"), (94, "108 bytes")] {
        let directory = &long[..length];
        let message = error_of(&format!("[supervisor]\nruntime_dir = \"{directory}\"\n"));
        let parts = [":5:15: supervisor.runtime_dir", socket, "allows 107"];
        assert_parts(&message, &parts);
    }
}
