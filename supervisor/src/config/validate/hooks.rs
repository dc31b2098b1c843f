//! `[hooks]`.

use super::{Findings, fault, relative};
use crate::config::Config;
use std::path::Path;

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let hooks = &config.hooks;
    for (key, command, limit) in [
        ("hooks.pre_start", &hooks.pre_start, hooks.pre_start_timeout),
        ("hooks.post_stop", &hooks.post_stop, hooks.post_stop_timeout),
    ] {
        if let Some(program) = command.first() {
            findings.add(key, relative(Path::new(program)));
        }
        let remedy = "write a time that is long enough, or remove the key to have its default";
        let no_time = limit.is_zero().then(|| fault("no time at all", remedy));
        findings.add(&format!("{key}_timeout"), no_time);
    }
    let start = config.timeouts.start;
    let too_long = (hooks.pre_start_timeout >= start).then(|| {
        fault(
            "an instance has less time for all of its start",
            "make it shorter, or timeouts.start longer",
        )
    });
    findings.add("hooks.pre_start_timeout", too_long);
}
