//! What foresight has done so far: the part of the engine's [`Stats`](crate::engine::stats::Stats) that is its.

use super::forecast::{Class, ModelInfo};
use super::mode::Mode;

/// The figures of foresight. Counters count since the engine was made and saturate.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ForesightStats {
    /// How far it goes.
    pub mode: Mode,
    /// Gauge: keys that are tracked.
    pub tracked_keys: usize,
    /// Gauge: bytes of memory that they take. An estimate.
    pub tracked_bytes: usize,
    /// Gauge: the worth above which a key is fetched ahead, a probability.
    pub threshold: f64,
    /// Counters: reads of keys of each class, in the order of [`Class::ALL`], held out keys included.
    pub classes: [Reads; Class::ALL.len()],
    /// Counter: reads of keys that are held out.
    pub holdout: Reads,
    /// Counter: hits on values that were there because foresight fetched them.
    pub warmed_hits: u64,
    /// Counter: values that foresight fetched and nobody asked for while they lived.
    pub wasted: u64,
    /// Counter: values fetched again before they expired.
    pub refreshes: u64,
    /// Counter: missing keys fetched before they were asked for.
    pub predicted_warms: u64,
    /// Counter: fetches that were planned and taken back, because the key was written or asked for first.
    pub retracted: u64,
    /// Counter: requests to origins for keys that are tracked, whoever wanted them.
    pub origin_requests: u64,
    /// Counter: requests to origins that filling on demand alone would have made for the same reads.
    pub demand_fill_requests: u64,
    /// Counter: lessons that ended.
    pub lessons: u64,
    /// Counter: models that were taken into use.
    pub adoptions: u64,
    /// How prediction is going.
    pub model: ModelInfo,
}

/// Reads, and what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reads {
    /// Accesses.
    pub requests: u64,
    /// Of these: those that found a value.
    pub hits: u64,
}

impl Reads {
    /// The share that found a value; `None` without reads.
    pub fn ratio(self) -> Option<f64> {
        (self.requests > 0).then(|| self.hits as f64 / self.requests as f64)
    }

    /// These and those.
    pub fn and(self, other: Reads) -> Reads {
        Reads { requests: self.requests.saturating_add(other.requests), hits: self.hits.saturating_add(other.hits) }
    }

    /// These without those, which are among them; saturates at none.
    pub fn without(self, others: Reads) -> Reads {
        Reads { requests: self.requests.saturating_sub(others.requests), hits: self.hits.saturating_sub(others.hits) }
    }
}

impl ForesightStats {
    /// Reads of all classes.
    pub fn overall(&self) -> Reads {
        self.classes.iter().fold(Reads::default(), |sum, reads| sum.and(*reads))
    }

    /// By how much the hit ratio of the keys that may be warmed ahead is above that of the held out ones; `None` while
    /// either has no reads.
    pub fn gain(&self) -> Option<f64> {
        Some(self.overall().without(self.holdout).ratio()? - self.holdout.ratio()?)
    }

    /// How many requests to origins filling on demand alone would have made beyond those that were made. Negative: what
    /// was fetched ahead cost more than it saved. Saturates.
    pub fn origin_saved(&self) -> i64 {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        signed(self.demand_fill_requests).saturating_sub(signed(self.origin_requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_compares_with_the_held_out_keys() {
        let mut stats = ForesightStats { holdout: Reads { requests: 10, hits: 5 }, ..ForesightStats::default() };
        assert_eq!((stats.gain(), stats.overall().ratio()), (None, None));
        stats.classes[0] = Reads { requests: 60, hits: 50 };
        stats.classes[3] = Reads { requests: 50, hits: 45 };
        assert_eq!(stats.overall(), Reads { requests: 110, hits: 95 });
        assert!((stats.gain().unwrap() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn what_is_saved_may_be_negative() {
        let mut stats = ForesightStats { origin_requests: 7, demand_fill_requests: 4, ..ForesightStats::default() };
        assert_eq!(stats.origin_saved(), -3);
        stats.demand_fill_requests = u64::MAX;
        assert_eq!(stats.origin_saved(), i64::MAX - 7);
    }
}
