//! Foresight: what is seen of every key, what will be asked for, and what is worth fetching before it is.

pub mod figures;
pub mod forecast;
pub mod holdout;
pub mod lessons;
pub mod mode;
pub mod seen;
pub mod supply;
mod urgency;

use std::time::Duration;

use figures::ForesightStats;
use forecast::{Class, ContentFeature, ModelBlobError, ModelInfo, Prediction, Ranked};
use lessons::{Adoption, Learned, Lesson, Occasion, Row};
use seen::{Seen, What};
use supply::Supply;

use super::key::{Db, Key};
use super::pattern::Pattern;
use super::time::Now;

/// A question about a key.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The database.
    pub db: Db,
    /// The key's bytes.
    pub name: &'a [u8],
    /// How far ahead; the horizon of the settings if absent.
    pub horizon: Option<Duration>,
    /// What is said of its content; may be empty.
    pub features: &'a [ContentFeature],
}

/// Which keys are listed.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// The most keys.
    pub count: usize,
    /// Of this class alone.
    pub class: Option<Class>,
    /// Of this database alone.
    pub db: Option<Db>,
    /// How far ahead; the horizon of the settings if absent.
    pub horizon: Option<Duration>,
}

/// What is known of the keys that were seen.
#[derive(Debug, Default)]
pub struct Foresight {
    accesses: u64,
}

impl Foresight {
    pub(super) fn see(&mut self, _now: Now, seen: Seen<'_>) {
        if let What::Read { count, .. } | What::Told { count, .. } = seen.what {
            self.accesses = self.accesses.saturating_add(u64::from(count.max(1)));
        }
    }
    pub(super) fn set_supplies(&mut self, _now: Now, _supplies: Vec<Supply>) {}
    pub(super) fn predict(&self, now: Now, _ask: &Ask<'_>) -> Prediction {
        Prediction {
            popularity: 0.0,
            hot: 0.0,
            confidence: 0.5,
            class: Class::Unknown,
            features: Vec::new(),
            model: 0,
            at: now.wall,
        }
    }
    pub(super) fn describe(&mut self, _now: Now, _key: &Key, _features: &[ContentFeature]) {}
    pub(super) fn top(&self, _now: Now, _selection: &Selection) -> Vec<Ranked> {
        Vec::new()
    }
    pub(super) fn matching(&self, _now: Now, _pattern: &Pattern, _limit: usize) -> Vec<Ranked> {
        Vec::new()
    }
    pub(super) fn model_info(&self) -> ModelInfo {
        ModelInfo::default()
    }
    pub(super) fn lesson(&mut self, _now: Now, _occasion: Occasion) -> Option<Lesson> {
        None
    }
    pub(super) fn learned(&mut self, _now: Now, _learned: Learned, _took: Duration) -> Adoption {
        Adoption::Kept
    }
    pub(super) fn lesson_failed(&mut self, _now: Now) {}
    pub(super) fn hints(&mut self, _now: Now) -> Vec<(Key, u8)> {
        Vec::new()
    }
    pub(super) fn stats(&self) -> ForesightStats {
        ForesightStats::default()
    }
    pub(super) fn teach(&mut self, _now: Now, rows: &[Row]) -> usize {
        rows.len()
    }
    pub(super) fn export_model(&self) -> Vec<u8> {
        Vec::new()
    }
    pub(super) fn import_model(&mut self, _now: Now, _blob: &[u8]) -> Result<(), ModelBlobError> {
        Ok(())
    }
    pub(super) fn reset_model(&mut self) {}

    /// Accesses seen.
    pub fn accesses(&self) -> u64 {
        self.accesses
    }
}
