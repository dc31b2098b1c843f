//! Counts what this thread holds on the heap, so that tests can bound what a decoder takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work; counting touches only this thread's cells, which
// need no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(address, layout) }
    }
}

fn note(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    PEAK.set(PEAK.get().max(HELD.get()));
}

/// The most bytes that this thread held on top of what it held before, while `work` ran.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    drop(work());
    usize::try_from(PEAK.get() - before).expect("the peak is not below the start")
}

#[test]
fn the_counter_counts() {
    let peak = peak_of(|| vec![1u8; 10_000]);
    assert!((10_000..20_000).contains(&peak), "{peak}");
}
