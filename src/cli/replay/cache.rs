//! A cache that policies are built of: copies with a time to live, room for some of them, and the books of both.
//!
//! A copy lives one TTL from its fetch; a hit does not renew it. When it runs out it leaves at once, so that dead copies take
//! no room; Redis and Valkey remove them soon after. Where room is limited an [`Eviction`] says who leaves. Keys are dense
//! numbers and everything is an array: 24 bytes a key and 16 for each copy, 10 to 40 ns a request while that fits the
//! processor's caches.

use super::eviction::Eviction;
use super::expiries::Expiries;
use super::policy::{Fetch, Origin, Served, Why};
use super::setting::{Room, Setting};
use super::trace::Request;

/// The copies, and what became of those before them.
#[derive(Debug)]
pub(crate) struct Cache<E> {
    lives: Vec<Life>,
    expiries: Expiries,
    eviction: E,
    room: Room,
    ttl_ms: u64,
    used: u64,
    origin: Origin,
}

/// A copy that has run out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiring {
    /// Of which key.
    pub(crate) key: u32,
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// How often it was read; saturating.
    pub(crate) hits: u16,
}

/// What becomes of a copy that has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// It is fetched again at that instant.
    Refresh,
    /// It leaves.
    Lapse,
}

/// The latest copy of a key, present or not.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// When it runs out or would have; 0: there never was one; [`NEVER`]: it does not.
    expires: u64,
    size: u32,
    hits: u16,
    held: Held,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    No,
    For(Fetch),
}

impl<E: Eviction> Cache<E> {
    /// An empty cache for keys below `keys`.
    pub(crate) fn new(keys: usize, setting: &Setting) -> Self {
        let limited = setting.room != Room::Unlimited;
        Cache {
            lives: vec![Life { expires: 0, size: 0, hits: 0, held: Held::No }; keys],
            expiries: Expiries::default(),
            eviction: E::new(if limited { keys } else { 0 }),
            room: setting.room,
            ttl_ms: setting.ttl_ms,
            used: 0,
            origin: Origin::default(),
        }
    }

    /// Lets copies run out up to and including `now`, in the order of time. What was refreshed may run out again before
    /// `now`, and is then asked for again.
    pub(crate) fn expire(&mut self, now: u64, mut decide: impl FnMut(Expiring) -> Next) {
        while let Some((at, key)) = self.expiries.pop(now) {
            let life = &self.lives[key as usize];
            if life.held == Held::No || life.expires != at {
                continue;
            }
            match decide(Expiring { key, at, hits: life.hits }) {
                Next::Refresh => {
                    let size = life.size;
                    self.fetch(key, size, at, Fetch::Refresh);
                }
                Next::Lapse => self.leave(key),
            }
        }
    }

    /// Looks a request up. [`expire`](Cache::expire) must have caught up with its time.
    pub(crate) fn read(&mut self, request: &Request) -> Served {
        let life = &mut self.lives[request.key as usize];
        if let Held::For(fetch) = life.held {
            if life.hits == 0 {
                self.origin.read(fetch);
            }
            life.hits = life.hits.saturating_add(1);
            if self.room != Room::Unlimited {
                self.eviction.touch(request.key);
            }
            return Served::Hit;
        }
        Served::Miss(match life.expires {
            0 => Why::FirstEver,
            expires if request.ts_ms < expires => Why::Evicted,
            expires if request.ts_ms - expires < self.ttl_ms => Why::ExpiredRecently,
            _ => Why::ExpiredLongAgo,
        })
    }

    /// Serves a request and fetches what it misses.
    pub(crate) fn read_through(&mut self, request: &Request) -> Served {
        let served = self.read(request);
        if served != Served::Hit {
            self.fetch(request.key, request.size, request.ts_ms, Fetch::Demand);
        }
        served
    }

    /// Fetches a key and holds it, if there is room or others make it. A copy that is already there is replaced and keeps
    /// its place in the order of eviction: being fetched is not being read.
    pub(crate) fn fetch(&mut self, key: u32, size: u32, at: u64, fetch: Fetch) {
        self.origin.fetched(fetch);
        let weight = self.room.weight(size);
        let expires = at.saturating_add(self.ttl_ms);
        let life = self.lives[key as usize];
        let held = match life.held {
            Held::For(before) => {
                self.end(life.hits, before);
                self.used = self.used - self.room.weight(life.size) + weight;
                self.lives[key as usize] = Life { expires, size, hits: 0, held: Held::For(fetch) };
                self.make_room(0, key);
                self.lives[key as usize].held != Held::No
            }
            Held::No => {
                // It is remembered even if it is not let in: a later miss could then have been kept.
                self.lives[key as usize] = Life { expires, size, hits: 0, held: Held::No };
                let fits = self.make_room(weight, key);
                if fits {
                    self.used += weight;
                    self.lives[key as usize].held = Held::For(fetch);
                    if self.room != Room::Unlimited {
                        self.eviction.insert(key);
                    }
                } else {
                    self.end(0, fetch);
                }
                fits
            }
        };
        if held && expires != NEVER {
            self.expiries.push(expires, key);
        }
    }

    /// True if there is a copy.
    pub(crate) fn holds(&self, key: u32) -> bool {
        self.lives[key as usize].held != Held::No
    }

    /// When the copy runs out, if there is one.
    pub(crate) fn expiry(&self, key: u32) -> Option<u64> {
        self.holds(key).then(|| self.lives[key as usize].expires)
    }

    /// What the origin was asked.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Who leaves where room is limited.
    pub(crate) fn eviction(&mut self) -> &mut E {
        &mut self.eviction
    }

    /// What is used is what the copies take, and fits.
    #[cfg(test)]
    pub(crate) fn validate(&self) {
        let held = self.lives.iter().filter(|life| life.held != Held::No);
        let used: u64 = held.map(|life| self.room.weight(life.size)).sum();
        assert_eq!(used, self.used);
        assert!(self.room.limit().is_none_or(|limit| used <= limit));
    }

    /// Evicts until `weight` more fits beside what is held; false if it does not, or if `newcomer` itself is to leave.
    fn make_room(&mut self, weight: u64, newcomer: u32) -> bool {
        let Some(limit) = self.room.limit() else { return true };
        if weight > limit {
            return false;
        }
        while self.used + weight > limit {
            match self.eviction.evict(newcomer) {
                Some(victim) if self.holds(victim) => self.forget(victim),
                _ => return false,
            }
        }
        true
    }

    fn leave(&mut self, key: u32) {
        if self.room != Room::Unlimited {
            self.eviction.remove(key);
        }
        self.forget(key);
    }

    fn forget(&mut self, key: u32) {
        let life = &mut self.lives[key as usize];
        if let Held::For(fetch) = life.held {
            life.held = Held::No;
            self.used -= self.room.weight(life.size);
            let hits = life.hits;
            self.end(hits, fetch);
        }
    }

    fn end(&mut self, hits: u16, fetch: Fetch) {
        if hits == 0 {
            self.origin.wasted_one(fetch);
        }
    }
}

const NEVER: u64 = u64::MAX;
