//! A slab of values that are found by their key: what the queue, the progress memory, the negative memory and the
//! flight table are made of.
//!
//! Values sit in a vector and are named by a [`Slot`], so that chains and orders can point at them with four bytes; a
//! hash table of slots finds them by `(database, name)` without building a [`Key`]. Finding, adding and removing cost
//! O(1); an empty table costs one branch to search. Memory: `size_of::<Option<(Key, V)>>()` and about 8 bytes of index a
//! value, plus the names. The room of a table that becomes empty is given back.

use std::hash::{BuildHasher, Hasher};
use std::mem::size_of;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::key::{Db, Key};

/// The place of a value in its [`Keyed`] table; valid until that value is removed.
pub(super) type Slot = u32;

/// Room for this many values is kept when a table becomes empty.
const KEPT_ROOM: usize = 1024;

/// What a shared name costs besides its bytes: two counters and, typically, the allocator's header.
const NAME_OVERHEAD: usize = 24;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Keyed<V> {
    slots: Vec<Option<(Key, V)>>,
    vacant: Vec<Slot>,
    index: HashTable<Slot>,
    hash: FixedState,
    name_bytes: usize,
}

impl<V> Keyed<V> {
    /// An empty table whose hashes are drawn from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let hash = FixedState::with_seed(seed);
        Keyed { slots: Vec::new(), vacant: Vec::new(), index: HashTable::new(), hash, name_bytes: 0 }
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no value.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where the value of this key is.
    pub(super) fn find(&self, db: Db, name: &[u8]) -> Option<Slot> {
        if self.index.is_empty() {
            return None;
        }
        self.index.find(hash(&self.hash, db, name), |&slot| is(&self.slots, slot, db, name)).copied()
    }

    /// Adds a value under a key that has none.
    pub(super) fn insert(&mut self, key: Key, value: V) -> Slot {
        debug_assert!(self.find(key.db(), key.name()).is_none(), "a key has one value");
        let hashed = hash(&self.hash, key.db(), key.name());
        self.name_bytes += key.name().len() + NAME_OVERHEAD;
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some((key, value));
                slot
            }
            None => {
                self.slots.push(Some((key, value)));
                Slot::try_from(self.slots.len() - 1).expect("owners bound their tables by a u32")
            }
        };
        let Keyed { slots, index, hash: state, .. } = self;
        index.insert_unique(hashed, slot, |&slot| rehash(state, slots, slot));
        slot
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, slot: Slot) -> (Key, V) {
        let hashed = rehash(&self.hash, &self.slots, slot);
        if let Ok(found) = self.index.find_entry(hashed, |&other| other == slot) {
            found.remove();
        }
        let taken = self.slots[slot as usize].take().expect("a slot in use holds a value");
        self.name_bytes -= taken.0.name().len() + NAME_OVERHEAD;
        self.vacant.push(slot);
        if self.index.is_empty() && self.slots.len() > KEPT_ROOM {
            self.slots = Vec::new();
            self.vacant = Vec::new();
            self.index = HashTable::new();
        }
        taken
    }

    /// The key of the value at `slot`.
    pub(super) fn key(&self, slot: Slot) -> &Key {
        &self.pair(slot).0
    }

    /// The value at `slot`.
    pub(super) fn at(&self, slot: Slot) -> &V {
        &self.pair(slot).1
    }

    /// The value at `slot`, to be changed.
    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut V {
        &mut self.slots[slot as usize].as_mut().expect("a slot in use holds a value").1
    }

    /// The value at `slot`, if there is one.
    pub(super) fn try_at(&self, slot: Slot) -> Option<&V> {
        self.slots.get(slot as usize)?.as_ref().map(|(_, value)| value)
    }

    /// One beyond the last place that is or was in use.
    pub(super) fn room(&self) -> Slot {
        Slot::try_from(self.slots.len()).expect("owners bound their tables by a u32")
    }

    /// All values with their keys and places. O(room).
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Key, &V)> {
        (0..).zip(&self.slots).filter_map(|(slot, pair)| pair.as_ref().map(|(key, value)| (slot, key, value)))
    }

    /// All values, to be changed, with their keys. O(room).
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut V)> {
        self.slots.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// Bytes of memory held, names included, what the values own besides not. An estimate.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<(Key, V)>>()
            + self.vacant.capacity() * size_of::<Slot>()
            + self.index.allocation_size()
            + self.name_bytes
    }

    fn pair(&self, slot: Slot) -> &(Key, V) {
        self.slots[slot as usize].as_ref().expect("a slot in use holds a value")
    }

    /// Checks that index and slots agree.
    #[cfg(test)]
    pub(super) fn validate(&self) {
        assert_eq!(self.iter().count(), self.index.len());
        assert_eq!(self.slots.len(), self.index.len() + self.vacant.len());
        assert_eq!(self.name_bytes, self.iter().map(|(_, key, _)| key.name().len() + NAME_OVERHEAD).sum::<usize>());
        for (slot, key, _) in self.iter() {
            assert_eq!(self.find(key.db(), key.name()), Some(slot));
        }
    }
}

fn hash(state: &FixedState, db: Db, name: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write_u32(db.0);
    hasher.write(name);
    hasher.finish()
}

fn rehash<V>(state: &FixedState, slots: &[Option<(Key, V)>], slot: Slot) -> u64 {
    let key = &slots[slot as usize].as_ref().expect("an indexed slot holds a value").0;
    hash(state, key.db(), key.name())
}

fn is<V>(slots: &[Option<(Key, V)>], slot: Slot, db: Db, name: &[u8]) -> bool {
    slots[slot as usize].as_ref().is_some_and(|(key, _)| key.db() == db && key.name() == name)
}
