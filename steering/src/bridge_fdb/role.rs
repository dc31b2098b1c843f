//! What the flags of the two ports say about which one is in use.

use crate::Side;
use crate::netlink::bridge::PortFlags;

/// The port in use, and a port as the kernel makes it.
pub(super) const SERVING: PortFlags = PortFlags {
    learning: true,
    flood: true,
};
/// The port that is left, while its addresses move.
pub(super) const LEAVING: PortFlags = PortFlags {
    learning: false,
    flood: true,
};
/// The other port: only addresses that somebody put there by hand lead to it. A port that is gone is
/// at rest.
pub(super) const RESTING: PortFlags = PortFlags {
    learning: false,
    flood: false,
};

/// What two ports say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// This side is in use. A move that was cut short tells it, too.
    Side(Side),
    /// Both are as the kernel makes them: neither was steered to, or the one at rest is new.
    Both,
    /// Somebody else changed them.
    Strange,
}

/// Reads the flags of `a` and `b`.
pub(super) fn read(a: PortFlags, b: PortFlags) -> Reading {
    match (a, b) {
        (SERVING, SERVING) => Reading::Both,
        (SERVING, RESTING | LEAVING) | (LEAVING, RESTING) => Reading::Side(Side::A),
        (RESTING | LEAVING, SERVING) | (RESTING, LEAVING) => Reading::Side(Side::B),
        (_, _) => Reading::Strange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What steering from one side to the other leaves, step by step.
    #[test]
    fn every_step_of_a_move_tells_the_side() {
        let to_b = [
            (SERVING, RESTING, Side::A),
            (LEAVING, RESTING, Side::A),
            (LEAVING, SERVING, Side::B),
            (RESTING, SERVING, Side::B),
        ];
        for (a, b, expected) in to_b {
            assert_eq!(read(a, b), Reading::Side(expected), "{a:?} {b:?}");
            let mirrored = Reading::Side(expected.other());
            assert_eq!(read(b, a), mirrored, "{b:?} {a:?}");
        }
    }

    #[test]
    fn ports_that_the_kernel_has_just_made_tell_nothing() {
        assert_eq!(read(SERVING, SERVING), Reading::Both);
    }

    #[test]
    fn two_ports_at_rest_are_somebody_elses_doing() {
        let deaf = PortFlags {
            learning: true,
            flood: false,
        };
        for (a, b) in [(RESTING, RESTING), (LEAVING, LEAVING), (deaf, SERVING)] {
            assert_eq!(read(a, b), Reading::Strange, "{a:?} {b:?}");
        }
    }
}
