//! The robust, process-shared mutex that makes a lane's owner the only one.
//!
//! When the owner dies the kernel marks the mutex and wakes the waiter while the dead process is
//! still being taken apart (Linux `kernel/futex/core.c`, `exit_robust_list`).
//!
//! Trust: a thread's list of held locks leads through the mutex, so who can write the ledger can
//! make a process that locks in it write elsewhere. The two instances trust each other so far; the
//! supervisor must not, and never locks.

use super::Predecessor;
use nix::time::{ClockId, clock_gettime};
use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

unsafe extern "C" {
    /// glibc 2.30, not in the libc crate yet: as pthread_mutex_timedlock(3), by a clock that nobody sets.
    fn pthread_mutex_clocklock(
        mutex: *mut libc::pthread_mutex_t,
        clock: libc::clockid_t,
        until: *const libc::timespec,
    ) -> libc::c_int;
}

/// A lock in shared memory. Only the thread that took it may let it go.
#[repr(C, align(64))]
pub struct LaneLock {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
}

// SAFETY: a pthread mutex is made to be used by many threads.
unsafe impl Sync for LaneLock {}

impl std::fmt::Debug for LaneLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaneLock")
    }
}

/// Holds the lane until dropped, by the same thread.
///
/// Dropping wakes the waiter but does not hand the lane to it: who tries again at once may be
/// faster, so wait first until the successor has begun its term. A forgotten guard is found as
/// [`Predecessor::Died`] when its thread ends.
#[derive(Debug)]
pub struct LaneGuard<'a> {
    lock: &'a LaneLock,
    /// How the lane was found.
    pub predecessor: Predecessor,
    not_send: PhantomData<*const ()>,
}

impl LaneLock {
    /// Makes the mutex: robust and process-shared.
    pub(super) fn initialise(&self) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attr = attributes.as_mut_ptr();
        // SAFETY: `attr` is initialised by the first call and destroyed by the last; the mutex lies
        // in fresh shared memory that nobody else has seen yet.
        unsafe {
            check(libc::pthread_mutexattr_init(attr))?;
            check(libc::pthread_mutexattr_setpshared(
                attr,
                libc::PTHREAD_PROCESS_SHARED,
            ))?;
            check(libc::pthread_mutexattr_setrobust(
                attr,
                libc::PTHREAD_MUTEX_ROBUST,
            ))?;
            check(libc::pthread_mutex_init(self.mutex.get(), attr))?;
            check(libc::pthread_mutexattr_destroy(attr))
        }
    }

    /// Takes the lane, waiting at most for `limit`; `None` when it is still held then.
    ///
    /// # Errors
    /// Those of pthread_mutex_clocklock(3), but time-out and a dead owner. ENOTRECOVERABLE cannot
    /// come: who finds the owner dead makes the mutex consistent before anything else.
    pub fn acquire(&self, limit: Duration) -> io::Result<Option<LaneGuard<'_>>> {
        let until = deadline(limit)?;
        // SAFETY: the mutex was initialised before the ledger got its version.
        self.taken(unsafe {
            pthread_mutex_clocklock(self.mutex.get(), libc::CLOCK_MONOTONIC, &until)
        })
    }

    /// Takes the lane if nobody holds it.
    ///
    /// # Errors
    /// Those of pthread_mutex_trylock(3), but a held lock and a dead owner.
    pub fn try_acquire(&self) -> io::Result<Option<LaneGuard<'_>>> {
        // SAFETY: as above.
        self.taken(unsafe { libc::pthread_mutex_trylock(self.mutex.get()) })
    }

    /// The thread that holds the lane, as gettid(2) names it, for who watches and does not lock.
    ///
    /// A pthread mutex of Linux begins with its futex word, and that of a robust one has the
    /// owner's thread id in its low bits by the kernel's own rule (Linux
    /// Documentation/locking/robust-futex-ABI.rst).
    pub fn holder(&self) -> Option<i32> {
        const TID: u32 = 0x3fff_ffff; // FUTEX_TID_MASK of linux/futex.h
        // SAFETY: the word is aligned and lives as long as the mutex, and everybody, the kernel
        // included, changes it atomically.
        let word = unsafe { AtomicU32::from_ptr(self.mutex.get().cast()) }.load(Ordering::Relaxed);
        let thread = (word & TID).cast_signed();
        (thread != 0).then_some(thread)
    }

    fn taken(&self, outcome: i32) -> io::Result<Option<LaneGuard<'_>>> {
        match outcome {
            0 => Ok(Some(self.guard(Predecessor::Released))),
            libc::EOWNERDEAD => {
                // SAFETY: this thread has just got the mutex, in the inconsistent state that this call ends.
                check(unsafe { libc::pthread_mutex_consistent(self.mutex.get()) })?;
                Ok(Some(self.guard(Predecessor::Died)))
            }
            libc::ETIMEDOUT | libc::EBUSY => Ok(None),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// # Safety
    /// The calling thread holds the lock.
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: the caller's promise; unlocking one's own mutex does not fail.
        unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
    }

    fn guard(&self, predecessor: Predecessor) -> LaneGuard<'_> {
        LaneGuard {
            lock: self,
            predecessor,
            not_send: PhantomData,
        }
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: this thread took the mutex, and a guard cannot leave it.
        unsafe { self.lock.unlock() };
    }
}

fn check(outcome: i32) -> io::Result<()> {
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(outcome))
    }
}

/// Now and `limit`, as late as can be told when that is later than any clock tells.
fn deadline(limit: Duration) -> io::Result<libc::timespec> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    let until = now.saturating_add(limit);
    Ok(libc::timespec {
        tv_sec: until.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: until.subsec_nanos().into(),
    })
}
