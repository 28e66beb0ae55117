//! Foresight's figures, all taken at one moment. Counters count since the engine was made.

use super::forecast::{Class, ModelInfo};
use super::mode::Mode;

/// Reads, and how many of them found a value.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Hits {
    /// Reads of tracked keys.
    pub requests: u64,
    /// Of these: those that found a value.
    pub hits: u64,
}

impl Hits {
    /// The share of reads that found a value; 0 without reads.
    pub fn ratio(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.hits as f64 / self.requests as f64 }
    }
}

/// See the module's text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ForesightStats {
    /// How far foresight goes.
    pub mode: Mode,
    /// Counters of reads by the class that the key had, in the order of [`Class::ALL`]; a key that is not tracked is unknown.
    pub classes: [Hits; Class::ALL.len()],
    /// Counters of reads of keys that are never warmed ahead at present.
    pub holdout: Hits,
    /// Counters of reads of tracked keys that may be warmed ahead.
    pub eligible: Hits,
    /// Counter: copies fetched ahead that were read.
    pub warmed_hits: u64,
    /// Counter: copies fetched ahead that ended unread.
    pub wasted: u64,
    /// Counter: refreshes asked for.
    pub refreshes: u64,
    /// Counter: absent keys asked for because they were expected.
    pub predicted_warms: u64,
    /// Counter: keys taken from the queue again because their demand fell.
    pub retracted: u64,
    /// Counter: requests to origins on behalf of tracked keys: for misses, refreshes and predictions.
    pub origin_requests: u64,
    /// Counter: what filling on demand alone would have asked for.
    pub demand_fill_requests: u64,
    /// Gauge: keys tracked.
    pub tracked: usize,
    /// Gauge: keys that may be tracked.
    pub tracked_most: usize,
    /// Gauge: bytes that tracking takes; an estimate.
    pub bytes: usize,
    /// Counter: keys that were tracked and gave way.
    pub displaced: u64,
    /// Gauge: the probability from which on a refresh is worth it.
    pub threshold: f64,
    /// Gauge: origin requests as a multiple of those of filling on demand, of late.
    pub load: f64,
    /// How prediction is going.
    pub model: ModelInfo,
}

impl ForesightStats {
    /// All reads.
    pub fn overall(&self) -> Hits {
        self.classes.iter().fold(Hits::default(), |sum, class| Hits {
            requests: sum.requests + class.requests,
            hits: sum.hits + class.hits,
        })
    }

    /// Reads that found a value because of warming, judged by the holdout: the difference of the ratios, times the reads of
    /// keys that may be warmed. Negative if warming did harm; 0 until the holdout was read.
    pub fn origin_saved(&self) -> f64 {
        if self.holdout.requests == 0 {
            return 0.0;
        }
        (self.eligible.ratio() - self.holdout.ratio()) * self.eligible.requests as f64
    }
}
