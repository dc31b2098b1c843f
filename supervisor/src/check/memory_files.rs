//! The hugepage files of `[memory]`.

use super::finding::{Findings, Outcome, problem};
use crate::config::Config;
use crate::memory_files::{MemoryFileError, State, free_pages, look, pool};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vhost_transfer::InstanceId;

/// MiB of ordinary memory that DPDK has beside its files, and that devices may reach as well.
const BESIDE_FILES: u32 = 32;

pub(super) fn check(findings: &mut Findings<'_>) {
    let outcome = match look_at_all(findings.config) {
        Ok(states) => pages(states.into_values(), free_pages),
        Err(error) => Err(error_in_parts(&error.to_string())),
    };
    findings.add("memory.files", outcome);
}

fn look_at_all(config: &Config) -> Result<BTreeMap<PathBuf, State>, MemoryFileError> {
    let [mut all, b] = [look(config, InstanceId::A)?, look(config, InstanceId::B)?];
    all.extend(b);
    Ok(all)
}

/// MiB of DPDK's memory in one instance, as far as it is known before the files are made.
pub(super) fn mib_of_one(config: &Config) -> u32 {
    let bytes = InstanceId::BOTH.map(|instance| {
        let states = look(config, instance).unwrap_or_default();
        states.values().map(|state| state.size).sum::<u64>()
    });
    let most = bytes.into_iter().max().unwrap_or(0);
    u32::try_from(most >> 20)
        .unwrap_or(u32::MAX)
        .saturating_add(BESIDE_FILES)
}

/// What is missing of all files, by size of a page: on the whole host, and on each NUMA node that is
/// named.
fn pages(states: impl Iterator<Item = State>, free: impl Fn(u64, Option<u16>) -> u64) -> Outcome {
    let (mut missing, mut bytes, mut all) = (BTreeMap::<_, u64>::new(), 0, 0);
    for state in states {
        *missing.entry((state.page, None)).or_default() += state.missing();
        if state.node.is_some() {
            *missing.entry((state.page, state.node)).or_default() += state.missing();
        }
        all += state.missing();
        bytes += state.size;
    }
    for ((page, node), missing) in missing {
        enough(page, node, missing, free(page, node))?;
    }
    Ok(format!(
        "{} MiB in files, {all} of their hugepages are still to be populated",
        bytes >> 20
    ))
}

fn enough(page: u64, node: Option<u16>, missing: u64, free: u64) -> Result<(), (String, String)> {
    if free >= missing {
        return Ok(());
    }
    let there = node.map_or_else(String::new, |node| format!(" on node {node}"));
    let (kib, pool, more) = (page >> 10, pool(page, node), missing - free);
    problem(
        format!("{missing} hugepages of {kib} KiB are to be populated, and {free} are free{there}"),
        format!("raise {pool}/nr_hugepages by {more}"),
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
    const LARGE: u64 = 1024 * MIB;

    fn state(page: u64, populated: u64, node: Option<u16>) -> State {
        State {
            size: LARGE,
            populated,
            page,
            node,
        }
    }

    #[test]
    fn only_what_is_missing_must_be_free() {
        let populated = state(2 * MIB, LARGE, None);
        let text = pages([populated; 2].into_iter(), |_, _| 0).unwrap();
        assert!(text.starts_with("2048 MiB in files, 0 of"), "{text}");
        let half = state(2 * MIB, LARGE / 2, None);
        let text = pages([half].into_iter(), |_, _| 256).unwrap();
        assert!(text.contains(", 256 of"), "{text}");
        let (problem, remedy) = pages([half, half].into_iter(), |_, _| 256).unwrap_err();
        assert!(problem.contains("512 hugepages of 2048 KiB"), "{problem}");
        assert!(remedy.ends_with("by 256"), "{remedy}");
    }

    #[test]
    fn each_size_of_a_page_and_each_node_must_have_enough() {
        let free = |page, node| match (page == LARGE, node) {
            (true, None) => 2,
            (true, Some(0)) => 2,
            (true, Some(_)) => 0,
            (false, _) => 511,
        };
        let text = pages([state(LARGE, 0, Some(0))].into_iter(), free).unwrap();
        assert!(text.contains("1024 MiB in files, 1 of"), "{text}");
        let away = [state(LARGE, 0, Some(0)), state(LARGE, 0, Some(1))];
        let (problem, remedy) = pages(away.into_iter(), free).unwrap_err();
        assert!(
            problem.ends_with(
                "1 hugepages of 1048576 KiB are to be populated, and 0 are free on node 1"
            ),
            "{problem}"
        );
        let of_node = "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB";
        assert!(remedy.contains(of_node), "{remedy}");
        let small = [state(LARGE, 0, None), state(2 * MIB, 0, None)];
        let (problem, _) = pages(small.into_iter(), free).unwrap_err();
        assert!(
            problem.starts_with("512 hugepages of 2048 KiB"),
            "{problem}"
        );
    }
}
