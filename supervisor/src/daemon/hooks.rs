//! The operator's programs around an instance's life. Each runs beside everything else, in a thread
//! that waits for it: a pre-start hook delays the start of its own instance and nothing else; a
//! post-stop hook begins when nothing is on the move, or when its instance is to start again.

mod run;

use super::phases::phase;
use super::{Daemon, tokens};
use crate::control::protocol::{EventKind, MoveKind};
use crate::policy::{Event, Life};
use mio::{Registry, Waker};
use run::Run;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use vhost_transfer::InstanceId;

/// Which of an instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    PreStart,
    PostStop,
}

impl Hook {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PreStart => "pre-start hook",
            Self::PostStop => "post-stop hook",
        }
    }
}

/// How one ended.
#[derive(Debug)]
struct Ended {
    id: InstanceId,
    hook: Hook,
    took: Duration,
    outcome: Result<(), String>,
}

/// What is under way for one instance.
#[derive(Debug, Default)]
struct Work {
    /// Its process has ended, in these words, and the hook is still to run.
    post_stop: Option<String>,
    runs: Option<Hook>,
    /// It is to start when the post-stop hook has ended.
    starts: bool,
}

/// Those of both instances.
#[derive(Debug)]
pub(super) struct Hooks {
    of: [Work; 2],
    waker: Arc<Waker>,
    tell: Sender<Ended>,
    ended: Receiver<Ended>,
}

impl Hooks {
    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        let (tell, ended) = channel();
        Ok(Self {
            of: Default::default(),
            waker: Arc::new(Waker::new(registry, tokens::HOOKS)?),
            tell,
            ended,
        })
    }

    fn begin(&mut self, id: InstanceId, hook: Hook, run: Run) {
        self.of[id as usize].runs = Some(hook);
        let (tell, waker) = (self.tell.clone(), Arc::clone(&self.waker));
        let ended = move |(outcome, took)| {
            let _ = tell.send(Ended {
                id,
                hook,
                took,
                outcome,
            });
            let _ = waker.wake();
        };
        let by_thread = ended.clone();
        let thread = std::thread::Builder::new().name("hook".into());
        if let Err(error) = thread.spawn(move || by_thread(run.and_wait())) {
            ended((Err(format!("cannot be run: {error}")), Duration::ZERO));
        }
    }
}

impl Daemon {
    /// Runs what is to run before `id` is started, or starts it.
    pub(super) fn prepare_spawn(&mut self, id: InstanceId) {
        let work = &mut self.hooks.of[id as usize];
        if work.post_stop.is_some() || work.runs.is_some() {
            work.starts = true;
            self.run_post_stop(id);
            return;
        }
        let hooks = &self.config.hooks;
        match Run::of(&hooks.pre_start, hooks.pre_start_timeout) {
            Some(run) => {
                let run = run.about(id, Hook::PreStart, None);
                self.hooks.begin(id, Hook::PreStart, run);
            }
            None => self.spawn(id, None),
        }
    }

    /// The process of `id` has ended, in these words.
    pub(super) fn owe_post_stop(&mut self, id: InstanceId, how: String) {
        if !self.config.hooks.post_stop.is_empty() {
            self.hooks.of[id as usize].post_stop = Some(how);
        }
    }

    /// After every step of the policy: what waits for the end of a move.
    pub(super) fn run_due_hooks(&mut self) {
        for id in InstanceId::BOTH {
            if self.hooks.of[id as usize].post_stop.is_some() && self.is_at_rest() {
                self.run_post_stop(id);
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        let policy = &self.policy;
        let moves = policy.handover().is_some() || policy.restart().is_some();
        let active = policy.active();
        !moves && active.is_some() && active == policy.steering().on()
    }

    fn run_post_stop(&mut self, id: InstanceId) {
        let work = &mut self.hooks.of[id as usize];
        if work.runs.is_some() {
            return;
        }
        let hooks = &self.config.hooks;
        if let Some(how) = work.post_stop.take()
            && let Some(run) = Run::of(&hooks.post_stop, hooks.post_stop_timeout)
        {
            let run = run.about(id, Hook::PostStop, Some(how));
            self.hooks.begin(id, Hook::PostStop, run);
        }
    }

    /// What has ended meanwhile.
    pub(super) fn hear_hooks(&mut self) {
        while let Ok(ended) = self.hooks.ended.try_recv() {
            self.hook_ended(ended);
        }
    }

    fn hook_ended(&mut self, ended: Ended) {
        self.note_hook_ended(&ended);
        let Ended {
            id,
            hook,
            took,
            outcome,
        } = ended;
        let starts = std::mem::take(&mut self.hooks.of[id as usize].starts);
        match hook {
            Hook::PreStart => {
                self.go_on_to_start(id, outcome, |daemon| daemon.spawn(id, Some(took)))
            }
            Hook::PostStop => {
                let ended = phase(hook.name(), Duration::ZERO, took);
                self.history.add_to(MoveKind::Exit, id, ended);
                if starts {
                    self.go_on_to_start(id, Ok(()), |daemon| daemon.prepare_spawn(id));
                }
            }
        }
        // Outside of a step of the policy nobody else looks at what a start has led to.
        self.happen_queued();
    }

    fn note_hook_ended(&mut self, ended: &Ended) {
        self.hooks.of[ended.id as usize].runs = None;
        if let Err(reason) = &ended.outcome {
            let text = format!("{} of {}: {reason}", ended.hook.name(), ended.id);
            self.tell_of(EventKind::Hook, ended.id, text);
        }
    }

    /// An instance whose hook fails is not started: that counts as a death of it.
    fn go_on_to_start(
        &mut self,
        id: InstanceId,
        outcome: Result<(), String>,
        start: impl FnOnce(&mut Self),
    ) {
        let died = |reason: String| Event::Died(id, reason);
        match (self.policy.instance(id).life, outcome) {
            (Life::Spawned, Ok(())) => start(self),
            (Life::Spawned, Err(reason)) => {
                self.happen(died(format!("the {}: {reason}", Hook::PreStart.name())));
            }
            (Life::Leaving, _) => self.happen(died("it is not started any more".to_owned())),
            (
                Life::Absent
                | Life::Greeted
                | Life::Warm
                | Life::Activating
                | Life::Active
                | Life::Releasing
                | Life::Arming
                | Life::Standby
                | Life::Disarming,
                _,
            ) => {}
        }
    }

    /// The supervisor ends: what is owed is run, and what runs is waited for.
    pub(super) fn finish_hooks(&mut self) {
        for id in InstanceId::BOTH {
            self.run_post_stop(id);
        }
        while self.hooks.of.iter().any(|work| work.runs.is_some()) {
            let Ok(ended) = self.hooks.ended.recv() else {
                return;
            };
            self.note_hook_ended(&ended);
            self.run_post_stop(ended.id);
        }
    }
}
