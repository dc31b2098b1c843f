//! Ctrl-C: the demo stops where it waits next, and everything it made goes as usual.

use super::{Error, Result};
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at the flag, and at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Exit status after a second signal, for who has no patience: 128 + SIGINT.
const AT_ONCE: i32 = 130;

/// Whether a signal asked the demo to end. The default is never to be.
#[derive(Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGQUIT do not end the process, but only the first time.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn on_signals() -> io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS {
            flag::register_conditional_shutdown(*signal, AT_ONCE, raised.clone())?;
            flag::register(*signal, raised.clone())?;
        }
        Ok(Self(raised))
    }

    /// Whether it came.
    pub(super) fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ctrl-C also ends the supervisor, so that much may fail afterwards.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.raised() {
            true => Error::Interrupted,
            false => error,
        }
    }

    pub(super) fn sleep(&self, time: Duration) -> Result<()> {
        self.wait_until(time, || Ok(false)).map(drop)
    }

    /// Waits until `done`, for `limit` at most, and returns whether it is.
    pub(super) fn wait_until(
        &self,
        limit: Duration,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let until = Instant::now() + limit;
        loop {
            if self.raised() {
                return Err(Error::Interrupted);
            }
            if done()? {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_it_is_done_or_late_or_interrupted() {
        let long = Duration::from_secs(60);
        let interrupt = Interrupt::default();
        assert!(interrupt.wait_until(long, || Ok(true)).unwrap());
        assert!(!interrupt.wait_until(Duration::ZERO, || Ok(false)).unwrap());
        interrupt.0.store(true, Ordering::Relaxed);
        assert!(matches!(interrupt.sleep(long), Err(Error::Interrupted)));
    }
}
