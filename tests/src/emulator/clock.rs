//! CLOCK_MONOTONIC in nanoseconds: the one time of all reports, comparable between processes of a host.

use nix::time::{ClockId, clock_gettime};

/// A point of CLOCK_MONOTONIC in nanoseconds.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// The time now.
pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC always exists");
    time.tv_sec() as Nanos * SECOND + time.tv_nsec() as Nanos
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First nanosecond.
    pub from: Nanos,
    /// Last nanosecond.
    pub until: Nanos,
}

impl Window {
    /// All of time.
    pub const EVER: Window = Window {
        from: 0,
        until: Nanos::MAX,
    };

    /// The window between two points.
    pub fn new(from: Nanos, until: Nanos) -> Self {
        Self { from, until }
    }

    /// Length in nanoseconds.
    pub fn length(&self) -> Nanos {
        self.until.saturating_sub(self.from)
    }

    /// The window cut into whole pieces of `step` nanoseconds; a shorter rest is left out.
    pub fn split(self, step: Nanos) -> impl Iterator<Item = Window> {
        let pieces = self.length() / step;
        (0..pieces)
            .map(move |piece| Window::new(self.from + piece * step, self.from + (piece + 1) * step))
    }

    /// Whether the two windows share a point.
    pub fn overlaps(&self, other: &Window) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_into_whole_pieces() {
        let pieces: Vec<Window> = Window::new(10, 35).split(10).collect();
        assert_eq!(pieces, [Window::new(10, 20), Window::new(20, 30)]);
    }

    #[test]
    fn windows_overlap_when_they_share_a_point() {
        let window = Window::new(10, 20);
        assert!(window.overlaps(&Window::new(20, 30)));
        assert!(window.overlaps(&Window::new(0, 10)));
        assert!(window.overlaps(&Window::EVER));
        assert!(!window.overlaps(&Window::new(21, 30)));
        assert!(!window.overlaps(&Window::new(0, 9)));
    }
}
