//! Names as dense numbers: each distinct byte string gets the next id, in the order of first mention.
//!
//! Kept for good: the bytes and 8 more for each name. While interning, 9 to 18 bytes more for each (the table, which holds
//! 32 bits of hash beside each id so that growing it reads no name). 10 M names of 20 bytes: 280 MB, and 150 to 300 MB
//! while reading. One lookup costs 20 to 100 ns, by the size of the table.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Distinct names; ids are 0 to [`len`](Names::len).
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Names {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name of an id; empty for an id that was never given.
    pub(crate) fn name(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let begin = id.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(id).copied().unwrap_or(begin);
        self.bytes.get(begin as usize..end as usize).unwrap_or_default()
    }
}

/// From names to their ids; 9 to 18 bytes a name.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    names: &'a Names,
    table: HashTable<u32>,
    hasher: FixedState,
}

impl<'a> Index<'a> {
    /// Of these names.
    pub(crate) fn new(names: &'a Names) -> Self {
        let hasher = FixedState::with_seed(0);
        let mut table = HashTable::with_capacity(names.len());
        for id in 0..names.len() as u32 {
            table.insert_unique(hasher.hash_one(names.name(id)), id, |&id| hasher.hash_one(names.name(id)));
        }
        Index { names, table, hasher }
    }

    /// The id of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(name), |&id| self.names.name(id) == name).copied()
    }
}

/// Gives ids to names.
#[derive(Debug)]
pub(crate) struct Interner {
    names: Names,
    table: HashTable<(u32, u32)>,
    hasher: FixedState,
}

impl Interner {
    /// Without names.
    pub(crate) fn new() -> Self {
        Interner { names: Names::default(), table: HashTable::new(), hasher: FixedState::with_seed(0) }
    }

    /// The id of `name`; none once 2^32 - 1 ids are given.
    pub(crate) fn id(&mut self, name: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(name) as u32;
        let names = &self.names;
        let same = |&(other, id): &(u32, u32)| other == hash && names.name(id) == name;
        match self.table.entry(spread(hash), same, |&(hash, _)| spread(hash)) {
            Entry::Occupied(found) => Some(found.get().1),
            Entry::Vacant(place) => {
                let id = u32::try_from(self.names.len()).ok().filter(|&id| id < u32::MAX)?;
                place.insert((hash, id));
                self.names.bytes.extend_from_slice(name);
                self.names.ends.push(self.names.bytes.len() as u64);
                Some(id)
            }
        }
    }

    /// The names alone; the table is freed.
    pub(crate) fn finish(self) -> Names {
        self.names
    }
}

/// 32 bits of hash over the 64 that the table looks at (Fibonacci hashing).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_are_dense_and_names_come_back(names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..200)) {
            let mut interner = Interner::new();
            let ids: Vec<u32> = names.iter().map(|name| interner.id(name).unwrap()).collect();
            let known = interner.finish();
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(known.len(), distinct.len());
            for (name, id) in names.iter().zip(ids) {
                prop_assert!((id as usize) < known.len());
                prop_assert_eq!(known.name(id), &name[..]);
            }
        }
    }

    #[test]
    fn an_unknown_id_has_no_name() {
        let mut interner = Interner::new();
        interner.id(b"a");
        assert_eq!(interner.finish().name(7), b"");
    }
}
