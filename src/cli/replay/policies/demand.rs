//! Demand fill: a miss fetches, nothing else does. What most caches do, and what every load is measured against.

use crate::cli::replay::cache::{Cache, Next};
use crate::cli::replay::eviction::Eviction;
use crate::cli::replay::policy::{Origin, Policy, Served};
use crate::cli::replay::setting::Setting;
use crate::cli::replay::trace::Request;

/// Demand fill under some order of eviction.
pub(crate) struct Demand<E> {
    cache: Cache<E>,
}

impl<E: Eviction> Demand<E> {
    /// With an empty cache.
    pub(crate) fn new(keys: usize, setting: &Setting) -> Self {
        Demand { cache: Cache::new(keys, setting) }
    }
}

impl<E: Eviction> Policy for Demand<E> {
    fn request(&mut self, at: Request) -> Served {
        self.cache.expire(at.ts_ms, |_| Next::Lapse);
        self.cache.read_through(&at)
    }

    fn origin(&self) -> Origin {
        self.cache.origin()
    }
}
