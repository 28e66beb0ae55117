//! Every order of eviction against a model that does the same the slow way.

use proptest::prelude::*;

use super::Eviction;
use super::lfu::Lfu;
use super::lru::Lru;
use super::s3fifo::S3Fifo;
use super::sieve::Sieve;
use crate::cli::replay::cache::{Cache, Next};
use crate::cli::replay::policy::Served;
use crate::cli::replay::setting::{Room, Setting};
use crate::cli::replay::trace::Request;

/// The held keys, in the order in which the model keeps them.
trait Model: Default {
    fn insert(&mut self, key: u32);
    fn touch(&mut self, key: u32);
    fn remove(&mut self, key: u32);
    fn evict(&mut self) -> u32;
}

/// Oldest first.
#[derive(Default)]
struct Recent(Vec<u32>);

impl Model for Recent {
    fn insert(&mut self, key: u32) {
        self.0.push(key);
    }
    fn touch(&mut self, key: u32) {
        self.remove(key);
        self.insert(key);
    }
    fn remove(&mut self, key: u32) {
        self.0.retain(|&other| other != key);
    }
    fn evict(&mut self) -> u32 {
        self.0.remove(0)
    }
}

/// Key, count, and when it came to that count; halving puts what joins behind what is there.
#[derive(Default)]
struct Frequent {
    held: Vec<(u32, u32, u32)>,
    clock: u32,
    reads: usize,
}

impl Model for Frequent {
    fn insert(&mut self, key: u32) {
        self.clock += 1;
        self.held.push((key, 1, self.clock));
    }
    fn touch(&mut self, key: u32) {
        self.clock += 1;
        let clock = self.clock;
        for entry in self.held.iter_mut().filter(|entry| entry.0 == key) {
            (entry.1, entry.2) = ((entry.1 + 1).min(255), clock);
        }
        self.reads += 1;
        if self.reads >= 10 * self.held.len() {
            self.reads = 0;
            self.held.sort_by_key(|&(_, count, since)| (count, since));
            for (place, entry) in self.held.iter_mut().enumerate() {
                self.clock += 1;
                (entry.1, entry.2) = (entry.1 / 2, clock + 1 + place as u32);
            }
        }
    }
    fn remove(&mut self, key: u32) {
        self.held.retain(|&(other, ..)| other != key);
    }
    fn evict(&mut self) -> u32 {
        let (key, ..) = *self.held.iter().min_by_key(|&&(_, count, since)| (count, since)).unwrap();
        self.remove(key);
        key
    }
}

/// Oldest first, with the visited bit, and the hand's place.
#[derive(Default)]
struct Sieved {
    held: Vec<(u32, bool)>,
    hand: usize,
}

impl Model for Sieved {
    fn insert(&mut self, key: u32) {
        // A hand beyond the end begins again at the oldest, not at who comes in.
        if self.hand >= self.held.len() {
            self.hand = 0;
        }
        self.held.push((key, false));
    }
    fn touch(&mut self, key: u32) {
        self.held.iter_mut().filter(|entry| entry.0 == key).for_each(|entry| entry.1 = true);
    }
    fn remove(&mut self, key: u32) {
        let place = self.held.iter().position(|entry| entry.0 == key).unwrap();
        self.held.remove(place);
        if place < self.hand {
            self.hand -= 1;
        }
    }
    fn evict(&mut self) -> u32 {
        loop {
            if self.hand >= self.held.len() {
                self.hand = 0;
            }
            if self.held[self.hand].1 {
                self.held[self.hand].1 = false;
                self.hand += 1;
            } else {
                return self.held.remove(self.hand).0;
            }
        }
    }
}

/// The hits of a demand-filled cache that keeps its copies in a list.
fn modelled<M: Model>(requests: &[Request], ttl_ms: u64, room: usize) -> Vec<bool> {
    let (mut model, mut copies) = (M::default(), Vec::<(u32, u64)>::new());
    let mut hits = Vec::new();
    for request in requests {
        copies.retain(|&(key, expires)| {
            if expires <= request.ts_ms {
                model.remove(key);
            }
            expires > request.ts_ms
        });
        let hit = copies.iter().any(|&(key, _)| key == request.key);
        if hit {
            model.touch(request.key);
        } else {
            if copies.len() == room {
                let victim = model.evict();
                copies.retain(|&(key, _)| key != victim);
            }
            model.insert(request.key);
            copies.push((request.key, request.ts_ms + ttl_ms));
        }
        hits.push(hit);
    }
    hits
}

fn served<E: Eviction>(requests: &[Request], ttl_ms: u64, room: Room) -> (Vec<bool>, Cache<E>) {
    let mut cache = Cache::<E>::new(KEYS as usize, &Setting::of(ttl_ms, room));
    let hits = requests.iter().map(|request| {
        cache.expire(request.ts_ms, |_| Next::Lapse);
        cache.read_through(request) == Served::Hit
    });
    (hits.collect(), cache)
}

const KEYS: u32 = 12;

fn requests() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec((0_u64..4, 0..KEYS, 1_u32..9), 0..300).prop_map(|steps| {
        let mut ts_ms = 0;
        let request = |(index, (wait, key, size))| {
            ts_ms += wait;
            // Low keys are hotter.
            let key = if index % 2 == 0 { key } else { key / 3 };
            Request { index, ts_ms, key, size, user: None, session: None, region: None }
        };
        steps.into_iter().enumerate().map(request).collect()
    })
}

proptest! {
    #[test]
    fn lru_is_its_model(requests in requests(), ttl in 1_u64..120, room in 1_usize..8) {
        let found = served::<Lru>(&requests, ttl, Room::Keys(room as u64)).0;
        prop_assert_eq!(found, modelled::<Recent>(&requests, ttl, room));
    }

    #[test]
    fn lfu_is_its_model(requests in requests(), ttl in 1_u64..400, room in 1_usize..8) {
        let found = served::<Lfu>(&requests, ttl, Room::Keys(room as u64)).0;
        prop_assert_eq!(found, modelled::<Frequent>(&requests, ttl, room));
    }

    #[test]
    fn sieve_is_its_model(requests in requests(), ttl in 1_u64..400, room in 1_usize..8) {
        let found = served::<Sieve>(&requests, ttl, Room::Keys(room as u64)).0;
        prop_assert_eq!(found, modelled::<Sieved>(&requests, ttl, room));
    }

    #[test]
    fn what_is_held_fits(requests in requests(), ttl in 1_u64..400, room in 1_u64..40) {
        for room in [Room::Keys(room), Room::Bytes(room)] {
            served::<Lru>(&requests, ttl, room).1.validate();
            served::<Lfu>(&requests, ttl, room).1.validate();
            served::<Sieve>(&requests, ttl, room).1.validate();
            served::<S3Fifo>(&requests, ttl, room).1.validate();
        }
    }
}

/// S3-FIFO has no short model: a scan passes through its small queue without touching what is read again and again.
#[test]
fn a_scan_does_not_push_out_what_s3fifo_has_seen_twice() {
    let at = |key| Request { index: 0, ts_ms: 0, key, size: 1, user: None, session: None, region: None };
    let mut cache = Cache::<S3Fifo>::new(1000, &Setting::of(u64::MAX, Room::Keys(20)));
    for _ in 0..3 {
        (0..10).for_each(|key| {
            cache.read_through(&at(key));
        });
    }
    (100..900).for_each(|key| {
        cache.read_through(&at(key));
    });
    assert!((0..10).all(|key| cache.holds(key)));
}
