//! `check`: try out the configuration on this host.

use super::output::{either, message};
use super::verbs::Common;
use crate::ExitStatus;
use crate::check::{self, Finding};
use crate::config::{Config, ConfigError};
use crate::control::RuntimeDir;

pub(super) fn check(common: &Common) -> ExitStatus {
    let config = match load(common) {
        Ok(config) => config,
        Err(error) => {
            message(error);
            return ExitStatus::Failed;
        }
    };
    let findings = if RuntimeDir::is_claimed(&config.supervisor.runtime_dir) {
        message("a supervisor runs here: its memory and sockets are not checked");
        check::run_beside_supervisor(&config)
    } else {
        check::run(&config)
    };
    either(common.json, &findings, |list| lines(list));
    if findings.iter().any(Finding::is_problem) {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    }
}

/// The configuration that is meant.
pub(super) fn load(common: &Common) -> Result<Config, ConfigError> {
    let file = common.config.as_deref();
    let mut config = Config::load(file.unwrap_or(Config::DEFAULT_FILE.as_ref()))?;
    if let Some(directory) = &common.runtime_dir {
        config.supervisor.runtime_dir.clone_from(directory);
    }
    Ok(config)
}

fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}
