//! What a row of measured values says, and whether two rows could be of one kind.
//!
//! ```
//! use vswsup_tests::statistics::{Summary, two_sample};
//!
//! let quiet = [10.0, 11.0, 12.0, 13.0];
//! let moved = [20.0, 21.0, 22.0, 23.0];
//! assert_eq!(Summary::of(&quiet).unwrap().median, 11.5);
//! assert!(two_sample(&quiet, &moved).unwrap().p_value < 0.05);
//! ```

use serde::Serialize;

/// Median, 99th percentile and maximum, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Half of the values are below; of an even number the mean of the middle two.
    pub median: f64,
    /// The smallest value that at least 99 % of the values do not exceed.
    pub p99: f64,
    /// The largest value.
    pub max: f64,
}

impl Summary {
    /// The summary of `values`, in any order; none of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            median: median(&sorted)?,
            p99: nearest_rank(&sorted, 0.99)?,
            max: *sorted.last()?,
        })
    }
}

/// How far two samples are apart, and how likely chance alone puts two samples of one kind so far apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Largest distance between the two empirical distribution functions, 0 to 1.
    pub distance: f64,
    /// Probability of this distance or a larger one when both samples come from one distribution.
    /// Below 0.05 or so they can be told apart.
    pub p_value: f64,
}

/// The two-sample Kolmogorov-Smirnov test, two-sided; none when a sample is empty.
///
/// The p value is exact for values without ties and too large, never too small, with them. It takes
/// `one.len() * other.len()` steps (J. L. Hodges, "The significance probability of the Smirnov two-sample
/// test", 1958: count the lattice paths that stay near the diagonal).
pub fn two_sample(one: &[f64], other: &[f64]) -> Option<Difference> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let lead = largest_lead(&sorted(one), &sorted(other));
    let (n, m) = (one.len(), other.len());
    Some(Difference {
        distance: lead as f64 / (n * m) as f64,
        p_value: chance_of_lead(lead, n, m),
    })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(lower.midpoint(*upper))
}

fn nearest_rank(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The distance of the distribution functions, times both lengths: a whole number.
fn largest_lead(one: &[f64], other: &[f64]) -> usize {
    let (mut i, mut j, mut largest) = (0, 0, 0);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let value = a.min(*b);
        i += count_up_to(&one[i..], value);
        j += count_up_to(&other[j..], value);
        largest = largest.max((i * other.len()).abs_diff(j * one.len()));
    }
    largest
}

fn count_up_to(sorted: &[f64], value: f64) -> usize {
    sorted.iter().take_while(|other| **other <= value).count()
}

/// Probability that a random walk of `n` steps to the right and `m` up strays from the diagonal by `lead`.
fn chance_of_lead(lead: usize, n: usize, m: usize) -> f64 {
    // chance[j]: that a walk which comes through (i, j) has strayed by then.
    let mut chance = vec![0.0; m + 1];
    for i in 0..=n {
        for j in 0..=m {
            let strays = (i * m).abs_diff(j * n) >= lead;
            chance[j] = match (i, j) {
                _ if strays => 1.0,
                (0, 0) => 0.0,
                (_, 0) => chance[0],
                (0, _) => chance[j - 1],
                _ => (i as f64 * chance[j] + j as f64 * chance[j - 1]) / (i + j) as f64,
            };
        }
    }
    chance[m]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn a_summary_needs_a_value() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[7.0]).unwrap();
        assert_eq!((one.median, one.p99, one.max), (7.0, 7.0, 7.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
        assert_eq!(Summary::of(&[9.0, 1.0, 5.0]).unwrap().median, 5.0);
    }

    #[test]
    fn the_99th_percentile_is_a_value_by_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let summary = Summary::of(&hundred).unwrap();
        assert_eq!(
            (summary.median, summary.p99, summary.max),
            (50.5, 99.0, 100.0)
        );
        let twenty: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(Summary::of(&twenty).unwrap().p99, 20.0);
        let many: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(Summary::of(&many).unwrap().p99, 990.0);
    }

    /// Table values: of the 252 orders of 5 + 5 values, 2, 20 and 90 lead by 5, 4 and 3 or more.
    #[test]
    fn the_p_value_is_that_of_the_tables() {
        for (lead, orders) in [(5, 2.0), (4, 20.0), (3, 90.0)] {
            assert!(
                close(chance_of_lead(lead * 5, 5, 5), orders / 252.0),
                "{lead}"
            );
        }
        assert!(close(chance_of_lead(6, 2, 3), 0.2));
        assert!(close(chance_of_lead(0, 4, 4), 1.0));
    }

    #[test]
    fn the_p_value_is_the_share_of_all_orders_that_are_as_far_apart() {
        let (n, m) = (4, 6);
        let orders: Vec<(Vec<f64>, Vec<f64>)> = (0u32..1 << (n + m))
            .filter(|bits| bits.count_ones() == n)
            .map(|bits| {
                (0..n + m)
                    .map(f64::from)
                    .partition(|place| bits >> *place as u32 & 1 == 1)
            })
            .collect();
        for (one, other) in orders.iter().step_by(7) {
            let found = two_sample(one, other).unwrap();
            let farther = orders.iter().filter(|(one, other)| {
                two_sample(one, other).unwrap().distance >= found.distance - 1e-9
            });
            let share = farther.count() as f64 / orders.len() as f64;
            assert!(close(found.p_value, share), "{found:?} {share}");
        }
    }

    #[test]
    fn equal_samples_cannot_be_told_apart() {
        let values: Vec<f64> = (0..200).map(|number| f64::from(number % 13)).collect();
        let same = two_sample(&values, &values).unwrap();
        assert_eq!((same.distance, same.p_value), (0.0, 1.0));
    }

    #[test]
    fn a_shift_of_a_large_sample_is_seen() {
        let quiet: Vec<f64> = (0..200).map(f64::from).collect();
        let moved: Vec<f64> = quiet.iter().map(|value| value + 30.5).collect();
        let difference = two_sample(&quiet, &moved).unwrap();
        assert!(close(difference.distance, 31.0 / 200.0), "{difference:?}");
        // Kolmogorov's limit 2 Σ (-1)^(k-1) exp(-2 k² λ²) with λ = 0.155 √100 = 1.55 is 0.0164.
        assert!(
            (difference.p_value - 0.0164).abs() < 0.003,
            "{difference:?}"
        );
    }

    #[test]
    fn large_samples_neither_overflow_nor_vanish() {
        let wide: Vec<f64> = (0..3000).map(f64::from).collect();
        let far: Vec<f64> = wide.iter().map(|value| value + 1e6).collect();
        let apart = two_sample(&wide, &far).unwrap();
        assert_eq!(apart.distance, 1.0);
        assert!(apart.p_value < 1e-100);
        let near: Vec<f64> = wide.iter().map(|value| value + 0.5).collect();
        assert!(two_sample(&wide, &near).unwrap().p_value > 0.999);
    }

    #[test]
    fn samples_of_different_length_and_ties_are_compared() {
        let one = [1.0, 1.0, 2.0, 2.0];
        let other = [1.0, 2.0];
        assert_eq!(two_sample(&one, &other).unwrap().distance, 0.0);
        assert_eq!(two_sample(&[], &other), None);
        assert_eq!(two_sample(&one, &[]), None);
    }
}
