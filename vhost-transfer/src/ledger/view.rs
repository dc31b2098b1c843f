//! The ledger for who only watches: a mapping through which nothing can be changed.

use super::layout::Layout;
use super::shared::{check_shape, check_version};
use super::{LaneSlot, LedgerError, mapping};
use crate::Term;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::*;
use std::sync::atomic::fence;

/// A read-only mapping of the ledger. It stays mapped until the process ends.
#[derive(Debug, Clone, Copy)]
pub struct LedgerView {
    mapping: &'static Layout,
}

/// What a lane's slot says in one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneView {
    /// When the lane last went round. CLOCK_MONOTONIC, ns.
    pub heartbeat: u64,
    /// Number of the port whose ring the lane is serving, [`crate::PortId::UPLINK`]'s: none.
    pub serving: u32,
    /// The thread that went round last, as gettid(2) names it; 0: none ever did.
    pub thread: i32,
    /// The thread that holds the lane's lock.
    pub holder: Option<i32>,
}

impl LedgerView {
    /// The ledger behind `fd`, which needs to be open for reading only.
    ///
    /// # Errors
    /// [`LedgerError::Shape`] and [`LedgerError::Version`] when it is not one of ours.
    pub fn open(fd: OwnedFd) -> Result<Self, LedgerError> {
        check_version(&fd)?;
        check_shape(&fd)?;
        let mapping = mapping::map_to_read(fd.as_fd())?;
        Ok(Self { mapping })
    }

    /// The term that runs, or ran last. What is read after it is no older than it.
    pub fn term(&self) -> Term {
        self.mapping.handover.term()
    }

    /// The slot of a lane, `None` when there is none of this number.
    pub fn lane(&self, lane: u16) -> Option<LaneView> {
        self.mapping.lanes.get(usize::from(lane)).map(LaneView::of)
    }
}

/// Each word is read after those before it.
impl LaneView {
    fn of(slot: &LaneSlot) -> Self {
        let heartbeat = slot.heartbeat();
        fence(Acquire);
        let serving = slot.serving.load(Relaxed);
        fence(Acquire);
        let thread = slot.thread.load(Relaxed);
        fence(Acquire);
        let holder = slot.lock.holder();
        fence(Acquire);
        Self {
            heartbeat,
            serving,
            thread,
            holder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ledger;
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    /// As another process opens it, for reading only.
    fn view_of(ledger: &Ledger) -> LedgerView {
        let path = format!("/proc/self/fd/{}", ledger.fd().as_raw_fd());
        LedgerView::open(File::open(path).unwrap().into()).unwrap()
    }

    #[test]
    fn what_is_written_is_seen() {
        let ledger = Ledger::create().unwrap();
        let view = view_of(&ledger);
        assert_eq!(view.lane(0).unwrap().holder, None);
        // SAFETY: gettid(2) has no arguments and always succeeds.
        let me = unsafe { libc::gettid() };
        let slot = ledger.lane(0);
        let held = slot.lock.acquire(Duration::ZERO).unwrap();
        slot.beat(77);
        slot.serving.store(3, Relaxed);
        slot.thread.store(5, Relaxed);
        ledger.handover().begin(Term(9));
        let seen = LaneView {
            heartbeat: 77,
            serving: 3,
            thread: 5,
            holder: Some(me),
        };
        assert_eq!((view.lane(0), view.term()), (Some(seen), Term(9)));
        assert_eq!(view.lane(crate::MAX_LANES), None);
        drop(held);
        assert_eq!(view.lane(0).unwrap().holder, None);
    }

    #[test]
    fn what_is_no_ledger_is_refused() {
        let file = File::open("/proc/self/exe").unwrap();
        assert!(LedgerView::open(file.into()).is_err());
    }
}
