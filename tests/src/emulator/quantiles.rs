//! Median, 99th percentile and maximum of a sample.

use std::fmt;

/// A sample in three numbers, by the nearest rank: each is a value of the sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the sample is at most this.
    pub median: u64,
    /// 99 of 100 are at most this.
    pub p99: u64,
    /// All are at most this.
    pub max: u64,
}

impl Quantiles {
    /// The quantiles of a sample; all 0 for an empty one.
    pub fn of(sample: impl IntoIterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = sample.into_iter().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        let value = |percent| sorted.get(rank(percent)).copied().unwrap_or(0);
        Self {
            median: value(50),
            p99: value(99),
            max: value(100),
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {} p99 {} max {}",
            self.median, self.p99, self.max
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_of_the_sample() {
        assert_eq!(Quantiles::of([]), Quantiles::default());
        assert_eq!(
            Quantiles::of([7]),
            Quantiles {
                median: 7,
                p99: 7,
                max: 7
            }
        );
        let hundred = Quantiles::of((1..=100).rev());
        assert_eq!(
            hundred,
            Quantiles {
                median: 50,
                p99: 99,
                max: 100
            }
        );
        let thousand = Quantiles::of(1..=1000);
        assert_eq!(
            thousand,
            Quantiles {
                median: 500,
                p99: 990,
                max: 1000
            }
        );
    }
}
