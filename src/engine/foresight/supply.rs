//! Where values come from, as far as foresight must know: which keys, how long they live, what they cost, and whether
//! they are refreshed before they expire.

use std::time::Duration;

use crate::engine::pattern::Pattern;
use crate::engine::request::LoaderId;

/// What foresight must know of a loader.
#[derive(Clone, Debug)]
pub struct Supply {
    /// Which loader.
    pub loader: LoaderId,
    /// The keys that are its.
    pub pattern: Pattern,
    /// How long its values live.
    pub ttl: Duration,
    /// The relative price of one request; what is not positive and finite is taken as 1.
    pub cost: f64,
    /// When values are fetched again.
    pub refresh: Refresh,
    /// How long before a value expires its refresh is to begin, so that it is there in time: about the loader's p99.
    pub lead: Duration,
}

/// When values are fetched again before they expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// When it is worth it: by the prediction, shortly before they expire.
    Auto,
    /// Never.
    Off,
    /// When it is worth it, this long before they expire.
    Before(Duration),
}
