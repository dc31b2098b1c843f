//! What the kernel tells of a thread: proc(5), `stat` and `schedstat`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// `R`: it runs, or would if it had a CPU.
    Runnable,
    /// `S`, `D`, `I`: it waits in the kernel.
    Asleep,
    /// `T`, `t`, `Z`, `X`: it runs no more until someone says so, or never.
    Stopped,
}

/// A thread, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// What it is doing.
    pub state: TaskState,
    /// CPU time that it has used, ns. The kernel counts at its timer ticks.
    pub ran_ns: u64,
    /// How often it was given a CPU.
    pub slices: u64,
}

/// A thread, and the others of its process, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// As gettid(2) names it.
    pub thread: i32,
    /// The thread itself.
    pub own: Thread,
    /// The others.
    pub others: BTreeMap<i32, Thread>,
}

impl Task {
    /// That of thread `thread` of process `pid`. `None` when there is no such thread in it.
    pub fn read(pid: i32, thread: i32) -> Option<Self> {
        let all = PathBuf::from(format!("/proc/{pid}/task"));
        let own = Thread::read(&all.join(thread.to_string()))?;
        let others = fs::read_dir(&all).ok()?.flatten().filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            Some((number, Thread::read(&entry.path())?)).filter(|_| number != thread)
        });
        Some(Self {
            thread,
            own,
            others: others.collect(),
        })
    }
}

impl Thread {
    fn read(directory: &Path) -> Option<Self> {
        let stat = fs::read_to_string(directory.join("stat")).ok()?;
        let schedstat = fs::read_to_string(directory.join("schedstat")).ok()?;
        Self::parse(&stat, &schedstat)
    }

    /// From the two files. The name in `stat` is in parentheses and may itself have some.
    fn parse(stat: &str, schedstat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(") ")?;
        let mut numbers = schedstat.split_ascii_whitespace();
        let mut number = || numbers.next()?.parse::<u64>().ok();
        let (ran_ns, _waited_ns, slices) = (number()?, number()?, number()?);
        Some(Self {
            state: TaskState::parse(after_name.chars().next()?),
            ran_ns,
            slices,
        })
    }
}

impl TaskState {
    /// A letter that is not known counts as runnable, which condemns nobody.
    fn parse(letter: char) -> Self {
        match letter {
            'S' | 'D' | 'I' => Self::Asleep,
            'T' | 't' | 'Z' | 'X' => Self::Stopped,
            _ => Self::Runnable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_whatever_the_name_is() {
        let schedstat = "1200 77 13\n";
        for (name, letter, state) in [
            ("lane 0", 'R', TaskState::Runnable),
            ("a) S (b", 'D', TaskState::Asleep),
            (") ", 'S', TaskState::Asleep),
            ("x", 'T', TaskState::Stopped),
            ("x", 't', TaskState::Stopped),
            ("x", 'Z', TaskState::Stopped),
            ("x", '?', TaskState::Runnable),
        ] {
            let stat = format!("17 ({name}) {letter} 1 17 17 0");
            let thread = Thread::parse(&stat, schedstat).unwrap();
            assert_eq!(
                (thread.state, thread.ran_ns, thread.slices),
                (state, 1200, 13)
            );
        }
    }

    #[test]
    fn nonsense_is_nothing() {
        for (stat, schedstat) in [
            ("", "1 2 3"),
            ("1 (x) ", "1 2 3"),
            ("1 (x) R", "1 2"),
            ("1 (x) R", "x"),
        ] {
            assert_eq!(
                Thread::parse(stat, schedstat),
                None,
                "{stat:?} {schedstat:?}"
            );
        }
    }

    #[test]
    fn this_thread_runs_and_a_waiting_one_sleeps() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let waiting = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            let _ = ended.recv();
        });
        let thread = told.recv().unwrap();
        let pid = nix::unistd::getpid().as_raw();
        let asleep = || Task::read(pid, thread).unwrap().own.state == TaskState::Asleep;
        while !asleep() {
            std::thread::yield_now();
        }
        let me = nix::unistd::gettid().as_raw();
        let task = Task::read(pid, me).unwrap();
        assert_eq!(task.own.state, TaskState::Runnable);
        assert_eq!(task.others[&thread].state, TaskState::Asleep);
        assert!(!task.others.contains_key(&me));
        assert_eq!(Task::read(pid, 0), None);
        drop(end);
        waiting.join().unwrap();
    }
}
