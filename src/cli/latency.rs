//! Latencies of many requests: a histogram from 1 µs to 10 min with three significant digits (HdrHistogram, Gil Tene).
//! About 200 KiB each; recording costs a few ns and never allocates.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::report::{Figure, Report};

/// A histogram of latencies.
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    /// An empty histogram.
    pub(crate) fn new() -> Self {
        Latency(Histogram::new_with_bounds(1, MAX_MICROS * NANOS_PER_MICRO, 3).expect("the bounds are in range"))
    }

    /// Counts one request. What took longer than 10 min counts as 10 min.
    pub(crate) fn record(&mut self, span: Duration) {
        self.0.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds the requests of another histogram.
    pub(crate) fn merge(&mut self, other: &Latency) {
        self.0.add(&other.0).expect("the bounds are the same");
    }

    /// The latency that the share `quantile` of the requests does not exceed, in milliseconds.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }

    /// Adds the usual quantiles to a report, each name beginning with `name`. Nothing was counted: nothing is added.
    pub(crate) fn report(&self, name: &str, report: &mut Report) {
        if self.0.is_empty() {
            return;
        }
        for (quantile, label) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            report.add(format!("{name}{label}"), Figure::Millis(self.millis(quantile)));
        }
    }
}

const MAX_MICROS: u64 = 600_000_000;
const NANOS_PER_MICRO: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits_and_extremes_are_kept() {
        let (mut all, mut part) = (Latency::new(), Latency::new());
        for micros in 1..=1000 {
            all.record(Duration::from_micros(micros));
        }
        assert!((all.millis(0.5) - 0.5).abs() < 0.001);
        assert!((all.millis(0.99) - 0.99).abs() < 0.002);
        part.record(Duration::from_secs(86_400));
        all.merge(&part);
        assert!(all.millis(1.0) >= 600_000.0);
    }
}
