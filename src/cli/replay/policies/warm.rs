//! The policy under test: what redis-warm's engine would hold and fetch.
//!
//! Today it fills on demand, as [`lru`](super::demand) does: a place for the engine.

use super::Lab;
use crate::cli::replay::cache::{Cache, Next};
use crate::cli::replay::eviction::lru::Lru;
use crate::cli::replay::policy::{Origin, Policy, Served};
use crate::cli::replay::trace::Request;

/// A cache that the engine warms.
pub(crate) struct Warm {
    cache: Cache<Lru>,
}

impl Warm {
    /// With an empty cache and an engine that knows nothing.
    pub(crate) fn new(lab: Lab<'_>) -> Self {
        Warm { cache: Cache::new(lab.trace.distinct(), lab.setting) }
    }
}

impl Policy for Warm {
    fn request(&mut self, at: Request) -> Served {
        self.cache.expire(at.ts_ms, |_| Next::Lapse);
        self.cache.read_through(&at)
    }

    fn origin(&self) -> Origin {
        self.cache.origin()
    }
}
