//! The arithmetic: medians over rounds, percentiles of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The middle one; between the two middle ones of an even number. 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Latencies, in nanoseconds, to three figures.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three figures are among the five that there may be"))
    }
}

/// Percentiles, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Latencies {
    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanos).expect("it grows as it has to");
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| as_f64(self.0.value_at_quantile(quantile)) / 1e3;
        Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds here are far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// So many by so many, to the nearest; 0 by 0.
pub(crate) fn divided(count: u64, by: u64) -> u64 {
    (count + by / 2).checked_div(by).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        for (values, middle) in
            [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 9.0], 3.0)]
        {
            assert!((median(values) - middle).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn counts_are_divided_to_the_nearest() {
        assert_eq!([divided(7, 2), divided(5, 4), divided(0, 3), divided(3, 0)], [4, 1, 0, 0]);
    }

    #[test]
    fn percentiles_are_those_of_all_together() {
        let (mut all, mut others) = (Latencies::default(), Latencies::default());
        for micros in 1..=500 {
            all.record(Duration::from_micros(micros));
            others.record(Duration::from_micros(500 + micros));
        }
        all.add(&others);
        let Percentiles { p50, p99, p999 } = all.percentiles();
        for (found, expected) in [(p50, 500.0), (p99, 990.0), (p999, 999.0)] {
            assert!((found - expected).abs() <= expected / 500.0, "{found} instead of {expected}");
        }
    }
}
