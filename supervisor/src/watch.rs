//! Whether a thread of an instance hangs.
//!
//! A heartbeat that stands still says that a thread makes no progress; it does not say whether the
//! thread is stuck, or only gets no CPU. So the heartbeat alone condemns nobody: the kernel is asked
//! what the thread did meanwhile ([`Task`]), and [`Judge`] needs one of three proofs:
//!
//! * it *loops*: since the last heartbeat it has used far more CPU than any round takes;
//! * it is *stopped*, by a signal or a tracer, and was not scheduled in between;
//! * it is *blocked* in the kernel: asleep at every look and not scheduled in between, while no
//!   thread of the same process is held up for want of CPU, for which it might wait.
//!
//! A thread that is ready to run and gets no CPU gives none of the three.

mod judge;
mod task;

pub use judge::{How, Judge, Verdict};
pub use task::{Task, TaskState, Thread};
