//! What a standby costs while it idles: memory and CPU of its process.

use super::error::{Error, Result};
use super::stage::Stage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};
use vswsup::control::protocol::{InstanceState, StatusReport};

/// A standby at rest, while the active instance forwards the flows.
#[derive(Debug, Clone, Serialize)]
pub struct StandbyReport {
    /// How long it was watched, s.
    pub seconds: f64,
    /// Devices that it has mapped.
    pub devices: usize,
    /// CPU time, percent of one core, of all threads (/proc/PID/task/*/schedstat).
    pub cpu_percent: f64,
    /// Its threads.
    pub threads: Vec<ThreadCpu>,
    /// CPU time of the supervisor over the same time, percent of one core.
    pub supervisor_cpu_percent: f64,
    /// Resident memory without hugepages, KiB (/proc/PID/smaps_rollup).
    pub rss_kib: u64,
    /// The same, with what is shared divided by the number of who shares it.
    pub pss_kib: u64,
    /// Its own hugepages, KiB.
    pub hugepages_kib: u64,
    /// Hugepages of others that it has mapped, such as guest memory, KiB.
    pub shared_hugepages_kib: u64,
}

/// What one thread took.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadCpu {
    /// Its name.
    pub name: String,
    /// CPU time, percent of one core.
    pub cpu_percent: f64,
    /// How often it was scheduled, a second.
    pub wakes_per_second: f64,
}

/// Watches the standby of `stage` for so long.
pub(super) fn measure(stage: &Stage, time: Duration) -> Result<StandbyReport> {
    let status = stage.operator().status()?;
    let (standby, supervisor) = (standby_of(&status)?, status.supervisor_pid);
    stage.start_flows()?;
    let began = Instant::now();
    let before = [usage(standby)?, usage(supervisor)?];
    thread::sleep(time);
    let after = [usage(standby)?, usage(supervisor)?];
    let seconds = began.elapsed().as_secs_f64();
    stage.running().stop_flows()?;
    let threads = spent(&before[0], &after[0], seconds);
    let memory = Memory::of(standby)?;
    Ok(StandbyReport {
        seconds,
        devices: stage.devices(),
        cpu_percent: total(&threads),
        threads,
        supervisor_cpu_percent: total(&spent(&before[1], &after[1], seconds)),
        rss_kib: memory.get("Rss"),
        pss_kib: memory.get("Pss"),
        hugepages_kib: memory.get("Private_Hugetlb"),
        shared_hugepages_kib: memory.get("Shared_Hugetlb"),
    })
}

fn standby_of(status: &StatusReport) -> Result<i32> {
    let standby = status
        .instances
        .iter()
        .find(|instance| instance.state == InstanceState::Standby);
    standby
        .and_then(|instance| instance.pid)
        .ok_or(Error::Empty("the standby's process id"))
}

/// One thread's time on a CPU, ns, and how often it got one
/// (Documentation/scheduler/sched-stats.rst, `/proc/<pid>/schedstat`).
#[derive(Debug, Clone)]
struct Usage {
    name: String,
    nanos: u64,
    slices: u64,
}

/// By thread id.
fn usage(pid: i32) -> io::Result<BTreeMap<String, Usage>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
    threads
        .map(|thread| {
            let thread = thread?;
            let name = fs::read_to_string(thread.path().join("comm"))?;
            let line = fs::read_to_string(thread.path().join("schedstat"))?;
            let usage = parse(name.trim(), &line).ok_or_else(|| {
                io::Error::other(format!("{}: {line:?}", thread.path().display()))
            })?;
            Ok((thread.file_name().to_string_lossy().into_owned(), usage))
        })
        .collect()
}

fn parse(name: &str, schedstat: &str) -> Option<Usage> {
    let mut fields = schedstat.split_whitespace().map(str::parse);
    let nanos = fields.next()?.ok()?;
    let slices = fields.nth(1)?.ok()?;
    let name = name.to_owned();
    Some(Usage {
        name,
        nanos,
        slices,
    })
}

/// What the threads that lived all the time have spent.
fn spent(
    before: &BTreeMap<String, Usage>,
    after: &BTreeMap<String, Usage>,
    seconds: f64,
) -> Vec<ThreadCpu> {
    let both = after
        .iter()
        .filter_map(|(id, usage)| Some((before.get(id)?, usage)));
    both.map(|(before, after)| ThreadCpu {
        name: after.name.clone(),
        cpu_percent: (after.nanos - before.nanos) as f64 / 1e7 / seconds,
        wakes_per_second: (after.slices - before.slices) as f64 / seconds,
    })
    .collect()
}

fn total(threads: &[ThreadCpu]) -> f64 {
    threads.iter().map(|thread| thread.cpu_percent).sum()
}

/// `/proc/PID/smaps_rollup`, KiB (man 5 proc_pid_smaps).
struct Memory(String);

impl Memory {
    fn of(pid: i32) -> io::Result<Self> {
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map(Self)
    }

    fn get(&self, field: &str) -> u64 {
        let value = |line: &str| {
            line.strip_prefix(field)?
                .strip_prefix(':')?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        };
        self.0.lines().find_map(value).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_has_time_wait_and_slices() {
        let usage = parse("lane0", "116925873 784490897 85\n").unwrap();
        assert_eq!((usage.nanos, usage.slices), (116_925_873, 85));
        assert!(parse("lane0", "1 2").is_none());
        assert!(parse("lane0", "one 2 3").is_none());
    }

    #[test]
    fn a_field_is_its_whole_name() {
        let memory = Memory("Pss_Anon:  7 kB\nPss:   186 kB\nRss: 1668 kB\n".to_owned());
        assert_eq!(
            (memory.get("Pss"), memory.get("Rss"), memory.get("Swap")),
            (186, 1668, 0)
        );
    }

    /// This very process has used its CPU and has memory.
    #[test]
    fn the_kernel_tells_of_a_process() {
        let me = std::process::id() as i32;
        assert!(!usage(me).unwrap().is_empty());
        assert!(Memory::of(me).unwrap().get("Rss") > 0);
    }
}
