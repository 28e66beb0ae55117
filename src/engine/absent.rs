//! Negative memory: the keys that an origin said do not exist, each until an instant, so that a crowd asking for what
//! is not there does not reach the origin. Used on the main thread, for every miss and every write.
//!
//! Bounded: when full, the key that was remembered longest ago is forgotten, which costs one origin request at worst.
//! Searching and forgetting cost one branch while the memory is empty, and one hash look-up otherwise.

use super::key::{Db, Key};
use super::recent::Recent;
use super::time::Instant;

/// The keys known not to exist.
///
/// ```
/// use redis_warm::engine::absent::Absent;
/// use redis_warm::engine::key::{Db, Key};
/// use redis_warm::engine::time::Instant;
/// let mut absent = Absent::new(1000, 7);
/// absent.remember(Key::new(Db(0), b"content:0"), Instant::from_micros(30));
/// assert!(absent.is_absent(Instant::from_micros(29), Db(0), b"content:0"));
/// assert!(!absent.is_absent(Instant::from_micros(30), Db(0), b"content:0"));
/// ```
#[derive(Debug)]
pub struct Absent {
    until: Recent<Instant>,
}

impl Absent {
    /// An empty memory of at most `limit` keys; 0 remembers nothing.
    pub fn new(limit: u32, seed: u64) -> Self {
        Absent { until: Recent::new(limit, seed) }
    }

    /// Changes the bound; the oldest beyond it are forgotten.
    pub fn set_limit(&mut self, limit: u32) {
        self.until.set_limit(limit);
    }

    /// The origin says now that `key` does not exist; this is believed until `until`.
    pub fn remember(&mut self, key: Key, until: Instant) {
        self.until.put(key, until);
    }

    /// Whether the key is known not to exist.
    pub fn is_absent(&self, now: Instant, db: Db, name: &[u8]) -> bool {
        self.until.find(db, name).is_some_and(|&until| now < until)
    }

    /// Whether anything is remembered of the key.
    pub fn knows(&self, db: Db, name: &[u8]) -> bool {
        self.until.find(db, name).is_some()
    }

    /// Somebody wrote the key, or asks for it to be looked up again. Says whether it was remembered.
    pub fn forget(&mut self, db: Db, name: &[u8]) -> bool {
        self.until.forget(db, name)
    }

    /// Forgets a database. O(limit).
    pub fn clear_db(&mut self, db: Db) {
        self.until.forget_if(|key, _| key.db() == db);
    }

    /// Forgets everything. O(limit).
    pub fn clear(&mut self) {
        self.until.forget_if(|_, _| true);
    }

    /// The number of keys remembered, those whose time has passed but that were not yet displaced included.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.until.len() == 0
    }

    /// Bytes of memory held; an estimate.
    pub fn memory(&self) -> usize {
        self.until.bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Remember(u8, u64),
        Ask(u8, u64),
        Forget(u8),
        ClearDb(u32),
        Limit(u32),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (any::<u8>(), 0..50u64).prop_map(|(k, t)| Act::Remember(k % 12, t)),
            4 => (any::<u8>(), 0..50u64).prop_map(|(k, t)| Act::Ask(k % 12, t)),
            2 => any::<u8>().prop_map(|k| Act::Forget(k % 12)),
            1 => (0..3u32).prop_map(Act::ClearDb),
            1 => (0..8u32).prop_map(Act::Limit),
        ]
    }

    fn key(k: u8) -> Key {
        Key::new(Db(u32::from(k % 3)), &[k / 3])
    }

    proptest! {
        /// The memory answers as a list of pairs would, oldest first.
        #[test]
        fn agrees_with_a_list(acts in prop::collection::vec(act(), 0..120)) {
            let mut absent = Absent::new(5, 1);
            let mut model: Vec<(Key, u64)> = Vec::new();
            let mut limit = 5;
            for act in acts {
                match act {
                    Act::Remember(k, t) => {
                        absent.remember(key(k), Instant::from_micros(t));
                        model.retain(|(other, _)| *other != key(k));
                        model.push((key(k), t));
                    }
                    Act::Ask(k, t) => {
                        let known = model.iter().any(|(other, until)| *other == key(k) && t < *until);
                        let key = key(k);
                        prop_assert_eq!(absent.is_absent(Instant::from_micros(t), key.db(), key.name()), known);
                    }
                    Act::Forget(k) => {
                        let known = model.iter().any(|(other, _)| *other == key(k));
                        model.retain(|(other, _)| *other != key(k));
                        prop_assert_eq!(absent.forget(key(k).db(), key(k).name()), known);
                    }
                    Act::ClearDb(db) => {
                        absent.clear_db(Db(db));
                        model.retain(|(other, _)| other.db() != Db(db));
                    }
                    Act::Limit(l) => {
                        absent.set_limit(l);
                        limit = l as usize;
                    }
                }
                while model.len() > limit {
                    model.remove(0);
                }
                prop_assert_eq!(absent.len(), model.len());
                absent.until.validate();
            }
        }
    }

    #[test]
    fn an_emptied_memory_gives_its_room_back() {
        let mut absent = Absent::new(100_000, 1);
        for n in 0..50_000u32 {
            absent.remember(Key::new(Db(0), &n.to_le_bytes()), Instant::from_micros(1));
        }
        let full = absent.memory();
        absent.clear();
        assert!(absent.is_empty());
        assert!(absent.memory() < full / 100, "{} of {full} bytes", absent.memory());
    }
}
