//! The clock of the machine.

use std::arch::x86_64::_rdtsc;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a part in 10,000, whatever the scheduler does at its ends: it is late there by less
/// than a millisecond mostly, and the ticks of that time are counted, too.
const SPAN: Duration = Duration::from_millis(100);

/// What the time stamp counter of this host counts in a millisecond. QEMU gives it to its guest as it
/// is (`cpu_get_tsc`), but a kernel that calibrates it on a busy host is wrong by a factor.
pub(super) fn tsc_khz() -> u64 {
    let (ticks, time) = (counter(), Instant::now());
    thread::sleep(SPAN);
    let (ticks, time) = (counter() - ticks, time.elapsed());
    (u128::from(ticks) * 1_000_000 / time.as_nanos()) as u64
}

fn counter() -> u64 {
    // SAFETY: every x86-64 CPU has this instruction, and Linux allows it unless a process forbids it to
    // itself (prctl(2), PR_SET_TSC).
    unsafe { _rdtsc() }
}
