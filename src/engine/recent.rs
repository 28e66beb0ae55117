//! A bounded memory of keys: when it is full, what was written longest ago is forgotten. Every operation is O(1).

use super::chain::{Chain, Linked, Links};
use super::key::{Db, Key};
use super::keyed::Keyed;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Recent<V> {
    table: Keyed<Remembered<V>>,
    age: Chain,
    limit: usize,
}

#[derive(Debug)]
struct Remembered<V> {
    links: Links,
    value: V,
}

impl<V> Recent<V> {
    /// A memory of at most `limit` keys; 0 remembers nothing.
    pub(super) fn new(limit: u32, seed: u64) -> Self {
        Recent { table: Keyed::new(seed), age: Chain::new(), limit: limit as usize }
    }

    /// Changes the bound; the oldest beyond it are forgotten.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit as usize;
        self.shrink();
    }

    /// Remembers `value` for `key` as the newest, instead of what was remembered.
    pub(super) fn put(&mut self, key: Key, value: V) {
        if let Some(slot) = self.table.find(key.db(), key.name()) {
            self.age.unlink(&mut self.table, slot);
            self.table.at_mut(slot).value = value;
            self.age.push(&mut self.table, slot);
            return;
        }
        let slot = self.table.insert(key, Remembered { links: Links::default(), value });
        self.age.push(&mut self.table, slot);
        self.shrink();
    }

    /// What is remembered.
    pub(super) fn find(&self, db: Db, name: &[u8]) -> Option<&V> {
        self.table.find(db, name).map(|slot| &self.table.at(slot).value)
    }

    /// Forgets one key; says whether it was known.
    pub(super) fn forget(&mut self, db: Db, name: &[u8]) -> bool {
        let Some(slot) = self.table.find(db, name) else { return false };
        self.age.unlink(&mut self.table, slot);
        self.table.remove(slot);
        true
    }

    /// Forgets all that `doomed` picks. O(limit).
    pub(super) fn forget_if(&mut self, mut doomed: impl FnMut(&Key, &V) -> bool) {
        let slots: Vec<_> = self.table.iter().filter(|(_, key, r)| doomed(key, &r.value)).map(|(s, ..)| s).collect();
        for slot in slots {
            self.age.unlink(&mut self.table, slot);
            self.table.remove(slot);
        }
    }

    /// The number of keys remembered.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of memory held; an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    fn shrink(&mut self) {
        while self.table.len() > self.limit
            && let Some(oldest) = self.age.head()
        {
            self.age.unlink(&mut self.table, oldest);
            self.table.remove(oldest);
        }
    }

    /// Checks that the chain and the table hold the same keys.
    #[cfg(test)]
    pub(super) fn validate(&self) {
        self.table.validate();
        assert_eq!(self.age.iter(&self.table).count(), self.table.len());
        assert!(self.table.len() <= self.limit);
    }
}

impl<V> Linked for Remembered<V> {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}
