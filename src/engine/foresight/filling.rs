//! A copy came, or ended.

use super::Foresight;
use super::deciding::Due;
use super::instant_of;
use super::supply::Refresh;
use super::tracked::{Fetch, State};
use crate::engine::key::Db;
use crate::engine::keyed::Slot;
use crate::engine::request::Reason;
use crate::engine::time::{Instant, Now, Wall};

/// What became of a fetch, or what somebody wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filled {
    /// A value was written.
    Written {
        /// When it expires; `None`: never.
        expires_at: Option<Wall>,
        /// Its size in bytes; 0: not known.
        bytes: u64,
    },
    /// The value that was there may live longer.
    Renewed {
        /// When it expires; `None`: never.
        expires_at: Option<Wall>,
    },
    /// The key was there before.
    Fresh,
    /// Nothing came of it.
    Nothing,
}

impl Foresight {
    /// A fetch of a key ended; `reason` says for what it was made, none: for a client that waited.
    pub fn filled(&mut self, now: Now, db: Db, name: &[u8], filled: Filled, reason: Option<Reason>) {
        let Some(slot) = self.table.find(db, name) else { return };
        let fetch = match reason {
            Some(Reason::Refresh) => Fetch::Refresh,
            Some(Reason::Predict | Reason::Related | Reason::Schedule) => Fetch::Predict,
            _ => Fetch::Demand,
        };
        self.copy_came(now, slot, filled, fetch);
    }

    /// A copy came for the key at a place.
    pub(super) fn copy_came(&mut self, now: Now, slot: Slot, filled: Filled, fetch: Fetch) {
        self.table.at_mut(slot).copy.renewing = false;
        let (expires_at, bytes) = match filled {
            Filled::Written { expires_at, bytes } => (expires_at, bytes),
            Filled::Renewed { expires_at } => (expires_at, 0),
            Filled::Fresh | Filled::Nothing => return,
        };
        self.copy_ended(slot);
        let until = expires_at.map_or(Instant::END, |wall| instant_of(now, wall));
        let key = self.table.at_mut(slot);
        let copy = &mut key.copy;
        copy.idle = if fetch == Fetch::Demand { 0 } else { copy.idle };
        copy.state = State::Held;
        copy.awaited = false;
        copy.evicted = false;
        copy.fetch = fetch;
        copy.since = now.mono;
        copy.until = until;
        copy.hits = 0;
        if bytes > 0 {
            copy.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        self.note_due(now, slot);
    }

    /// Puts the expiry of the copy at a place among the decisions to come.
    pub(super) fn note_due(&mut self, now: Now, slot: Slot) {
        let key = self.table.at(slot);
        if key.copy.until == Instant::END {
            return;
        }
        let Some(supply) = self.supplies.get(key.supply as usize) else { return };
        let life = key.copy.until.since(now.mono);
        let lead = match supply.refresh {
            Refresh::Before(lead) => lead,
            // Equal lives are spread: by up to the lead, at most a fiftieth of the life, by the key's serial number.
            Refresh::Auto | Refresh::Off => {
                let spread = u64::from(key.serial.wrapping_mul(0x9e37_79b9) >> 16);
                let most = supply.lead.min(life / 50).as_micros() as u64;
                supply.lead + std::time::Duration::from_micros((most * spread) >> 16)
            }
        };
        let at = Instant::from_micros(key.copy.until.as_micros().saturating_sub(lead.min(life / 2).as_micros() as u64));
        self.due.push(Due { at, until: key.copy.until, spot: self.table.spot(slot) });
        // Copies that were replaced leave their instants behind; there are never many more than keys.
        if self.due.len() > 4 * self.table.len() + 1024 {
            let table = &self.table;
            self.due.retain(|due| table.spotted(due.spot).is_some_and(|key| key.copy.until == due.until));
        }
    }

    /// The copy at a place is no more, or is replaced.
    pub(super) fn copy_ended(&mut self, slot: Slot) {
        let copy = &mut self.table.at_mut(slot).copy;
        if copy.state != State::Held {
            return;
        }
        if copy.hits == 0 {
            copy.idle = copy.idle.saturating_add(1);
            if copy.fetch != Fetch::Demand {
                self.figures.wasted += 1;
            }
        } else {
            copy.idle = 0;
        }
    }
}
