//! Memory for DPDK, for each instance that runs at a time.

use super::finding::{Findings, Outcome, problem};
use super::memory_files;
use crate::config::Config;
use std::fs;
use std::path::Path;

const POOLS: &str = "/sys/kernel/mm/hugepages";

/// All hugepages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pool {
    page_kib: u64,
    total: u64,
    free: u64,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    if findings.config.memory.is_some() {
        return memory_files::check(findings);
    }
    let mib = findings.config.vswitch.memory.mib();
    let instances = if findings.config.vswitch.standby {
        2
    } else {
        1
    };
    let wanted_kib = instances * 1024 * u64::from(mib);
    if findings.config.vswitch.hugepages {
        findings.add(
            "vswitch.memory",
            hugepages(&pools(Path::new(POOLS)), wanted_kib),
        );
    } else {
        findings.add("vswitch.memory", ordinary(available_kib(), wanted_kib));
    }
}

/// Such as `2 MiB pages: 512 of 1024 free`.
pub(super) fn hugepages_in_words() -> String {
    let pools = pools(Path::new(POOLS));
    let pool = |pool: &Pool| {
        let size = match pool.page_kib {
            kib if kib >= 1 << 20 => format!("{} GiB", kib >> 20),
            kib => format!("{} MiB", kib >> 10),
        };
        format!("{size} pages: {} of {} free", pool.free, pool.total)
    };
    let words: Vec<_> = pools.iter().map(pool).collect();
    match words[..] {
        [] => "none: this kernel has no hugepages".to_owned(),
        _ => words.join(", "),
    }
}

/// MiB of DPDK's memory in one instance.
pub(super) fn mib_of_one(config: &Config) -> u32 {
    match &config.memory {
        Some(_) => memory_files::mib_of_one(config),
        None => config.vswitch.memory.mib(),
    }
}

fn pools(root: &Path) -> Vec<Pool> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut pools: Vec<_> = entries.filter_map(|entry| pool(&entry.path())).collect();
    pools.sort_by_key(|pool| pool.page_kib);
    pools
}

/// A directory such as `hugepages-2048kB`.
fn pool(directory: &Path) -> Option<Pool> {
    let name = directory.file_name()?.to_str()?;
    let page_kib = name
        .strip_prefix("hugepages-")?
        .strip_suffix("kB")?
        .parse()
        .ok()?;
    let number = |file: &str| {
        let text = fs::read_to_string(directory.join(file)).ok()?;
        text.trim().parse().ok()
    };
    Some(Pool {
        page_kib,
        total: number("nr_hugepages")?,
        free: number("free_hugepages")?,
    })
}

fn hugepages(pools: &[Pool], wanted_kib: u64) -> Outcome {
    let wanted = wanted_kib / 1024;
    let Some(smallest) = pools.first() else {
        return problem(
            "this kernel has no hugepages",
            "set vswitch.hugepages = false, or boot a kernel with hugepages",
        );
    };
    let free_kib: u64 = pools.iter().map(|pool| pool.free * pool.page_kib).sum();
    let free = free_kib / 1024;
    if free_kib >= wanted_kib {
        return Ok(format!(
            "{free} MiB of hugepages are free, {wanted} are wanted"
        ));
    }
    let pages = smallest.total + (wanted_kib - free_kib).div_ceil(smallest.page_kib);
    let file = format!("{POOLS}/hugepages-{}kB/nr_hugepages", smallest.page_kib);
    let reserve = match smallest.page_kib {
        2048 => format!("`sysctl vm.nr_hugepages={pages}`"),
        _ => format!("`echo {pages} > {file}`"),
    };
    problem(
        format!("{wanted} MiB of hugepages are wanted, and {free} MiB are free"),
        format!("reserve more ({reserve}), or set vswitch.hugepages = false"),
    )
}

fn available_kib() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn ordinary(available_kib: Option<u64>, wanted_kib: u64) -> Outcome {
    let wanted = wanted_kib / 1024;
    let available = available_kib.unwrap_or(wanted_kib) / 1024;
    if available >= wanted {
        return Ok(format!(
            "{available} MiB are available, {wanted} are wanted"
        ));
    }
    problem(
        format!("{wanted} MiB of memory are wanted, and {available} MiB are available"),
        "free memory, or make vswitch.memory smaller",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Pool = Pool {
        page_kib: 2048,
        total: 16,
        free: 6,
    };

    #[test]
    fn missing_hugepages_come_with_the_sysctl_that_helps() {
        let (problem, remedy) = hugepages(&[SMALL], 2 * 128 * 1024).unwrap_err();
        assert!(
            problem.contains("256 MiB of hugepages are wanted, and 12 MiB are free"),
            "{problem}"
        );
        // 128 pages are wanted and 6 of the 16 are free.
        assert!(remedy.contains("sysctl vm.nr_hugepages=138"), "{remedy}");
        assert!(remedy.contains("vswitch.hugepages = false"), "{remedy}");
    }

    #[test]
    fn what_is_advised_is_enough() {
        let advised = Pool {
            page_kib: 2048,
            total: 138,
            free: 128,
        };
        assert!(hugepages(&[advised], 2 * 128 * 1024).is_ok());
        let large = Pool {
            page_kib: 1 << 20,
            total: 1,
            free: 1,
        };
        assert!(hugepages(&[SMALL, large], 2 * 128 * 1024).is_ok());
    }

    #[test]
    fn a_kernel_without_hugepages_and_a_full_machine_are_problems() {
        assert!(
            hugepages(&[], 1)
                .unwrap_err()
                .1
                .contains("hugepages = false")
        );
        assert!(
            ordinary(Some(1024), 2048)
                .unwrap_err()
                .1
                .contains("vswitch.memory")
        );
        assert!(ordinary(Some(2048), 2048).is_ok());
    }

    #[test]
    fn the_pools_of_a_kernel_are_read() {
        let root = tempfile::tempdir().unwrap();
        let pool = root.path().join("hugepages-2048kB");
        fs::create_dir(&pool).unwrap();
        fs::write(pool.join("nr_hugepages"), "16\n").unwrap();
        fs::write(pool.join("free_hugepages"), "6\n").unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        assert_eq!(pools(root.path()), [SMALL]);
    }
}
