//! The demo with a real guest: QEMU boots Linux behind the switch, guest and host ping each other every
//! 2 ms, and meanwhile the standby is promoted again and again. Then the same switch is restarted, as
//! it would be without a standby, and everybody can see the difference.
//!
//! Once QEMU connects to the switch's sockets, and once the switch to QEMU's. A ping is lost only when
//! its answer never comes: buffers are deep and the patience long enough for a machine that stands
//! still for a while. What the machine does by itself is shown by a quiet run of the same length.
//!
//! Reading order: [`Options`], [`run`]; [`Scene`], one guest behind one switch; [`promote`], what
//! is done with it; [`Outcome`], what is printed.

mod acts;
mod error;
mod machine;
mod options;
mod outcome;
mod scene;
mod seen;
mod side;
mod table;

pub use acts::{Promoted, promote};
pub use error::{Error, Result};
pub use options::Options;
pub use outcome::{Outcome, SideOutcome};
pub use scene::Scene;
pub use seen::{Seen, Watch};
pub use side::QemuSide;

use crate::guest_vm::Artifacts;
use crate::terminal::{Interrupt, Progress};
use acts::Acts;
use std::thread;

/// Runs the demo and writes a table or JSON to standard output. Whether nobody noticed the promotes.
///
/// # Errors
/// [`Error`]; nothing is written then.
pub fn run(options: &Options) -> Result<bool> {
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::on_stderr("demo-vm");
    progress.say("preparing kernel and initramfs");
    Artifacts::prepare()?;
    let sides = options
        .sides()
        .iter()
        .map(|side| perform(*side, options, &interrupt, &progress))
        .collect::<Result<Vec<_>>>();
    progress.end();
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let outcome = Outcome::new(sides?);
    match options.json {
        true => println!("{}", outcome.to_json()),
        false => print!("{}", table::of(&outcome)),
    }
    Ok(outcome.unnoticed())
}

/// In a thread of its own, whose end takes the network namespace and all programs in it along.
fn perform(
    side: QemuSide,
    options: &Options,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<SideOutcome> {
    let play = || Acts::new(options, interrupt, progress).play(side);
    thread::scope(|scope| {
        let played = scope.spawn(play).join();
        played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
