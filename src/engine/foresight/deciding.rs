//! Decisions: a copy is about to expire, or a key is announced by one that it follows.
//!
//! A decision's features are kept, whatever was decided; whether the key was asked for within the life that a new copy
//! would have had is its label. So the samples are those of the policy that runs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::features::{Moment, WIDTH};
use super::mode::{Mode, RefreshAhead};
use super::reservoir::Sample;
use super::sequences::{Came, Cues, MOST, Spot};
use super::supply::Refresh;
use super::tracked::State;
use super::{Foresight, Wish};
use crate::engine::key::Db;
use crate::engine::keyed::Slot;
use crate::engine::request::Reason;
use crate::engine::time::{Instant, Now};

/// Decisions whose outcome may be awaited at one time; further ones teach nothing.
const AWAITED: usize = 16_384;

/// A copy that is about to expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    /// When to decide.
    pub(super) at: Instant,
    /// The expiry that is meant: a copy with another one is another copy.
    pub(super) until: Instant,
    /// The key.
    pub(super) spot: Spot,
}

impl Ord for Due {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.spot.slot, other.spot.serial).cmp(&(self.at, self.spot.slot, self.spot.serial))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What became of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The key was asked for in time.
    Asked,
    /// It was not.
    NotAsked,
}

/// Decisions whose outcome is awaited.
#[derive(Debug, Default)]
pub(super) struct Decided {
    list: Vec<Option<Awaited>>,
    vacant: Vec<u32>,
    ends: BinaryHeap<std::cmp::Reverse<(Instant, u32)>>,
}

#[derive(Debug)]
struct Awaited {
    spot: Spot,
    row: Box<[f32; WIDTH]>,
    time: u64,
    until: Instant,
}

impl Decided {
    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Option<Awaited>>()
            + (self.list.len() - self.vacant.len()) * size_of::<[f32; WIDTH]>()
            + self.ends.capacity() * size_of::<(Instant, u32)>()
    }

    fn push(&mut self, awaited: Awaited) -> Option<u32> {
        let until = awaited.until;
        let place = match self.vacant.pop() {
            Some(place) => {
                self.list[place as usize] = Some(awaited);
                place
            }
            None if self.list.len() < AWAITED => {
                self.list.push(Some(awaited));
                (self.list.len() - 1) as u32
            }
            None => return None,
        };
        self.ends.push(std::cmp::Reverse((until, place)));
        Some(place)
    }

    fn take(&mut self, place: u32) -> Option<Awaited> {
        let awaited = self.list.get_mut(place as usize)?.take()?;
        self.vacant.push(place);
        Some(awaited)
    }

    fn next_end(&mut self, now: Instant) -> Option<u32> {
        loop {
            let &std::cmp::Reverse((until, place)) = self.ends.peek()?;
            if until >= now {
                return None;
            }
            self.ends.pop();
            // One that was asked for has left, and another may have its place.
            if self.list[place as usize].as_ref().is_some_and(|awaited| awaited.until == until) {
                return Some(place);
            }
        }
    }
}

impl Foresight {
    /// Ends what was awaited in vain, and decides what is due, `most` keys at most. When to come again, if that is known.
    pub(super) fn decide(&mut self, now: Now, most: usize) -> Option<Instant> {
        while let Some(place) = self.decided.next_end(now.mono) {
            if let Some(awaited) = self.decided.take(place) {
                if let Some(key) = self.table.spotted_mut(awaited.spot) {
                    key.sample = 0;
                }
                self.learn_from(&awaited, Outcome::NotAsked);
            }
        }
        for _ in 0..most {
            let due = *self.due.peek()?;
            if due.at > now.mono {
                return Some(due.at);
            }
            self.due.pop();
            let valid = self
                .table
                .spotted(due.spot)
                .is_some_and(|key| key.copy.state == State::Held && key.copy.until == due.until && !key.copy.renewing);
            if valid {
                self.decide_refresh(now, due.spot.slot);
            }
        }
        Some(now.mono)
    }

    /// When the next decision is due, if a copy is known to expire.
    pub fn next_decision(&self) -> Option<Instant> {
        self.due.peek().map(|due| due.at)
    }

    fn decide_refresh(&mut self, now: Now, slot: Slot) {
        let key = self.table.at(slot);
        let (place, hits, held_out) = (key.supply, key.copy.hits, key.held_out);
        let Some(supply) = self.supplies.get(place as usize) else { return };
        let (cost, refresh) = (price_of(supply.cost), supply.refresh);
        let (row, ttl) = self.decision_row(now, slot);
        let probability = self.predictors.requested(&row, hits);
        self.await_outcome(now, slot, &row);
        let acts = self.settings.predict == Mode::On
            && self.settings.refresh_ahead == RefreshAhead::On
            && refresh != Refresh::Off
            && !held_out;
        if acts && self.price.buys_refresh(probability, cost) {
            self.figures.refreshes += 1;
            self.table.at_mut(slot).copy.renewing = true;
            self.ask_for(slot, Reason::Refresh, ttl, probability);
        }
    }

    /// Whether a key that was wished for is still worth a fetch, by half of what a new wish takes.
    pub fn is_worth_it(&self, now: Now, db: Db, name: &[u8]) -> bool {
        let Some(slot) = self.table.find(db, name) else { return false };
        let key = self.table.at(slot);
        // One that was announced is expected at once; its own history says little.
        if self.predictors.requested.is_none() || key.cue != 0 {
            return true;
        }
        let (row, _) = self.decision_row(now, slot);
        self.predictors.requested(&row, key.copy.hits) >= self.price.threshold() / 2.0
    }

    /// A wish was taken back.
    pub fn retracted(&mut self) {
        self.figures.retracted += 1;
    }

    /// The features of a decision about the key at a place, and the life of its copies in horizons.
    pub(super) fn decision_row(&self, now: Now, slot: Slot) -> ([f32; WIDTH], f32) {
        let key = self.table.at(slot);
        let ttl = self.ttl(key.supply);
        (Moment::new(now, self.horizon(), &self.traffic).row(key, ttl, ttl), ttl)
    }

    /// Keeps the features of a decision until its outcome is known, if a sample is wanted.
    pub(super) fn await_outcome(&mut self, now: Now, slot: Slot, row: &[f32; WIDTH]) {
        let key = self.table.at(slot);
        let Some(supply) = self.supplies.get(key.supply as usize) else { return };
        if key.sample != 0 || !self.decisions.wants() {
            return;
        }
        let until = now.mono.after(supply.ttl);
        let awaited = Awaited { spot: self.table.spot(slot), row: Box::new(*row), time: now.wall.as_millis(), until };
        if let Some(place) = self.decided.push(awaited) {
            self.table.at_mut(slot).sample = place + 1;
        }
    }

    /// The outcome of a sample is known; `sample` is its place plus one.
    pub(super) fn end_sample(&mut self, sample: u32, outcome: Outcome) {
        if let Some(awaited) = self.decided.take(sample - 1) {
            self.learn_from(&awaited, outcome);
        }
    }

    fn learn_from(&mut self, awaited: &Awaited, outcome: Outcome) {
        let label = f32::from(u8::from(outcome == Outcome::Asked));
        self.decisions.take(Sample { row: &awaited.row[..], labels: [label, 0.0], weight: 1.0, time: awaited.time });
    }

    /// Wishes for the key at a place.
    pub(super) fn ask_for(&mut self, slot: Slot, reason: Reason, ttl: f32, probability: f64) {
        let key = self.table.at(slot);
        let Some(supply) = self.supplies.get(key.supply as usize) else { return };
        let expected = (key.popularity * ttl).max(probability as f32);
        self.figures.origin_requests += 1;
        self.price.request();
        let wish = Wish {
            key: self.table.key(slot).clone(),
            loader: supply.loader,
            reason,
            priority: Self::priority(expected),
        };
        self.wish_for(wish);
    }

    /// The key at a place was asked for: absent keys that follow it are cues, and the likely ones are fetched.
    pub(super) fn announce(&mut self, now: Now, slot: Slot) {
        let key = self.table.at(slot);
        let Some(followers) = key.followers.as_deref() else { return };
        let accesses = key.total;
        let mut list = [None; MOST];
        for (place, (spot, count)) in list.iter_mut().zip(followers.iter()) {
            *place = Cues::bucket(count, accesses).map(|bucket| (spot, bucket));
        }
        for (spot, bucket) in list.into_iter().flatten() {
            self.cue(now, spot, bucket);
        }
    }

    fn cue(&mut self, now: Now, spot: Spot, bucket: u8) {
        let Some(key) = self.table.spotted(spot) else { return };
        let expired = key.copy.state == State::Held && key.copy.until <= now.mono;
        let absent = (key.copy.state == State::Absent || expired) && !key.copy.renewing && !key.copy.evicted;
        if !absent || key.cue != 0 && key.cue_until >= now.mono {
            return;
        }
        let Some(supply) = self.supplies.get(key.supply as usize) else { return };
        let (ttl, cost, refresh) = (supply.ttl, price_of(supply.cost), supply.refresh);
        let (unanswered, held_out) = (key.cue, key.held_out);
        if unanswered != 0 {
            self.cues.score(unanswered - 1, Came::False);
        }
        let probability = f64::from(self.cues.probability(bucket));
        let acts = self.settings.predict == Mode::On && refresh != Refresh::Off && !held_out;
        let Some(key) = self.table.spotted_mut(spot) else { return };
        key.cue = bucket + 1;
        key.cue_until = now.mono.after(ttl);
        if acts && probability > 0.0 && self.price.buys_cue(probability, cost) {
            self.figures.predicted_warms += 1;
            self.copy_ended(spot.slot);
            let key = self.table.at_mut(spot.slot);
            key.copy.state = State::Absent;
            key.copy.renewing = true;
            let ttl = self.ttl(self.table.at(spot.slot).supply);
            self.ask_for(spot.slot, Reason::Related, ttl, probability);
        }
    }
}

/// What a request costs; what is not positive and finite is 1.
pub(super) fn price_of(cost: f64) -> f64 {
    if cost.is_finite() && cost > 0.0 { cost } else { 1.0 }
}
