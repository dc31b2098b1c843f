//! The order of windows with and without a promote.

/// What happens in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The standby is promoted.
    Promote,
    /// Nothing.
    Quiet,
}

/// `pairs` times one of each, in an order that chance decides anew for each pair. So whatever
/// drifts on the machine drifts under both alike, and no rhythm of it meets one kind alone.
pub(super) fn interleaved(pairs: usize, seed: u64) -> impl Iterator<Item = Kind> {
    let mut chance = fastrand::Rng::with_seed(seed);
    (0..pairs).flat_map(move |_| match chance.bool() {
        true => [Kind::Promote, Kind::Quiet],
        false => [Kind::Quiet, Kind::Promote],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_one_of_each_and_both_orders_come() {
        let order: Vec<_> = interleaved(100, 1).collect();
        assert_eq!(order.len(), 200);
        let pairs = order.chunks(2);
        assert!(pairs.clone().all(|pair| pair[0] != pair[1]));
        let promote_first = pairs.filter(|pair| pair[0] == Kind::Promote).count();
        assert!((30..=70).contains(&promote_first), "{promote_first}");
    }

    #[test]
    fn a_seed_is_an_order() {
        let order = |seed| interleaved(50, seed).collect::<Vec<_>>();
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }
}
