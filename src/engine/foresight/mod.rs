//! Foresight: what is seen of every key, what will be asked for, and what is worth fetching before it is.
//!
//! The parts, in reading order: [`seen`] (what the owner tells), [`holdout`] (keys that are never warmed ahead), [`model`]
//! (what is learned from rows of numbers).

pub mod holdout;
pub mod model;
pub mod seen;

use seen::{Seen, What};

use super::time::Now;

/// What is known of the keys that were seen.
#[derive(Debug, Default)]
pub struct Foresight {
    accesses: u64,
}

impl Foresight {
    /// One thing happened to one key.
    pub fn see(&mut self, _now: Now, seen: Seen<'_>) {
        if let What::Read { count, .. } | What::Told { count, .. } = seen.what {
            self.accesses = self.accesses.saturating_add(u64::from(count.max(1)));
        }
    }

    /// Accesses seen.
    pub fn accesses(&self) -> u64 {
        self.accesses
    }
}
