//! A cache that knows the future: who is asked for furthest ahead leaves, and (unless it only keeps) what was ever seen is
//! fetched just before it is asked for.
//!
//! A warm fetch just before a request stands in the place of the demand fetch that the request would have caused, so it
//! costs nothing beyond demand fill and no chain of refreshes is cheaper: no budget of one or more ever binds. What remains
//! are the first requests ever (and values larger than the room). It is the bound of all policies that fetch only what
//! they have seen before; what announces new keys can beat it.

use crate::cli::replay::cache::{Cache, Next};
use crate::cli::replay::eviction::belady::{Belady, USELESS};
use crate::cli::replay::future::Future;
use crate::cli::replay::policy::{Fetch, Origin, Policy, Served};
use crate::cli::replay::setting::Setting;
use crate::cli::replay::trace::{Request, Trace};

/// A cache that knows the future.
pub(crate) struct Clairvoyant<'a> {
    cache: Cache<Belady>,
    trace: &'a Trace,
    future: &'a Future,
    seen: Vec<bool>,
    ttl_ms: u64,
    foresight: Foresight,
}

/// What the future is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Foresight {
    /// Only to choose who leaves; misses are filled on demand.
    Keep,
    /// Also to fetch what was seen before, just before it is asked for.
    KeepAndWarm,
}

impl<'a> Clairvoyant<'a> {
    /// With an empty cache.
    pub(crate) fn new(trace: &'a Trace, setting: &Setting, future: &'a Future, foresight: Foresight) -> Self {
        let keys = trace.distinct();
        let (cache, seen) = (Cache::new(keys, setting), vec![false; keys]);
        Clairvoyant { cache, trace, future, seen, ttl_ms: setting.ttl_ms, foresight }
    }

    /// The next request of the key that a copy expiring at `expires` still serves.
    fn served_next(&self, at: &Request, expires: u64) -> u32 {
        let next = self.future.after(at.index);
        match self.trace.times.get(next as usize) {
            Some(&time) if time < expires => next,
            _ => USELESS,
        }
    }
}

impl Policy for Clairvoyant<'_> {
    fn request(&mut self, at: Request) -> Served {
        self.cache.expire(at.ts_ms, |_| Next::Lapse);
        let seen = std::mem::replace(&mut self.seen[at.key as usize], true);
        if seen && self.foresight == Foresight::KeepAndWarm && !self.cache.holds(at.key) {
            self.cache.eviction().expect(at.key, u32::try_from(at.index).unwrap_or(USELESS));
            self.cache.fetch(at.key, at.size, at.ts_ms, Fetch::Warm);
        }
        let expires = match self.cache.expiry(at.key) {
            Some(expires) => expires,
            None => at.ts_ms.saturating_add(self.ttl_ms),
        };
        let next = self.served_next(&at, expires);
        self.cache.eviction().expect(at.key, next);
        self.cache.read_through(&at)
    }

    fn origin(&self) -> Origin {
        self.cache.origin()
    }
}
