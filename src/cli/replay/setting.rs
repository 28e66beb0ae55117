//! What a replay assumes, found in its trace: every policy of a run sees the same.

/// Times in milliseconds (or requests, where the trace has only an order), moments as places in the trace.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Setting {
    /// How long a copy lives from its fetch; `u64::MAX`: for ever.
    pub(crate) ttl_ms: u64,
    /// What fits.
    pub(crate) room: Room,
    /// Requests to the origin, as a multiple of what demand fill makes in the same room.
    pub(crate) budget: f64,
    /// How far a prediction looks, and the unit of half-lives.
    pub(crate) window_ms: u64,
    /// Requests before this one may choose and train; those from it on may not.
    pub(crate) train_until: usize,
    /// Requests from this one on are tallied.
    pub(crate) report_from: usize,
    /// Which share of the keys seen counts as popular.
    pub(crate) hot_share: f64,
    /// Keys that the engine may track.
    pub(crate) tracked_keys: u32,
    /// For whatever draws random numbers.
    pub(crate) seed: u64,
}

/// What fits into the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Everything.
    Unlimited,
    /// So many keys.
    Keys(u64),
    /// So many bytes of values.
    Bytes(u64),
}

impl Room {
    /// What a value of so many bytes takes.
    pub(crate) fn weight(self, size: u32) -> u64 {
        match self {
            Room::Unlimited | Room::Keys(_) => 1,
            Room::Bytes(_) => u64::from(size),
        }
    }

    /// How much fits, if not everything.
    pub(crate) fn limit(self) -> Option<u64> {
        match self {
            Room::Unlimited => None,
            Room::Keys(limit) | Room::Bytes(limit) => Some(limit),
        }
    }
}

#[cfg(test)]
impl Setting {
    /// For tests: this TTL and room; everything is reported.
    pub(crate) fn of(ttl_ms: u64, room: Room) -> Self {
        let (budget, window_ms, hot_share) = (1.2, ttl_ms, 0.01);
        Setting {
            ttl_ms,
            room,
            budget,
            window_ms,
            train_until: 0,
            report_from: 0,
            hot_share,
            tracked_keys: 100_000,
            seed: 0,
        }
    }
}
