//! Learning: when it is time, what is handed out, what is taken over.

use std::time::Duration;

use super::Foresight;
use super::forecast::ModelBlobError;
use super::lessons::{Adoption, Learned, Lesson, Occasion, Row};
use super::mode::Mode;
use super::predictors::Predictors;
use super::windows::Scores;
use crate::engine::time::{Instant, Now};

/// The fewest samples of one kind that a model is learned from.
pub const LEAST_SAMPLES: usize = 1000;

/// The life of copies where no supply says it, in milliseconds.
const USUAL_TTL: u64 = 3_600_000;

/// When lessons were, and whether one is going on.
#[derive(Clone, Debug, Default)]
pub(super) struct Lessons {
    going: bool,
    last_at: Option<Instant>,
    /// Samples at the last lesson.
    samples: usize,
    took: Option<Duration>,
}

impl Lessons {
    /// How long the last one took.
    pub(super) fn took(&self) -> Option<Duration> {
        self.took
    }
}

impl Foresight {
    /// What is to be learned from now, if it is time, or if it was asked for; see [`Lesson`]. The first lesson is at
    /// [`LEAST_SAMPLES`], then whenever there are twice as many samples, then once an interval.
    pub fn lesson(&mut self, now: Now, occasion: Occasion) -> Option<Lesson> {
        let samples = self.decisions.len().max(self.window_samples.len());
        let grown = samples >= LEAST_SAMPLES && samples >= 2 * self.lessons.samples;
        let interval = self.settings.train_interval;
        let late = self.lessons.last_at.is_none_or(|last| now.mono.since(last) >= interval) && samples >= LEAST_SAMPLES;
        let due = (grown || late) && self.settings.predict != Mode::Off;
        if self.lessons.going || occasion == Occasion::Due && !due {
            return None;
        }
        let enough = |count: usize| count >= LEAST_SAMPLES;
        let content = self.content.lesson();
        let windows = enough(self.window_samples.len());
        if !enough(self.decisions.len()) && !windows && content.is_none() {
            return None;
        }
        self.lessons.going = true;
        self.lessons.last_at = Some(now.mono);
        self.lessons.samples = samples;
        let ttl = self.supplies.iter().map(|supply| supply.ttl.as_millis() as u64).max().unwrap_or(USUAL_TTL);
        Some(Lesson {
            requested: enough(self.decisions.len()).then(|| self.decisions.samples(0)),
            hot: windows.then(|| self.window_samples.samples(0)),
            popularity: windows.then(|| self.window_samples.samples(1)),
            content,
            current: self.predictors.clone(),
            ttl,
            horizon: self.settings.horizon.as_millis() as u64,
            seed: self.settings.seed,
        })
    }

    /// What a lesson taught; each model is taken over that beat the one in use and persistence on later traffic.
    pub fn learned(&mut self, now: Now, learned: Learned, took: Duration) -> Adoption {
        self.lessons.going = false;
        self.lessons.took = Some(took);
        self.predictors.adopt(learned, now.wall.as_millis())
    }

    /// A lesson was lost: another may be asked for.
    pub fn lesson_lost(&mut self) {
        self.lessons.going = false;
    }

    /// Rows of the caller's teach the prior, from the next lesson on. Returns how many were taken.
    pub fn teach(&mut self, _now: Now, rows: &[Row]) -> usize {
        self.content.teach(rows)
    }

    /// The models in use, as a versioned, checksummed blob.
    pub fn export_model(&self) -> Vec<u8> {
        self.predictors.encoded()
    }

    /// Replaces the models by those of a blob.
    ///
    /// # Errors
    /// If it is not such a blob, was damaged, or was written by a newer version; nothing is changed then.
    pub fn import_model(&mut self, _now: Now, blob: &[u8]) -> Result<(), ModelBlobError> {
        let predictors = Predictors::decoded(blob).map_err(|error| ModelBlobError { why: error.to_string() })?;
        let version = predictors.version.max(self.predictors.version.saturating_add(1));
        self.predictors = Predictors { version, ..predictors };
        Ok(())
    }

    /// Forgets the models and the samples; what is known of keys stays.
    pub fn reset_model(&mut self) {
        self.forget_learned();
        self.content.clear();
    }

    /// Forgets what was learned of keys' numbers.
    pub(super) fn forget_learned(&mut self) {
        let version = self.predictors.version;
        self.predictors = Predictors { version, ..Predictors::default() };
        self.decisions.clear();
        self.window_samples.clear();
        self.scores = Scores::default();
        self.lessons = super::learning::Lessons { going: self.lessons.going, ..Default::default() };
    }
}
