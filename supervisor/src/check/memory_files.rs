//! The hugepage files of `[memory]`.

use super::finding::{Findings, Outcome, problem};
use crate::config::Config;
use crate::memory_files::{State, free_pages, look};
use std::collections::BTreeMap;

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    let outcome = match look(config) {
        Ok(states) => pages(states.into_values()),
        Err(error) => Err(error_in_parts(&error.to_string())),
    };
    findings.add("memory.files", outcome);
}

/// MiB of DPDK's memory in one instance, as far as it is known before the files are made.
pub(super) fn mib_of_one(config: &Config) -> u32 {
    let states = look(config).unwrap_or_default();
    let bytes: u64 = states.values().map(|state| state.size).sum();
    let instances = if config.vswitch.standby { 2 } else { 1 };
    u32::try_from((bytes >> 20) / instances).unwrap_or(u32::MAX)
}

/// What is missing of all files, by size of a page.
fn pages(states: impl Iterator<Item = State>) -> Outcome {
    let (mut missing, mut bytes) = (BTreeMap::<u64, u64>::new(), 0);
    for state in states {
        *missing.entry(state.page).or_default() += state.missing();
        bytes += state.size;
    }
    for (&page, &missing) in &missing {
        enough(page, missing, free_pages(page, None))?;
    }
    let missing: u64 = missing.values().sum();
    Ok(format!(
        "{} MiB in files, {missing} of their hugepages are still to be populated",
        bytes >> 20
    ))
}

fn enough(page: u64, missing: u64, free: u64) -> Result<(), (String, String)> {
    if free >= missing {
        return Ok(());
    }
    problem(
        format!(
            "{missing} hugepages of {} KiB are to be populated, and {free} are free",
            page >> 10
        ),
        format!(
            "raise /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages by {}",
            page >> 10,
            missing - free
        ),
    )
    .map(|_: String| ())
}

/// What is wrong, and what to do.
fn error_in_parts(text: &str) -> (String, String) {
    match text.rsplit_once(": ") {
        Some((problem, remedy)) => (problem.to_owned(), remedy.to_owned()),
        None => (text.to_owned(), "correct that".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn only_what_is_missing_must_be_free() {
        let populated = State {
            size: 1024 * MIB,
            populated: 1024 * MIB,
            page: 2 * MIB,
        };
        let text = pages([populated; 2].into_iter()).unwrap();
        assert!(text.starts_with("2048 MiB in files, 0 of"), "{text}");
        let (problem, remedy) = enough(2 * MIB, 20, 8).unwrap_err();
        assert!(problem.contains("20 hugepages of 2048 KiB"), "{problem}");
        assert!(remedy.ends_with("by 12"), "{remedy}");
    }
}
