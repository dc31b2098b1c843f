//! `status`.

use super::table::{or_dash, table};
use crate::control::protocol::{InstanceReport, InstanceState, StatusReport};
use std::fmt;

/// The answer to "is it well, is there a spare".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is, and there is.
    Well,
    /// It is, and by configuration there is no standby.
    Alone,
    /// There is a spare, and something to see to.
    Trouble,
    /// An instance is active, and nothing could take over.
    NoSpare,
    /// An instance is given up: it is not started again by itself.
    Degraded,
    /// No instance is active.
    Down,
}

impl Health {
    /// That of a report.
    pub fn of(report: &StatusReport) -> Self {
        match (report.active, report.spare) {
            (None, _) => Self::Down,
            _ if has_given_up(report) => Self::Degraded,
            _ if report.alone && report.trouble.is_empty() => Self::Alone,
            (Some(_), false) => Self::NoSpare,
            (Some(_), true) if report.trouble.is_empty() => Self::Well,
            (Some(_), true) => Self::Trouble,
        }
    }
}

/// An instance died too often, whatever else is the matter.
pub fn has_given_up(report: &StatusReport) -> bool {
    let given_up = |instance: &InstanceReport| instance.state == InstanceState::GivenUp;
    report.instances.iter().any(given_up)
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Well => "well, with a spare",
            Self::Alone => "well, without a standby",
            Self::Trouble => "trouble, with a spare",
            Self::NoSpare => "NO SPARE",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        })
    }
}

/// Several lines; the first answers.
pub fn status(report: &StatusReport) -> String {
    let headline = format!("{}: {}\n", Health::of(report), roles(report));
    let trouble = report
        .trouble
        .iter()
        .map(|trouble| format!("trouble: {trouble}\n"));
    let moving = report
        .moving
        .iter()
        .map(|moving| format!("moving: {moving}\n"));
    let lines = trouble.chain(moving);
    let details = [instances(report), counts(report)];
    std::iter::once(headline)
        .chain(lines)
        .chain(no_proof(report))
        .chain(details)
        .collect()
}

/// Which uplinks nobody asks whether they hear.
fn no_proof(report: &StatusReport) -> impl Iterator<Item = String> {
    report.instances.iter().filter_map(|instance| {
        let reason = instance.uplink.as_ref()?.no_proof.as_ref()?;
        let id = instance.instance;
        Some(format!("note: uplink of {id} is not probed: {reason}\n"))
    })
}

/// Such as `a is active (term 5), b is standby`.
fn roles(report: &StatusReport) -> String {
    let instances = report.instances.iter().map(|instance| {
        let term = match instance.state {
            InstanceState::Active => format!(" (term {})", report.term),
            InstanceState::Down
            | InstanceState::GivenUp
            | InstanceState::Starting
            | InstanceState::Mapping
            | InstanceState::Standby
            | InstanceState::Stopping => String::new(),
        };
        format!("{} is {}{term}", instance.instance, state(instance.state))
    });
    instances.collect::<Vec<_>>().join(", ")
}

fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Down => "down",
        InstanceState::GivenUp => "given up",
        InstanceState::Starting => "starting",
        InstanceState::Mapping => "mapping devices",
        InstanceState::Standby => "standby",
        InstanceState::Active => "active",
        InstanceState::Stopping => "stopping",
    }
}

fn instances(report: &StatusReport) -> String {
    let row = |instance: &InstanceReport| {
        [
            instance.instance.to_string(),
            state(instance.state).to_owned(),
            humantime::format_rfc3339_seconds(instance.since).to_string(),
            or_dash(instance.pid),
            format!("{}/{}", instance.devices_mapped, report.devices),
            or_dash(instance.version.as_deref()),
            or_dash(instance.dpdk.as_deref()),
            instance.program.display().to_string(),
        ]
    };
    let header = [
        "INSTANCE", "STATE", "SINCE", "PID", "DEVICES", "VERSION", "DPDK", "PROGRAM",
    ];
    table(header, report.instances.iter().map(row).collect())
}

fn counts(report: &StatusReport) -> String {
    let steering = match &report.steering {
        Some(steering) => format!("{} to {}", steering.backend, or_dash(steering.current)),
        None => "no uplink".to_owned(),
    };
    format!(
        "steering: {steering}; {} ports, {} devices; supervisor {} (pid {})\n",
        report.ports, report.devices, report.supervisor_version, report.supervisor_pid
    )
}
