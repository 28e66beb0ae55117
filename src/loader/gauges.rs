//! What a loader has done so far: counters that any thread reads without waiting.
//!
//! Each field is an atomic with relaxed order: it is a figure for people, and no other memory hangs on it. A reader may
//! see a request counted whose bytes are not yet.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The figures of one loader. They outlive a re-definition under the same name.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Requests sent, retries and redirects included.
    pub requests: Counter,
    /// Requests that failed: no connection, no time, a bad status, a bad body.
    pub failures: Counter,
    /// Requests that were sent because one before had failed.
    pub retries: Counter,
    /// Body bytes received, before decoding.
    pub bytes: Counter,
    /// Keys for which a value came.
    pub loaded: Counter,
    /// Keys whose value the origin called still good.
    pub not_modified: Counter,
    /// Keys that the origin does not have.
    pub absent: Counter,
    /// Keys that got no value, after all tries.
    pub failed: Counter,
    /// Fetches that are being served now.
    pub in_flight: AtomicU32,
    /// Fetches that may be served at one time.
    pub limit: AtomicU32,
    /// Fetches that wait for their turn.
    pub queued: AtomicU32,
    /// How long requests took, from sending to the last byte.
    pub latency: Latency,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`; wraps after 2^64.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Percentiles {
    /// Half of the requests took at most this long.
    pub p50: f64,
    /// 95 % did.
    pub p95: f64,
    /// 99 % did.
    pub p99: f64,
}

/// A histogram of the last [`WINDOW`] to twice as many durations.
///
/// Structure: buckets whose width is an eighth of the power of two below them, from 1 µs to over an hour. Two sets take
/// turns: one is filled while the other still counts, and is emptied when its turn comes again. A percentile is off by
/// at most 1/16 of itself (half a bucket). Recording costs three atomic additions, reading one pass over the buckets.
#[derive(Debug)]
pub struct Latency {
    recorded: AtomicU64,
    sets: [[AtomicU32; BUCKETS]; 2],
}

/// How many durations one set takes.
pub const WINDOW: u64 = 8192;

const BUCKETS: usize = 256;

impl Latency {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let number = self.recorded.fetch_add(1, Ordering::Relaxed);
        let set = &self.sets[usize::from(!(number / WINDOW).is_multiple_of(2))];
        if number.is_multiple_of(WINDOW) {
            set.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        }
        set[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    /// The percentiles; zero if nothing was recorded.
    pub fn percentiles(&self) -> Percentiles {
        let [even, odd] = &self.sets;
        let load = |(a, b): (&AtomicU32, &AtomicU32)| {
            u64::from(a.load(Ordering::Relaxed)) + u64::from(b.load(Ordering::Relaxed))
        };
        let counts: Vec<u64> = even.iter().zip(odd).map(load).collect();
        let total: u64 = counts.iter().sum();
        let at = |share: f64| {
            let rank = (total as f64 * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map_or(0.0, |bucket| middle(bucket) / 1000.0)
        };
        Percentiles { p50: at(0.50), p95: at(0.95), p99: at(0.99) }
    }
}

impl Default for Latency {
    fn default() -> Self {
        let set = || std::array::from_fn(|_| AtomicU32::new(0));
        Latency { recorded: AtomicU64::new(0), sets: [set(), set()] }
    }
}

/// Below 8 µs one bucket a microsecond, above eight a power of two.
fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < 8 {
        return micros as usize;
    }
    let octave = micros.ilog2() - 3;
    let within = (micros >> octave) - 8;
    (8 * (octave as usize + 1) + within as usize).min(BUCKETS - 1)
}

/// The middle of a bucket, in microseconds.
fn middle(bucket: usize) -> f64 {
    if bucket < 8 {
        return bucket as f64;
    }
    let octave = bucket / 8 - 1;
    let width = (1_u64 << octave) as f64;
    (8 + bucket % 8) as f64 * width + (width - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_of_a_known_spread() {
        let latency = Latency::default();
        assert_eq!(latency.percentiles(), Percentiles::default());
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let Percentiles { p50, p95, p99 } = latency.percentiles();
        for (got, exact) in [(p50, 500.0), (p95, 950.0), (p99, 990.0)] {
            assert!((got - exact).abs() <= exact / 16.0, "{got} for {exact}");
        }
    }

    #[test]
    fn old_durations_are_forgotten() {
        let latency = Latency::default();
        (0..WINDOW).for_each(|_| latency.record(Duration::from_secs(10)));
        (0..2 * WINDOW).for_each(|_| latency.record(Duration::from_millis(1)));
        assert!(latency.percentiles().p99 < 2.0);
    }

    #[test]
    fn the_longest_duration_has_a_bucket() {
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_off_by_at_most_a_sixteenth(micros in 0_u64..4_000_000_000) {
            let off = middle(bucket(Duration::from_micros(micros))) - micros as f64;
            prop_assert!(off.abs() <= micros as f64 / 16.0, "{micros} {off}");
        }
    }
}
