//! The holdout: a few keys that are never warmed ahead, so that the gain of warming is measured and not guessed.
//!
//! A key belongs to it by its hash and the day, so the same key is held out for a whole [`ROTATION`] and none for
//! ever; hits of the holdout and of the rest are comparable because the choice does not know the key's demand.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use crate::engine::key::Db;
use crate::engine::time::Wall;

/// How long a key stays in or out, in milliseconds of wall time: a day.
pub const ROTATION: u64 = 86_400_000;

/// Which keys are held out.
#[derive(Clone, Debug)]
pub struct Holdout {
    percent: u32,
    hash: FixedState,
}

impl Holdout {
    /// `percent` of all keys, at most 100; the choice depends on `seed`.
    pub fn new(percent: u32, seed: u64) -> Self {
        Holdout { percent: percent.min(100), hash: FixedState::with_seed(seed) }
    }

    /// Changes the share; keys that stay in a larger or smaller share keep their side.
    pub fn set_percent(&mut self, percent: u32) {
        self.percent = percent.min(100);
    }

    /// Whether a key is held out at `wall`. O(length of the name).
    pub fn holds(&self, db: Db, name: &[u8], wall: Wall) -> bool {
        if self.percent == 0 {
            return false;
        }
        let mut hasher = self.hash.build_hasher();
        hasher.write_u64(wall.as_millis() / ROTATION);
        hasher.write_u32(db.0);
        hasher.write(name);
        hasher.finish() % 100 < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holdout: &Holdout, day: u64) -> Vec<u32> {
        let wall = Wall::from_millis(day * ROTATION + 5);
        (0..10_000_u32).filter(|n| holdout.holds(Db(0), &n.to_le_bytes(), wall)).collect()
    }

    #[test]
    fn about_the_share_is_held_out_and_others_the_next_day() {
        let holdout = Holdout::new(5, 1);
        let (today, tomorrow) = (held(&holdout, 10), held(&holdout, 11));
        assert!((400..600).contains(&today.len()), "{}", today.len());
        let both = today.iter().filter(|n| tomorrow.contains(n)).count();
        assert!(both < 60, "{both} keys are held out on both days");
        assert!(held(&Holdout::new(0, 1), 10).is_empty());
    }

    #[test]
    fn a_larger_share_contains_the_smaller() {
        let mut holdout = Holdout::new(5, 1);
        let few = held(&holdout, 3);
        holdout.set_percent(10);
        let many = held(&holdout, 3);
        assert!(few.iter().all(|n| many.contains(n)) && many.len() > few.len());
    }
}
