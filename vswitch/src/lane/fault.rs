//! What a thread does wrong when a test wants it to. Only in builds with the feature
//! `fault-injection`; see `control/fault.rs`.

use nix::sys::signal::{Signal, raise};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering::*};
use vhost_transfer::PortId;

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Runs on for ever.
    Loop = 1,
    /// Sleeps in the kernel for ever.
    Block,
    /// Sleeps in the kernel, and not even SIGKILL ends it, until the folder [`FROZEN`] is thawed.
    Freeze,
    /// Panics.
    Panic,
    /// Aborts.
    Die,
    /// Exits.
    Exit,
    /// Kills its process.
    Kill,
    /// Gets this signal.
    Segv,
    /// Gets this signal.
    Ill,
    /// Gets this signal.
    Bus,
}

/// Beside the file of faults: a folder of a file system that a test has frozen (FIFREEZE of
/// ioctl_fs(2)), where whoever creates a file waits in `D` state.
const FROZEN: &str = "frozen";

const ACTIONS: [(&str, Action); 12] = [
    ("loop", Action::Loop),
    ("block", Action::Block),
    ("hang", Action::Block),
    ("freeze", Action::Freeze),
    ("panic", Action::Panic),
    ("die", Action::Die),
    ("abort", Action::Die),
    ("exit", Action::Exit),
    ("kill", Action::Kill),
    ("segv", Action::Segv),
    ("ill", Action::Ill),
    ("bus", Action::Bus),
];

impl Action {
    /// By its word.
    pub fn parse(word: &str) -> Option<Self> {
        ACTIONS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, action)| *action)
    }

    /// Does it, in the calling thread.
    pub fn perform(self) {
        let signal = match self {
            Self::Loop => loop {
                std::hint::spin_loop();
            },
            Self::Block => loop {
                nix::unistd::pause();
            },
            Self::Freeze => return wait_for_thaw(),
            Self::Panic => panic!("injected fault"),
            Self::Die => std::process::abort(),
            Self::Exit => std::process::exit(3),
            Self::Kill => Signal::SIGKILL,
            Self::Segv => Signal::SIGSEGV,
            Self::Ill => Signal::SIGILL,
            Self::Bus => Signal::SIGBUS,
        };
        raise(signal).expect("a signal of our own");
    }
}

fn wait_for_thaw() {
    let faults = std::env::var_os("VSWITCH_FAULTS").expect("who was told to fail has this file");
    let file = Path::new(&faults).with_file_name(FROZEN).join("waits");
    File::create(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// What the lanes are to do wrong; they look once a round.
#[derive(Debug, Default)]
pub struct Faults {
    order: AtomicU8,
    /// 0: none.
    poison: AtomicU16,
}

impl Faults {
    /// The next lane that looks fails like this.
    pub fn order(&self, action: Action) {
        self.order.store(action as u8, Relaxed);
    }

    /// Lanes that poll this port die of it.
    pub fn poison(&self, port: Option<PortId>) {
        self.poison.store(port.map_or(0, PortId::get), Relaxed);
    }

    /// Fails if that was ordered.
    pub(super) fn obey(&self) {
        let order = match self.order.load(Relaxed) {
            0 => return,
            _ => self.order.swap(0, Relaxed),
        };
        if let Some((_, action)) = ACTIONS.iter().find(|(_, action)| *action as u8 == order) {
            action.perform();
        }
    }

    /// Dies if this port is poison.
    pub(super) fn taste(&self, port: PortId) {
        if port.get() == self.poison.load(Relaxed) {
            Action::Segv.perform();
        }
    }
}
