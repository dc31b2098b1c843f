//! What the flags of the two ports say about which one is in use.

use crate::Side;
use crate::netlink::bridge::PortFlags;

/// The port in use.
pub(super) const SERVING: PortFlags = PortFlags {
    learning: true,
    flood: true,
    all_groups: true,
};
/// The port that is left, while its addresses move.
pub(super) const LEAVING: PortFlags = PortFlags {
    learning: false,
    ..SERVING
};
/// The other port: only addresses that somebody put there by hand lead to it.
pub(super) const RESTING: PortFlags = PortFlags {
    learning: false,
    flood: false,
    all_groups: false,
};
/// As the kernel makes a port.
pub(super) const FRESH: PortFlags = PortFlags {
    learning: true,
    flood: true,
    all_groups: false,
};

/// The side in use, as the flags of `a` and `b` have it: `Ok(None)` when neither was ever steered to.
/// A move that was cut short still tells. `Err`: no move leaves the ports like this.
pub(super) fn side(a: PortFlags, b: PortFlags) -> Result<Option<Side>, ()> {
    match (a, b) {
        (FRESH, FRESH) => Ok(None),
        (SERVING, SERVING) => Err(()),
        (SERVING, RESTING | FRESH | LEAVING) => Ok(Some(Side::A)),
        (RESTING | FRESH | LEAVING, SERVING) => Ok(Some(Side::B)),
        (LEAVING, RESTING | FRESH) => Ok(Some(Side::A)),
        (RESTING | FRESH, LEAVING) => Ok(Some(Side::B)),
        (_, _) => Err(()),
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
            assert_eq!(side(a, b), Ok(Some(expected)), "{a:?} {b:?}");
            assert_eq!(side(b, a), Ok(Some(expected.other())), "{b:?} {a:?}");
        }
    }

    #[test]
    fn a_port_that_was_made_anew_is_not_in_use() {
        assert_eq!(side(FRESH, FRESH), Ok(None));
        assert_eq!(side(SERVING, FRESH), Ok(Some(Side::A)));
        assert_eq!(side(FRESH, LEAVING), Ok(Some(Side::B)));
    }

    #[test]
    fn two_ports_in_use_and_two_at_rest_are_somebody_elses_doing() {
        for (a, b) in [(SERVING, SERVING), (RESTING, RESTING), (LEAVING, LEAVING)] {
            assert_eq!(side(a, b), Err(()), "{a:?} {b:?}");
        }
    }
}
