//! What the service manager is told (sd_notify(3)); without one, nobody.

use super::console;
use crate::policy::State;
use sd_notify::NotifyState;
use std::time::Duration;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Service {
    status: String,
}

impl Service {
    /// How often the watchdog wants to hear, half of its limit.
    pub(super) fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 2)
    }

    pub(super) fn is_alive(&self) {
        notify(&[NotifyState::Watchdog]);
    }

    pub(super) fn is_ready(&self) {
        notify(&[NotifyState::Ready]);
    }

    pub(super) fn stops(&self) {
        notify(&[NotifyState::Stopping]);
    }

    pub(super) fn reloads(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
    }

    /// Tells, and logs, who is what now, if that changed.
    pub(super) fn update(&mut self, policy: &State) {
        let status = status(policy);
        if status != self.status {
            console::say(format_args!("{status}"));
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        console::say(format_args!("the service manager cannot be told: {error}"));
    }
}

fn status(policy: &State) -> String {
    let Some(active) = policy.active() else {
        return "no instance is active".into();
    };
    if policy.is_pinned() {
        return format!("active {active}, pinned: nothing takes over");
    }
    match policy.spare() {
        Some(spare) => format!("active {active}, spare ready: {spare}"),
        None => format!("active {active}, no spare"),
    }
}
