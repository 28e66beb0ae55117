//! The table of tracked keys: bounded, and a flood of keys that come once does not clear it.
//!
//! While there is room, a key is tracked from its first access. After that a newcomer is counted in a sketch, and takes the
//! place of the coldest of [`LOOKED_AT`] keys at random as soon as it was asked for more often than that one of late. A key
//! that is tracked is found in O(1) without an allocation. Source: the admission of TinyLFU (2017), with sampled victims
//! as in Redis.

use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

use super::features::spans;
use super::ladder::HORIZON;
use super::sequences::Spot;
use super::sketch::Sketch;
use super::tracked::Tracked;
use crate::engine::key::{Db, Key};
use crate::engine::keyed::{Keyed, Slot};
use crate::engine::time::Instant;

/// Keys looked at for a victim.
const LOOKED_AT: usize = 8;

/// Accesses that a newcomer needs at least, once the table is full.
const LEAST: f32 = 2.0;

/// What a key takes besides its record and name, on average: followers of most, a profile of some.
const BESIDES: usize = 128;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Table {
    keys: Keyed<Tracked>,
    sketch: Sketch,
    hash: FixedState,
    most: usize,
    serial: u32,
    chance: u64,
    /// Keys that gave way.
    pub(super) displaced: u64,
}

impl Table {
    /// A table of at most `most` keys.
    pub(super) fn new(most: u32, seed: u64) -> Self {
        Table {
            keys: Keyed::new(seed),
            sketch: Sketch::new(most),
            hash: FixedState::with_seed(seed.rotate_left(13)),
            most: most as usize,
            serial: 0,
            chance: seed,
            displaced: 0,
        }
    }

    /// Changes the bound, and the bytes that may be taken; what is beyond gives way as newcomers come.
    pub(super) fn set_limits(&mut self, keys: u32, bytes: u64) {
        let each = (size_of::<Option<(Key, Tracked)>>() + BESIDES + 40) as u64;
        let by_bytes = usize::try_from(bytes / each).unwrap_or(usize::MAX);
        let most = (keys as usize).min(by_bytes.max(1));
        if most.next_power_of_two() != self.most.next_power_of_two() {
            self.sketch = Sketch::new(u32::try_from(most).unwrap_or(u32::MAX));
        }
        self.most = most;
    }

    /// Where a key is.
    pub(super) fn find(&self, db: Db, name: &[u8]) -> Option<Slot> {
        self.keys.find(db, name)
    }

    /// A key was asked for that is not tracked: tracks it if it may be. `supply` says where it comes from, and is asked
    /// only then.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        horizon: f64,
        db: Db,
        name: &[u8],
        supply: impl Fn() -> Option<u32>,
    ) -> Option<Slot> {
        if self.keys.len() >= self.most {
            let hash = self.hash_of(db, name);
            let wanted = f32::from(self.sketch.add(hash));
            if wanted < LEAST {
                return None;
            }
            let (victim, count) = self.coldest(now, horizon)?;
            if wanted <= count {
                return None;
            }
            let supply = supply()?;
            while self.keys.len() >= self.most {
                let victim = if self.keys.try_at(victim).is_some() { victim } else { self.coldest(now, horizon)?.0 };
                self.keys.remove(victim);
                self.displaced += 1;
            }
            return Some(self.insert(now, db, name, supply));
        }
        let supply = supply()?;
        Some(self.insert(now, db, name, supply))
    }

    /// The key at a place.
    pub(super) fn at(&self, slot: Slot) -> &Tracked {
        self.keys.at(slot)
    }

    /// The key at a place, to be changed.
    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut Tracked {
        self.keys.at_mut(slot)
    }

    /// The name at a place.
    pub(super) fn key(&self, slot: Slot) -> &Key {
        self.keys.key(slot)
    }

    /// The key at a spot, if it is still there.
    pub(super) fn spotted(&self, spot: Spot) -> Option<&Tracked> {
        self.keys.try_at(spot.slot).filter(|key| key.serial == spot.serial)
    }

    /// The key at a spot, to be changed, if it is still there.
    pub(super) fn spotted_mut(&mut self, spot: Spot) -> Option<&mut Tracked> {
        self.spotted(spot)?;
        Some(self.keys.at_mut(spot.slot))
    }

    /// The spot of a place in use.
    pub(super) fn spot(&self, slot: Slot) -> Spot {
        Spot { slot, serial: self.keys.at(slot).serial }
    }

    /// The place from `from` on that is in use, if one is among the next `look`; else where to look next, or that the table's
    /// end is reached.
    pub(super) fn next(&self, from: Slot) -> Option<Slot> {
        (from..self.keys.room()).find(|slot| self.keys.try_at(*slot).is_some())
    }

    /// All keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Key, &Tracked)> {
        self.keys.iter()
    }

    /// All keys, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Tracked)> {
        self.keys.iter_mut()
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The most keys.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, slot: Slot) {
        self.keys.remove(slot);
    }

    /// Bytes of memory; an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.sketch.bytes() + self.keys.len() * BESIDES
    }

    fn insert(&mut self, now: Instant, db: Db, name: &[u8], supply: u32) -> Slot {
        self.serial = self.serial.wrapping_add(1);
        self.keys.insert(Key::new(db, name), Tracked::new(self.serial, supply, now))
    }

    /// The coldest of a few keys at random, with its decayed count of about sixteen horizons.
    fn coldest(&mut self, now: Instant, horizon: f64) -> Option<(Slot, f32)> {
        let room = u64::from(self.keys.room());
        let mut coldest: Option<(Slot, f32)> = None;
        for _ in 0..4 * LOOKED_AT {
            let slot = (self.draw() % room.max(1)) as Slot;
            let Some(key) = self.keys.try_at(slot) else { continue };
            let count = key.ladder.after(spans(now, key.seen_at, horizon))[HORIZON - 2];
            if coldest.is_none_or(|(_, least)| count < least) {
                coldest = Some((slot, count));
            }
        }
        coldest
    }

    fn hash_of(&self, db: Db, name: &[u8]) -> u64 {
        let mut hasher = self.hash.build_hasher();
        hasher.write_u32(db.0);
        hasher.write(name);
        hasher.finish()
    }

    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.chance >> 33
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3.6e9;

    fn read(table: &mut Table, at: u64, name: &[u8]) {
        let now = Instant::from_micros(at);
        let slot = table.find(Db(0), name).or_else(|| table.admit(now, HOUR, Db(0), name, || Some(0)));
        if let Some(slot) = slot {
            let key = table.at_mut(slot);
            let elapsed = spans(now, key.seen_at, HOUR);
            key.ladder.add(elapsed, 1.0);
            key.seen_at = now;
        }
    }

    #[test]
    fn a_scan_does_not_clear_the_table() {
        let mut table = Table::new(100, 1);
        for round in 0..20_u64 {
            for n in 0..100_u32 {
                read(&mut table, round * 1_000_000 + u64::from(n), &n.to_le_bytes());
            }
        }
        for n in 0..100_000_u32 {
            read(&mut table, 30_000_000 + u64::from(n), &(1_000_000 + n).to_le_bytes());
        }
        let kept = (0..100_u32).filter(|n| table.find(Db(0), &n.to_le_bytes()).is_some()).count();
        assert!(kept >= 95, "{kept} of 100 survive");
        assert_eq!(table.len(), 100);
    }

    #[test]
    fn what_becomes_hot_takes_a_place() {
        let mut table = Table::new(10, 1);
        (0..10_u32).for_each(|n| read(&mut table, u64::from(n), &n.to_le_bytes()));
        (0..20).for_each(|n| read(&mut table, 100 + n, b"new"));
        assert!(table.find(Db(0), b"new").is_some());
        assert_eq!(table.len(), 10);
    }

    #[test]
    fn a_smaller_bound_is_kept_from_the_next_newcomer_on() {
        let mut table = Table::new(10, 1);
        (0..10_u32).for_each(|n| read(&mut table, u64::from(n), &n.to_le_bytes()));
        table.set_limits(4, u64::MAX);
        (0..20).for_each(|n| read(&mut table, 100 + n, b"new"));
        assert_eq!(table.len(), 4);
        table.set_limits(1000, 10);
        assert_eq!(table.most(), 1, "bytes bound it too");
    }
}
