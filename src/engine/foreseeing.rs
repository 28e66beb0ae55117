//! Foresight's part of the engine: what is told of keys, what is asked about them, and how models come and go.

use std::time::Duration;

use super::Engine;
use super::demand::Admission;
use super::foresight::forecast::{ContentFeature, ModelInfo, Prediction, Ranked};
use super::foresight::lessons::{Adoption, Learned, Lesson, Occasion, Row};
use super::foresight::seen::Seen;
use super::foresight::supply::Supply;
use super::foresight::{Ask, Filled, Selection, Wish, forecast::ModelBlobError};
use super::key::Key;
use super::keyed::Slot;
use super::pattern::Pattern;
use super::request::{Plan, Reason, Request};
use super::settlement::{DropReason, Settled, Settlement};
use super::stats::Held;
use super::time::{Instant, Now};

impl Engine {
    /// One thing happened to one key: what prediction learns from. O(1); for a key that is tracked, no allocation.
    pub fn see(&mut self, now: Now, seen: Seen<'_>) {
        self.foresight.see(now, seen);
    }

    /// Says which keys come from which loader, and how. Keys that no supply matches are not tracked.
    pub fn set_supplies(&mut self, now: Now, supplies: Vec<Supply>) {
        self.foresight.set_supplies(now, supplies);
    }

    /// What is expected of a key; works for any key. About a microsecond.
    pub fn predict(&self, now: Now, ask: &Ask<'_>) -> Prediction {
        self.foresight.predict(now, ask)
    }

    /// Remembers what is said of a key's content; it is the prior while the key has no history.
    pub fn describe(&mut self, now: Now, key: &Key, features: &[ContentFeature]) {
        self.foresight.describe(now, key, features);
    }

    /// The keys with the most requests expected, best first. O(tracked keys).
    pub fn top(&self, now: Now, selection: &Selection) -> Vec<Ranked> {
        self.foresight.top(now, selection)
    }

    /// At most `limit` tracked keys that a pattern matches, the most expected first. O(tracked keys).
    pub fn matching(&self, now: Now, pattern: &Pattern, limit: usize) -> Vec<Ranked> {
        self.foresight.matching(now, pattern, limit)
    }

    /// How prediction is going.
    pub fn model_info(&self) -> ModelInfo {
        self.foresight.model_info()
    }

    /// What is to be learned from now, if it is time, or if it was asked for: a copy of the samples, to be taken to
    /// another thread. `None`: it is not time, one is being learned from, or there are too few samples.
    pub fn lesson(&mut self, now: Now, occasion: Occasion) -> Option<Lesson> {
        self.foresight.lesson(now, occasion)
    }

    /// What a lesson taught. A model is adopted only if it beats the one in use and persistence on later traffic.
    pub fn learned(&mut self, now: Now, learned: Learned, took: Duration) -> Adoption {
        self.foresight.learned(now, learned, took)
    }

    /// A lesson that was handed out came to nothing; it may be given again later.
    pub fn lesson_failed(&mut self) {
        self.foresight.lesson_lost();
    }

    /// How hot keys are that were not warmed lately, 1..=255, where that changed: what the server should know when it
    /// evicts. A bounded part at a time; ask about once a second.
    pub fn hints(&mut self, now: Now) -> Vec<(Key, u8)> {
        self.foresight.hints(now)
    }

    /// Rows of the caller's: content features and how many requests followed. They teach the prior. Returns how many were
    /// taken.
    pub fn teach(&mut self, now: Now, rows: &[Row]) -> usize {
        self.foresight.teach(now, rows)
    }

    /// The models in use, as a versioned, checksummed blob.
    pub fn export_model(&self) -> Vec<u8> {
        self.foresight.export_model()
    }

    /// Replaces the models by those of a blob.
    ///
    /// # Errors
    /// If it is not such a blob, was damaged, or was written by a newer version; nothing is changed then.
    pub fn import_model(&mut self, now: Now, blob: &[u8]) -> Result<(), ModelBlobError> {
        self.foresight.import_model(now, blob)
    }

    /// Forgets the models and the samples; what is known of keys stays.
    pub fn reset_model(&mut self) {
        self.foresight.reset_model();
    }

    /// Lets foresight do what is due, and queues what it wishes for. When it wants to be asked again.
    pub(super) fn foresee(&mut self, now: Now) -> Option<Instant> {
        if self.held() == Held::Inactive {
            return None;
        }
        let next = self.foresight.turn(now, KEYS_A_TURN);
        while let Some(Wish { key, loader, reason, priority }) = self.foresight.wish() {
            let plan = if reason == Reason::Refresh { Plan::FORCE } else { Plan::MISSING };
            let request = Request { key: key.clone(), loader, plan };
            // While nothing leaves nothing is queued ahead: it would be stale when its turn comes.
            if self.held() != Held::No || self.want(now, request, priority, reason) == Admission::Rejected {
                self.foresight.filled(now, key.db(), key.name(), Filled::Nothing, Some(reason));
            }
        }
        if self.foresight.round_ended() {
            self.retract(now);
        }
        next
    }

    /// Takes keys from the queue again that were wished for and are not worth it any more. O(keys queued).
    fn retract(&mut self, now: Now) {
        let ahead = |reason| matches!(reason, Reason::Refresh | Reason::Predict | Reason::Related);
        let doomed: Vec<Slot> = self
            .entries
            .iter()
            .filter(|(_, key, entry)| {
                entry.order.is_none()
                    && entry.wanted.jobs().is_empty()
                    && ahead(entry.reason)
                    && !self.foresight.is_worth_it(now, key.db(), key.name())
            })
            .map(|(slot, ..)| slot)
            .collect();
        for slot in doomed {
            self.foresight.retracted();
            self.give_up(now, slot, DropReason::Retracted);
        }
    }

    /// Tells foresight what became of a key; `reason` is that of the order.
    pub(super) fn tell_foresight(&mut self, now: Now, settlement: &Settlement, reason: Option<Reason>) {
        let filled = match settlement.settled {
            Settled::Loaded { bytes, expires_at } => Filled::Written { expires_at, bytes },
            Settled::Renewed { expires_at } => Filled::Renewed { expires_at },
            Settled::Fresh => Filled::Fresh,
            Settled::Absent | Settled::Failed { .. } | Settled::Dropped(_) => Filled::Nothing,
        };
        let key = &settlement.key;
        self.foresight.filled(now, key.db(), key.name(), filled, reason);
    }
}

/// Keys that foresight looks at before orders are asked for again: some 0.3 ms of scoring.
const KEYS_A_TURN: usize = 256;
