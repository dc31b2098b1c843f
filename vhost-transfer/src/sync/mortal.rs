//! Threads that a test lets die before any step they take: what SIGKILL does to a thread, seen from
//! those that live on.
//!
//! A step is one access to an atomic, or a call of [`step`]. A thread that dies unwinds up to
//! [`dies_at`] and runs nothing of ours on its way; then what the kernel does for a dead thread is done: its
//! robust locks are marked and freed (Linux `kernel/futex/core.c`, `exit_robust_list`).

use crate::ledger::LaneLock;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// The payload of the unwinding of a thread that dies.
struct Death;

loom::thread_local! {
    /// Steps that the thread has left; `None`: it lives.
    static STEPS: Cell<Option<u32>> = Cell::new(None);
    /// As the list that a thread registers with set_robust_list(2).
    static LOCKS: RefCell<Vec<NonNull<LaneLock>>> = RefCell::new(Vec::new());
}

/// Runs `life`, and lets the thread die before its step number `limit`; `None` when it did. By then it
/// has spoken its `last_words`, as a handler of a fatal signal does.
pub fn dies_at<T>(limit: u32, life: impl FnOnce() -> T, last_words: impl FnOnce()) -> Option<T> {
    STEPS.with(|steps| steps.set(Some(limit)));
    let outcome = catch_unwind(AssertUnwindSafe(life));
    STEPS.with(|steps| steps.set(None));
    match outcome {
        Ok(lived) => Some(lived),
        Err(payload) if payload.is::<Death>() => {
            last_words();
            for lock in LOCKS.with(RefCell::take) {
                // SAFETY: a lock is in the list while its guard borrows it, or since its thread died
                // with that guard; a test's locks live as long as its threads.
                unsafe { lock.as_ref() }.owner_died();
            }
            None
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// Here the thread may die.
pub fn step() {
    let left = STEPS.with(Cell::get);
    if left == Some(0) {
        resume_unwind(Box::new(Death));
    }
    STEPS.with(|steps| steps.set(left.map(|left| left - 1)));
}

/// Here the thread does die, if it is mortal.
pub fn die() {
    STEPS.with(|steps| steps.set(Some(0)));
    step();
}

/// The thread is dying, and its guards let go of nothing.
pub(crate) fn is_dead() -> bool {
    STEPS.with(Cell::get) == Some(0) && std::thread::panicking()
}

pub(crate) fn took(lock: &LaneLock) {
    LOCKS.with(|locks| locks.borrow_mut().push(NonNull::from(lock)));
}

pub(crate) fn lets_go(lock: &LaneLock) {
    LOCKS.with(|locks| {
        locks
            .borrow_mut()
            .retain(|&held| held != NonNull::from(lock))
    });
}

macro_rules! mortal {
    ($name:ident, $value:ty, $($call:ident)*) => {
        /// loom's atomic of this name; each access is a step.
        #[derive(Debug, Default)]
        pub struct $name(loom::sync::atomic::$name);

        #[expect(missing_docs, reason = "as std's")]
        impl $name {
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub fn load(&self, order: Ordering) -> $value {
                step();
                self.0.load(order)
            }

            pub fn store(&self, value: $value, order: Ordering) {
                step();
                self.0.store(value, order);
            }

            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(old, new, success, failure)
            }

            $(
                pub fn $call(&self, value: $value, order: Ordering) -> $value {
                    step();
                    self.0.$call(value, order)
                }
            )*
        }
    };
}

mortal!(AtomicBool, bool, swap);
mortal!(AtomicI32, i32, swap);
mortal!(AtomicU16, u16, swap fetch_add fetch_sub);
mortal!(AtomicU32, u32, swap fetch_add fetch_sub);
mortal!(AtomicU64, u64, swap fetch_add fetch_sub);
