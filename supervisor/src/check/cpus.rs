//! The CPUs of the lanes.

use super::finding::{Findings, Outcome, problem};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::thread;
use vhost_transfer::InstanceId;

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    findings.add("vswitch.lanes", usable(&config.vswitch.lanes));
    for instance in InstanceId::BOTH {
        if let Some(lanes) = &config.instances.of(instance).lanes {
            findings.add(&format!("instance.{instance}.lanes"), usable(lanes));
        }
    }
}

fn usable(cpus: &[u16]) -> Outcome {
    match cpus.iter().find(|&&cpu| !can_run_on(cpu)) {
        None => Ok(format!("CPUs {cpus:?} can be used")),
        Some(cpu) => problem(
            format!("CPU {cpu} does not exist, is offline or not allowed here"),
            "name CPUs that `taskset -cp 1` shows, or allow them (AllowedCPUs= of the service)",
        ),
    }
}

/// Tries it, on a thread that does nothing else: only the kernel knows of all cpusets.
fn can_run_on(cpu: u16) -> bool {
    let mut set = CpuSet::new();
    let pin = move || {
        set.set(usize::from(cpu))?;
        sched_setaffinity(Pid::from_raw(0), &set)
    };
    thread::spawn(pin).join().is_ok_and(|pinned| pinned.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::sched_getaffinity;

    #[test]
    fn a_cpu_of_this_thread_can_be_used_and_an_invented_one_cannot() {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let here = (0..CpuSet::count())
            .find(|&cpu| before.is_set(cpu).unwrap())
            .unwrap();
        let here = u16::try_from(here).unwrap();
        assert!(usable(&[here]).is_ok());
        assert!(!can_run_on(u16::MAX));
        let (problem, remedy) = usable(&[here, 1023]).unwrap_err();
        assert!(problem.contains("CPU 1023"), "{problem}");
        assert!(remedy.contains("taskset"), "{remedy}");
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), before);
    }
}
