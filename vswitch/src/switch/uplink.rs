//! The port that leads to the NIC.

use super::ears::Ears;
use crate::dpdk::{Mbuf, MbufBatch, Mempool, RxQueue, TxQueue, Unsupported};
use crate::ring::{Frame, Segment};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Packets that a lane takes from a ring or from the uplink at once: all that it has in hand.
pub const BURST: usize = 32;
/// More than receive rings hold: what comes behind has not strayed.
const DISCARD_LIMIT: u64 = 1 << 15;
/// Attempts to hand a batch to a NIC that is full.
const SEND_ATTEMPTS: usize = 64;
/// How long packets that were handed to the NIC may take to leave it.
pub const FLUSH_LIMIT: Duration = Duration::from_millis(50);

/// One queue pair, shared by the lanes: the first lane alone receives, all of them send. Closed, it
/// receives nothing, and drops what it is to send.
#[derive(Debug)]
pub struct UplinkPort {
    receive: Mutex<Option<RxQueue>>,
    transmit: Mutex<Option<Transmit>>,
    is_awaited: AtomicBool,
    pool: Mempool,
    ears: Ears,
}

#[derive(Debug)]
struct Transmit {
    queue: TxQueue,
    batch: MbufBatch<BURST>,
}

impl UplinkPort {
    /// A closed port; packets to send come from `pool`, and nothing else does, and `ears` find probes in
    /// what is received.
    pub fn closed(pool: Mempool, ears: Ears) -> Self {
        Self {
            receive: Mutex::default(),
            transmit: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            pool,
            ears,
        }
    }

    /// Has a queue pair from now on, and nobody waits for it any more. What is in its ring already is
    /// thrown away: a packet socket has got what passed on every netdev until it was bound to its own.
    pub fn open(&self, mut receive: RxQueue, transmit: TxQueue) {
        discard(&mut receive, &self.ears);
        *self.receiver() = Some(receive);
        *self.transmit() = Some(Transmit {
            queue: transmit,
            batch: MbufBatch::new(),
        });
        self.is_awaited.store(false, SeqCst);
    }

    /// Gives the queue pair up, when what was handed to the NIC has left it.
    pub fn close(&self) {
        self.send();
        self.flush(std::hint::spin_loop);
        *self.receiver() = None;
        *self.transmit() = None;
    }

    /// While the port is awaited, lanes leave guests' packets where they are: to take them would be
    /// to drop those for the NIC.
    pub fn is_awaited(&self) -> bool {
        self.is_awaited.load(SeqCst)
    }

    /// The port will be open soon, or will not be.
    pub fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, SeqCst);
    }

    /// Adds what has arrived to `batch`, probes too; how many.
    pub fn receive(&self, batch: &mut MbufBatch<BURST>) -> usize {
        let mut receiver = self.receiver();
        let count = receiver.as_mut().map_or(0, |queue| queue.burst(batch));
        self.ears.count(count);
        count
    }

    /// Whether a packet that was received is a probe, and none to be forwarded.
    #[inline]
    pub fn takes_probe(&self, mbuf: &Mbuf) -> bool {
        self.ears.take(mbuf)
    }

    /// Throws away what has arrived, and no more than a receive ring holds; how many packets that are
    /// no probes.
    pub fn discard(&self) -> u64 {
        let mut receiver = self.receiver();
        let receiver = receiver.as_mut();
        receiver.map_or(0, |queue| discard(queue, &self.ears))
    }

    /// Copies `frame` into the batch to be sent; how many packets were dropped for it.
    pub fn push(&self, frame: &Frame) -> u64 {
        let Some(mut mbuf) = self.pool.alloc() else {
            return 1;
        };
        let Some(space) = mbuf.append(frame.len() as usize) else {
            return 1;
        };
        // SAFETY: `space` has the frame's length, and is memory of our own that no guest has.
        unsafe { frame.copy_to(NonNull::from(space).cast()) };
        let mut transmit = self.transmit();
        let Some(transmit) = transmit.as_mut() else {
            return 1;
        };
        let Err(mbuf) = transmit.batch.push(mbuf) else {
            return 0;
        };
        let dropped = transmit.send();
        let full = transmit.batch.push(mbuf).is_err();
        dropped + u64::from(full)
    }

    /// Sends the batch; how many packets the NIC did not take.
    pub fn send(&self) -> u64 {
        self.transmit().as_mut().map_or(0, Transmit::send)
    }

    /// Waits until what was sent has left the host, for two uplinks share the wire, and what is
    /// still queued here could be overtaken there; calls `meanwhile` again and again, and keeps no
    /// other lane from sending. Bounded: a NIC that does not finish must not hold up a handover.
    ///
    /// False when packets are still queued. A driver that cannot tell counts as one that sends at once.
    pub fn flush(&self, mut meanwhile: impl FnMut()) -> bool {
        let until = Instant::now() + FLUSH_LIMIT;
        while !self.has_sent_all() {
            if Instant::now() >= until {
                return false;
            }
            meanwhile();
        }
        true
    }

    fn has_sent_all(&self) -> bool {
        let mut transmit = self.transmit();
        let answer = transmit
            .as_mut()
            .map(|it| it.queue.has_sent_all(&self.pool));
        match answer {
            Some(Ok(sent)) => sent,
            Some(Err(Unsupported(_))) | None => true,
        }
    }

    fn receiver(&self) -> MutexGuard<'_, Option<RxQueue>> {
        self.receive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transmit(&self) -> MutexGuard<'_, Option<Transmit>> {
        self.transmit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn discard(queue: &mut RxQueue, ears: &Ears) -> u64 {
    let mut batch = MbufBatch::<BURST>::new();
    let (mut taken, mut discarded) = (0, 0);
    while taken < DISCARD_LIMIT {
        let count = queue.burst(&mut batch);
        if count == 0 {
            break;
        }
        ears.count(count);
        taken += count as u64;
        discarded += batch.iter().filter(|mbuf| !ears.take(mbuf)).count() as u64;
        batch.clear();
    }
    discarded
}

impl Transmit {
    fn send(&mut self) -> u64 {
        for _ in 0..SEND_ATTEMPTS {
            if self.batch.is_empty() {
                return 0;
            }
            self.queue.burst(&mut self.batch);
        }
        let dropped = self.batch.len() as u64;
        self.batch.clear();
        dropped
    }
}

/// Lists the segments of a received packet; false when it has too many.
pub(super) fn list(mbuf: &crate::dpdk::Mbuf, frame: &mut Frame) -> bool {
    frame.clear();
    mbuf.segments().all(|data| {
        frame.push(Segment {
            at: NonNull::from(data).cast(),
            len: data.len() as u32,
        })
    })
}
