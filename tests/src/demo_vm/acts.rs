//! What is done with a guest behind a switch: nothing, promotes, a restart.

use super::progress::Progress;
use super::{Interrupt, Options, QemuSide, Result, Scene, Seen, SideOutcome};
use std::time::{Duration, Instant};
use vswsup::control::protocol::PromoteReport;

/// From one promote to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// The three acts of the demo.
#[derive(Debug)]
pub struct Acts<'a> {
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
        self.say(side, "the switch and the guest start");
        let mut scene = Scene::start(side, self.interrupt)?;
        let begin = Instant::now();
        let (promotes, promoted) = self.promote(side, &scene)?;
        let quiet = self.rest(side, &scene, begin.elapsed())?;
        self.say(side, "the switch is stopped and started again");
        let restarted = scene.restart(self.interrupt)?;
        Ok(SideOutcome {
            side,
            qemu: scene.vm().version().to_string(),
            boot_s: scene.vm().boot_time().as_secs_f64(),
            promotes,
            promoted,
            quiet,
            restarted,
        })
    }

    fn promote(&self, side: QemuSide, scene: &Scene) -> Result<(Vec<PromoteReport>, Seen)> {
        let watch = scene.watch()?;
        let promotes = (1..=self.promotes)
            .map(|number| {
                self.say(side, &format!("promote {number} of {}", self.promotes));
                self.interrupt.sleep(PAUSE)?;
                scene.promote(self.interrupt)
            })
            .collect::<Result<_>>()?;
        self.interrupt.sleep(PAUSE)?;
        Ok((promotes, watch.finish()?))
    }

    fn rest(&self, side: QemuSide, scene: &Scene, length: Duration) -> Result<Seen> {
        self.say(side, "the same time without promotes");
        let watch = scene.watch()?;
        self.interrupt.sleep(length)?;
        watch.finish()
    }

    fn say(&self, side: QemuSide, what: &str) {
        self.progress
            .say(&format!("QEMU as {}: {what}", side.name()));
    }
}
