//! What is done with a guest behind a switch: promotes, nothing, a restart.

use super::{Error, Options, QemuSide, Result, Scene, Seen, SideOutcome};
use crate::terminal::{Interrupt, Progress};
use std::time::{Duration, Instant};
use vswsup::control::protocol::PromoteReport;

/// From one promote to the next.
const PAUSE: Duration = Duration::from_millis(150);
/// So often a measurement may be void before it is given up.
const MAX_VOID: u32 = 5;

/// The three acts of the demo.
#[derive(Debug)]
pub(super) struct Acts<'a> {
    promotes: u32,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
}

impl<'a> Acts<'a> {
    pub(super) fn new(options: &Options, interrupt: &'a Interrupt, progress: &'a Progress) -> Self {
        Self {
            promotes: options.promotes,
            interrupt,
            progress,
        }
    }

    pub(super) fn play(&self, side: QemuSide) -> Result<SideOutcome> {
        let say = |what: &str| {
            self.progress
                .say(&format!("QEMU as {}: {what}", side.name()));
        };
        say("the switch and the guest start");
        let mut scene = Scene::start(side, self.interrupt)?;
        let promoted = promote(&scene, self.promotes, self.interrupt, say)?;
        say("the same time without promotes");
        let quiet = rest(&scene, promoted.length, self.interrupt)?;
        say("the switch is stopped and started again");
        let restarted = scene.restart(self.interrupt)?;
        Ok(SideOutcome {
            side,
            qemu: scene.vm().version().to_string(),
            boot_s: scene.vm().boot_time().as_secs_f64(),
            promotes: promoted.promotes,
            void_runs: promoted.void_runs,
            promoted: promoted.seen,
            quiet,
            restarted,
        })
    }
}

/// Promotes that succeeded, and what was noticed meanwhile.
#[derive(Debug)]
pub struct Promoted {
    /// Every one of them.
    pub promotes: Vec<PromoteReport>,
    /// What was noticed.
    pub seen: Seen,
    /// Runs before this one that were void and are not counted.
    pub void_runs: u32,
    /// How long it took.
    pub length: Duration,
}

/// Promotes so often under pings. A run that is void is repeated.
///
/// # Errors
/// A promote that fails, or [`Error::TooManyVoid`].
pub fn promote(
    scene: &Scene,
    promotes: u32,
    interrupt: &Interrupt,
    say: impl Fn(&str),
) -> Result<Promoted> {
    for void_runs in 0..MAX_VOID {
        let begin = Instant::now();
        let watch = scene.watch()?;
        let reports = (1..=promotes)
            .map(|number| {
                say(&format!("promote {number} of {promotes}"));
                interrupt.sleep(PAUSE)?;
                scene.promote(interrupt)
            })
            .collect::<Result<_>>()?;
        interrupt.sleep(PAUSE)?;
        let length = begin.elapsed();
        let seen = watch.finish()?;
        if !seen.void() {
            return Ok(Promoted {
                promotes: reports,
                seen,
                void_runs,
                length,
            });
        }
        say(&format!(
            "void, the machine stood still for {:.0} ms; once more",
            seen.machine_stall_ms
        ));
    }
    Err(Error::TooManyVoid(MAX_VOID))
}

fn rest(scene: &Scene, length: Duration, interrupt: &Interrupt) -> Result<Seen> {
    let watch = scene.watch()?;
    interrupt.sleep(length)?;
    watch.finish()
}
