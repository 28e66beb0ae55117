//! The policy under test: what redis-warm's engine holds and fetches.
//!
//! The engine's foresight is driven on virtual time, exactly as on a server, but that a fetch takes no time. Where room
//! is limited, the key of which fewest requests are expected leaves, of a sample: what eviction hints make of the
//! server's own policy.

use super::Lab;
use crate::cli::replay::cache::{Cache, Next};
use crate::cli::replay::eviction::worth::Worth;
use crate::cli::replay::names::Index;
use crate::cli::replay::policy::{Fetch, Origin, Policy, Served};
use crate::cli::replay::setting::Room;
use crate::cli::replay::trace::Request;
use crate::cli::replay::virtual_time::{DB, Driven, Learning, now_at};
use crate::engine::foresight::Filled;
use crate::engine::foresight::mode::Mode;
use crate::engine::foresight::seen::{Gone, What};
use crate::engine::request::Reason;

/// A cache that the engine warms.
pub(crate) struct Warm<'a> {
    cache: Cache<Worth>,
    driven: Driven<'a>,
    lab: Lab<'a>,
    index: Index<'a>,
    /// The last known size of each key's value.
    sizes: Vec<u32>,
}

impl<'a> Warm<'a> {
    /// With an empty cache and an engine that knows nothing.
    pub(crate) fn new(lab: Lab<'a>) -> Self {
        Warm {
            cache: Cache::new(lab.trace.distinct(), lab.setting),
            driven: Driven::new(lab.trace, lab.setting, Mode::On, Learning::On),
            sizes: vec![1; if lab.trace.sizes.is_empty() { 0 } else { lab.trace.distinct() }],
            index: Index::new(&lab.trace.names),
            lab,
        }
    }

    /// Fetches what the engine wishes for.
    fn grant(&mut self, at_ms: u64) {
        while let Some(wish) = self.driven.foresight.wish() {
            let Some(key) = self.index.find(wish.key.name()) else { continue };
            let fetch = if wish.reason == Reason::Refresh { Fetch::Refresh } else { Fetch::Warm };
            self.fetch(key, at_ms, fetch, Some(wish.reason));
        }
    }

    fn fetch(&mut self, key: u32, at_ms: u64, fetch: Fetch, reason: Option<Reason>) {
        let size = self.sizes.get(key as usize).copied().unwrap_or(1);
        self.value(key, at_ms);
        self.cache.fetch(key, size, at_ms, fetch);
        let filled = Filled::Written { expires_at: Some(self.driven.expiry(at_ms)), bytes: u64::from(size) };
        self.driven.foresight.filled(now_at(at_ms), DB, self.lab.trace.names.name(key), filled, reason);
        if self.lab.setting.room != Room::Unlimited {
            for left in self.cache.eviction().left() {
                self.driven.tell(at_ms, left, What::Gone(Gone::Evicted));
            }
        }
    }

    fn value(&mut self, key: u32, at_ms: u64) {
        if self.lab.setting.room != Room::Unlimited {
            let worth = self.driven.foresight.worth(now_at(at_ms), DB, self.lab.trace.names.name(key));
            self.cache.eviction().set(key, worth);
        }
    }
}

impl Policy for Warm<'_> {
    fn request(&mut self, at: Request) -> Served {
        while let Some(next_ms) = self.driven.next(at.ts_ms) {
            self.driven.wake(next_ms);
            self.grant(next_ms);
            self.cache.expire(next_ms, |_| Next::Lapse);
        }
        self.cache.expire(at.ts_ms, |_| Next::Lapse);
        if let Some(size) = self.sizes.get_mut(at.key as usize) {
            *size = at.size;
        }
        let served = self.cache.read(&at);
        self.driven.see(&at);
        self.value(at.key, at.ts_ms);
        if served != Served::Hit {
            self.driven.tell(at.ts_ms, at.key, What::Missed);
            self.fetch(at.key, at.ts_ms, Fetch::Demand, None);
        }
        self.grant(at.ts_ms);
        served
    }

    fn origin(&self) -> Origin {
        self.cache.origin()
    }
}
