//! What is wrong with `[failover]`.

use super::{Findings, fault};
use crate::Config;
use std::time::Duration;

/// A lane naps for up to 1 ms, and the supervisor's timers are that fine.
const SHORTEST_LANE_HANG: Duration = Duration::from_millis(5);
/// A control thread beats every 100 ms when it has nothing to do.
const SHORTEST_CONTROL_HANG: Duration = Duration::from_millis(250);

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let failover = &config.failover;
    for (key, value, least) in [
        ("failover.lane_hang", failover.lane_hang, SHORTEST_LANE_HANG),
        (
            "failover.control_hang",
            failover.control_hang,
            SHORTEST_CONTROL_HANG,
        ),
    ] {
        let short = value.filter(|&value| value < least);
        findings.add(
            key,
            short.map(|value| {
                let [value, least] = [value, least].map(humantime::format_duration);
                let remedy = format!("write at least \"{least}\", or \"off\"");
                fault(format!("{value}: also a healthy one rests so long"), remedy)
            }),
        );
    }
    let endless = failover.restart_limit == 0 && failover.restart_first.is_zero();
    findings.add(
        "failover.restart_first",
        endless.then(|| {
            fault(
                "no pause and no restart_limit: an instance that cannot start would be started \
                 without end, as fast as it can",
                "write at least \"1ms\", or a restart_limit above 0",
            )
        }),
    );
    findings.add(
        "failover.restart_last",
        (failover.restart_last < failover.restart_first).then(|| {
            fault(
                "the longest pause is shorter than the first",
                "write at least the value of restart_first",
            )
        }),
    );
}
