//! Ctrl-C: a program stops where it waits next, and everything it made goes as usual.

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at the flag, and at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ctrl-C, or SIGTERM.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; everything that it started has ended")]
pub struct Interrupted;

impl Interrupted {
    /// What a process should end with that was interrupted: 128 + SIGINT.
    pub const EXIT_STATUS: u8 = 130;
}

/// Whether a signal asked the program to end. The default is never to be.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGQUIT do not end the process, but only the first time.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn on_signals() -> io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS {
            flag::register_conditional_shutdown(
                *signal,
                Interrupted::EXIT_STATUS.into(),
                raised.clone(),
            )?;
            flag::register(*signal, raised.clone())?;
        }
        Ok(Self(raised))
    }

    /// Whether it came.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        match self.raised() {
            true => Err(Interrupted),
            false => Ok(()),
        }
    }

    /// # Errors
    /// [`Interrupted`].
    pub fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        self.wait_until(time, || false).map(drop)
    }

    /// Waits until `done`, for `limit` at most, and returns whether it is.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn wait_until(
        &self,
        limit: Duration,
        mut done: impl FnMut() -> bool,
    ) -> Result<bool, Interrupted> {
        let until = Instant::now() + limit;
        loop {
            self.check()?;
            if done() {
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

    fn interrupt(raised: bool) -> Interrupt {
        Interrupt(Arc::new(AtomicBool::new(raised)))
    }

    #[test]
    fn a_wait_ends_when_it_is_done_or_late() {
        let calm = interrupt(false);
        assert!(calm.wait_until(Duration::from_secs(60), || true).unwrap());
        assert!(!calm.wait_until(Duration::ZERO, || false).unwrap());
        calm.sleep(Duration::from_millis(1)).unwrap();
    }

    #[test]
    fn an_interrupted_wait_is_an_error() {
        let waited = interrupt(true).wait_until(Duration::from_secs(60), || false);
        assert!(waited.is_err());
    }
}
