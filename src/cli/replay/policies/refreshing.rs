//! Refreshing: a copy that runs out may be fetched again at once, before anyone asks, if a rule says so. Misses are filled
//! on demand, and least recently used leaves.
//!
//! The rules here are those to compare with; each is a few lines: [`HitOnce`], [`Counted`], [`Foretold`].

use crate::cli::replay::cache::{Cache, Expiring, Next};
use crate::cli::replay::eviction::lru::Lru;
use crate::cli::replay::future::{Future, NOTHING};
use crate::cli::replay::policy::{Origin, Policy, Served};
use crate::cli::replay::setting::Setting;
use crate::cli::replay::trace::Request;

/// Decides which copies are refreshed.
pub(crate) trait Rule {
    /// A request came, hit or miss.
    fn see(&mut self, request: &Request);

    /// What becomes of a copy that has run out. All requests before it were seen, none at its instant or later.
    fn decide(&mut self, copy: Expiring) -> Next;
}

/// A cache that refreshes by a rule.
pub(crate) struct Refreshing<R> {
    cache: Cache<Lru>,
    rule: R,
}

impl<R: Rule> Refreshing<R> {
    /// With an empty cache.
    pub(crate) fn new(keys: usize, setting: &Setting, rule: R) -> Self {
        Refreshing { cache: Cache::new(keys, setting), rule }
    }
}

impl<R: Rule> Policy for Refreshing<R> {
    fn request(&mut self, at: Request) -> Served {
        self.cache.expire(at.ts_ms, |copy| self.rule.decide(copy));
        self.rule.see(&at);
        self.cache.read_through(&at)
    }

    fn origin(&self) -> Origin {
        self.cache.origin()
    }
}

/// Refreshes what was read at least once in the life that ends. No state, and very strong.
pub(crate) struct HitOnce;

impl Rule for HitOnce {
    fn see(&mut self, _request: &Request) {}

    fn decide(&mut self, copy: Expiring) -> Next {
        if copy.hits > 0 { Next::Refresh } else { Next::Lapse }
    }
}

/// Refreshes what a decayed counter expects within the next TTL.
///
/// A count c that halves every h estimates the rate c · ln 2 / h; arrivals being Poisson, at least one comes within a TTL
/// with the probability 1 − exp(−c · TTL · ln 2 / h). 16 bytes a key, one `exp2` for each request and each decision.
pub(crate) struct Counted {
    counts: Vec<(u64, f64)>,
    half_life_ms: f64,
    least: f64,
}

impl Counted {
    /// Refreshes at a probability of at least `threshold`; at 1 nothing is.
    pub(crate) fn new(keys: usize, ttl_ms: u64, half_life_ms: f64, threshold: f64) -> Self {
        let least = -(-threshold).ln_1p() * half_life_ms / (std::f64::consts::LN_2 * ttl_ms as f64);
        Counted { counts: vec![(0, 0.0); keys], half_life_ms, least }
    }

    fn count(&self, key: u32, now: u64) -> f64 {
        let (since, count) = self.counts[key as usize];
        count * (-(now.saturating_sub(since) as f64) / self.half_life_ms).exp2()
    }
}

impl Rule for Counted {
    fn see(&mut self, request: &Request) {
        let count = self.count(request.key, request.ts_ms) + 1.0;
        self.counts[request.key as usize] = (request.ts_ms, count);
    }

    fn decide(&mut self, copy: Expiring) -> Next {
        if self.count(copy.key, copy.at) >= self.least { Next::Refresh } else { Next::Lapse }
    }
}

/// Refreshes what will be asked for within a reach after the copy has run out: it knows the future.
///
/// With a reach of one TTL every refresh saves exactly one miss. With a longer one a chain of refreshes carries a key
/// through the time in which nobody asks: each of them but one is a request to the origin that demand fill would not make.
pub(crate) struct Foretold<'a> {
    times: &'a [u64],
    future: &'a Future,
    upcoming: Vec<u32>,
    reach_ms: u64,
}

impl<'a> Foretold<'a> {
    /// Looks `reach_ms` ahead.
    pub(crate) fn new(keys: usize, times: &'a [u64], future: &'a Future, reach_ms: u64) -> Self {
        Foretold { times, future, upcoming: vec![NOTHING; keys], reach_ms }
    }
}

impl Rule for Foretold<'_> {
    fn see(&mut self, request: &Request) {
        self.upcoming[request.key as usize] = self.future.after(request.index);
    }

    fn decide(&mut self, copy: Expiring) -> Next {
        match self.times.get(self.upcoming[copy.key as usize] as usize) {
            Some(&time) if time < copy.at.saturating_add(self.reach_ms) => Next::Refresh,
            _ => Next::Lapse,
        }
    }
}
