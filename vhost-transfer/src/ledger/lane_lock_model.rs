//! A lane lock for loom: as a robust mutex behaves, and nothing of how.

use super::Predecessor;
use crate::sync::mortal;
use loom::sync::{Condvar, Mutex};
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

/// A lock whose owner may die.
#[derive(Debug)]
pub struct LaneLock {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free(Predecessor),
    Held,
}

impl Default for LaneLock {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::Free(Predecessor::Released)),
            freed: Condvar::new(),
        }
    }
}

/// Holds the lane until dropped, by the same thread.
#[derive(Debug)]
pub struct LaneGuard<'a> {
    lock: &'a LaneLock,
    /// How the lane was found.
    pub predecessor: Predecessor,
    not_send: PhantomData<*const ()>,
}

impl LaneLock {
    /// Takes the lane. It waits as long as it takes: time is nothing that loom knows of, and a lane
    /// that nobody lets go is found as a deadlock.
    ///
    /// # Errors
    /// None.
    pub fn acquire(&self, _: Duration) -> io::Result<Option<LaneGuard<'_>>> {
        mortal::step();
        let mut state = self.lock();
        loop {
            if let Some(guard) = self.take(&mut state) {
                return Ok(Some(guard));
            }
            state = self.freed.wait(state).expect("nobody dies with it");
        }
    }

    /// Takes the lane if nobody holds it.
    ///
    /// # Errors
    /// None.
    pub fn try_acquire(&self) -> io::Result<Option<LaneGuard<'_>>> {
        mortal::step();
        Ok(self.take(&mut self.lock()))
    }

    /// Its thread has ended.
    pub(crate) fn owner_died(&self) {
        self.free(Predecessor::Died);
    }

    /// # Safety
    /// The calling thread holds the lock.
    pub(super) unsafe fn unlock(&self) {
        mortal::step();
        mortal::lets_go(self);
        self.free(Predecessor::Released);
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody dies with it")
    }

    fn take(&self, state: &mut State) -> Option<LaneGuard<'_>> {
        let State::Free(predecessor) = *state else {
            return None;
        };
        *state = State::Held;
        mortal::took(self);
        Some(LaneGuard {
            lock: self,
            predecessor,
            not_send: PhantomData,
        })
    }

    fn free(&self, how: Predecessor) {
        *self.lock() = State::Free(how);
        self.freed.notify_all();
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        if !mortal::is_dead() {
            // SAFETY: this thread took the lock.
            unsafe { self.lock.unlock() };
        }
    }
}
