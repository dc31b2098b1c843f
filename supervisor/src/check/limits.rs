//! Resource limits.

use super::device::is_any_pci;
use super::finding::{Findings, Outcome, problem};
use super::memory;
use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Fds without any port: lifelines, the ledger, DPDK's own.
const BASE_FDS: u64 = 128;
/// Fds of a port: listener, connection, memory regions, three for each ring, and the logs.
const FDS_A_PORT: u64 = 32;

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    findings.add("port", open_files(config.ports.len() as u64));
    if is_any_pci(config) {
        findings.add(
            "vswitch.memory",
            locked_memory(memory::mib_of_one(config), may_lock()),
        );
    }
}

/// Raises the limit of open files as far as it goes. Every guest's memory and rings are fds; the
/// instances inherit the limit.
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2).
pub fn raise_open_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

fn open_files(ports: u64) -> Outcome {
    let wanted = BASE_FDS + FDS_A_PORT * ports;
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(RLIM_INFINITY, |(_, hard)| hard);
    if allowed >= wanted {
        return Ok(format!(
            "{allowed} open files are allowed, {ports} ports want {wanted}"
        ));
    }
    problem(
        format!("{ports} ports want {wanted} open files, and {allowed} are allowed"),
        format!("raise RLIMIT_NOFILE: LimitNOFILE={wanted} of the service, or `ulimit -Hn`"),
    )
}

/// What an instance may lock in memory: bytes, and whether it may lock as much as it likes.
pub(super) fn may_lock() -> (u64, bool) {
    let allowed = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(RLIM_INFINITY, |(soft, _)| soft);
    let exempt = caps::has_cap(None, CapSet::Effective, Capability::CAP_IPC_LOCK);
    (allowed, exempt.unwrap_or(false))
}

/// vfio locks all memory that a device may reach, which is DPDK's own: packets are copied between it
/// and the guests' memory, which no device reaches.
fn locked_memory(mib: u32, (allowed, exempt): (u64, bool)) -> Outcome {
    if allowed >= u64::from(mib) << 20 || exempt {
        return Ok(format!("{mib} MiB may be locked for DMA"));
    }
    problem(
        format!(
            "vfio locks {mib} MiB of each instance for DMA, and {} MiB may be",
            allowed >> 20
        ),
        "raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity of the service, or `ulimit -l unlimited`), or \
         give vswsup CAP_IPC_LOCK",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_that_may_be_locked_is_a_problem_unless_all_may() {
        assert!(locked_memory(128, (128 << 20, false)).is_ok());
        assert!(locked_memory(128, (8 << 20, true)).is_ok());
        let (problem, remedy) = locked_memory(128, (8 << 20, false)).unwrap_err();
        assert!(problem.contains("128 MiB of each instance"), "{problem}");
        assert!(problem.contains("8 MiB may be"), "{problem}");
        assert!(remedy.contains("LimitMEMLOCK=infinity"), "{remedy}");
    }

    #[test]
    fn more_ports_than_open_files_is_a_problem_that_names_the_limit() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(open_files(0).is_ok());
        let ports = hard.min(u64::from(u32::MAX)) / FDS_A_PORT + 1;
        if hard < u64::from(u32::MAX) {
            let (problem, remedy) = open_files(ports).unwrap_err();
            assert!(
                problem.contains(&format!("{hard} are allowed")),
                "{problem}"
            );
            assert!(remedy.contains("LimitNOFILE="), "{remedy}");
        }
    }
}
