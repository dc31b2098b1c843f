//! From values to pixels, and where the ticks are.

/// A stretch of pixels or of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) until: f64,
}

impl Span {
    pub(super) fn new(from: f64, until: f64) -> Self {
        Self { from, until }
    }

    fn length(&self) -> f64 {
        self.until - self.from
    }

    /// The point at this share of the way.
    fn at(&self, share: f64) -> f64 {
        self.from + share * self.length()
    }
}

/// Equal steps are equally long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    pub(super) values: Span,
    pub(super) pixels: Span,
}

impl Linear {
    pub(super) fn at(&self, value: f64) -> f64 {
        self.pixels
            .at((value - self.values.from) / self.values.length())
    }

    /// Four to eight round values.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let rough = self.values.length() / 8.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
        let step = step
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * decade);
        let first = (self.values.from / step).ceil() as i64;
        let last = (self.values.until / step).floor() as i64;
        (first..=last).map(|number| number as f64 * step).collect()
    }
}

/// Equal factors are equally long. What is too small for it lies at its begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    pub(super) values: Span,
    pub(super) pixels: Span,
}

impl Log {
    /// An axis of whole decades that holds all positive ones of `values`.
    pub(super) fn of_decades(values: impl Iterator<Item = f64>, pixels: Span) -> Self {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, 1.0), |(least, most), value| {
                (value.min(least), value.max(most))
            });
        let from = 10f64.powf(least.min(most).log10().floor());
        let until = 10f64.powf(most.log10().ceil()).max(10.0 * from);
        Self {
            values: Span::new(from, until),
            pixels,
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.values.from, self.values.until);
        let decades = (self.values.until / self.values.from).log10();
        self.pixels.at((value / self.values.from).log10() / decades)
    }

    /// Powers of ten.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let first = (self.values.from * 0.999).log10().ceil() as i32;
        let last = (self.values.until * 1.001).log10().floor() as i32;
        (first..=last).map(|power| 10f64.powi(power)).collect()
    }
}

/// A time with its unit, three digits at most.
pub(super) fn time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 999.5 => (us, "µs"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = match value {
        value if value.fract() == 0.0 || value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: Span = Span {
        from: 0.0,
        until: 400.0,
    };

    #[test]
    fn linear_ticks_are_round_and_inside() {
        let axis = Linear {
            values: Span::new(-5.0, 15.0),
            pixels: PIXELS,
        };
        assert_eq!(axis.ticks(), [-5.0, 0.0, 5.0, 10.0, 15.0]);
        assert_eq!(
            (axis.at(-5.0), axis.at(15.0), axis.at(0.0)),
            (0.0, 400.0, 100.0)
        );
        let long = Linear {
            values: Span::new(-120.0, 812.0),
            pixels: PIXELS,
        };
        assert_eq!(long.ticks(), [0.0, 200.0, 400.0, 600.0, 800.0]);
    }

    #[test]
    fn a_logarithmic_axis_has_whole_decades() {
        let axis = Log::of_decades([0.0, 37.0, 612_000.0].into_iter(), PIXELS);
        assert_eq!(axis.values, Span::new(10.0, 1e6));
        assert_eq!(axis.ticks(), [1e1, 1e2, 1e3, 1e4, 1e5, 1e6]);
        assert_eq!(
            (axis.at(0.0), axis.at(10.0), axis.at(1e6)),
            (0.0, 0.0, 400.0)
        );
        assert!((axis.at(100.0) - 80.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_nothing_is_still_an_axis() {
        let axis = Log::of_decades([0.0].into_iter(), PIXELS);
        assert!(axis.at(5.0).is_finite() && !axis.ticks().is_empty());
    }

    #[test]
    fn times_have_units() {
        let cases = [
            (20.0, "20 µs"),
            (63.4, "63.4 µs"),
            (312.4, "312 µs"),
            (1000.0, "1 ms"),
            (1230.0, "1.23 ms"),
            (999.7, "1 ms"),
            (612_345.0, "612 ms"),
            (1e6, "1 s"),
            (2_340_000.0, "2.34 s"),
            (0.0, "0 µs"),
        ];
        for (us, text) in cases {
            assert_eq!(time(us), text);
        }
    }
}
