//! DPDK's log: to stderr, and the latest of it kept to explain a call that fails.

use std::ffi::{c_char, c_void};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Messages;

/// How much of the log is kept, in bytes. A failing start writes less than 1 KiB.
const KEPT: usize = 8192;

/// Receives DPDK's log. Lives as long as the process, because so may DPDK's threads.
#[derive(Debug, Default)]
pub(super) struct LogTap {
    kept: Mutex<Vec<u8>>,
}

impl LogTap {
    /// Sends DPDK's log here from now on. `None` when memory is short.
    pub(super) fn install() -> Option<&'static LogTap> {
        let tap: &'static LogTap = Box::leak(Box::default());
        let context = std::ptr::from_ref(tap).cast_mut().cast::<c_void>();
        // SAFETY: `receive` takes the context for a LogTap, which it is, for ever.
        let rc = unsafe { dpdk_sys::dpdk_sys_log_to(context, Some(receive)) };
        (rc == 0).then_some(tap)
    }

    /// Runs `call` and returns beside its result what DPDK wrote meanwhile, on any thread.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> (T, Messages) {
        self.kept().clear();
        let result = call();
        let text = String::from_utf8_lossy(&self.kept()).into_owned();
        (result, Messages(text))
    }

    fn keep(&self, text: &[u8]) {
        let mut kept = self.kept();
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `cookie_write_function_t` (fopencookie(3)): takes everything, always.
unsafe extern "C" fn receive(context: *mut c_void, text: *const c_char, length: usize) -> isize {
    // SAFETY: `install` passed a LogTap that lives for ever and is only used by shared reference;
    // the C library passes `length` readable bytes.
    let (tap, text) = unsafe {
        (
            &*context.cast::<LogTap>(),
            std::slice::from_raw_parts(text.cast::<u8>(), length),
        )
    };
    tap.keep(text);
    // A log that nobody can read must not stop the switch.
    let _ = std::io::stderr().write_all(text);
    length.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_during_the_call_is_kept_and_not_without_limit() {
        let tap = LogTap::default();
        tap.keep(b"before");
        let ((), messages) = tap.during(|| tap.keep(b"meanwhile"));
        assert_eq!(messages.0, "meanwhile");
        let ((), messages) = tap.during(|| (0..KEPT).for_each(|_| tap.keep(b"abc")));
        assert_eq!(messages.0.len(), KEPT);
    }
}
