//! Questions: what is expected of a key, and which keys are expected most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Foresight;
use super::content::Prior;
use super::features::{Moment, NAMES};
use super::forecast::{Class, ContentFeature, ModelInfo, Prediction, Ranked};
use super::ladder::HORIZON;
use super::predictors::by_cutoff;
use super::tracked::Tracked;
use super::windows::Figure;
use crate::engine::key::{Db, Key};
use crate::engine::pattern::Pattern;
use crate::engine::time::{Now, Wall};

/// The level of the counts that worth goes by, and its half-life in horizons.
const WORTH: usize = HORIZON - 1;
const WORTH_LIFE: f64 = 4.0;

/// A question about a key.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The database.
    pub db: Db,
    /// The key's bytes.
    pub name: &'a [u8],
    /// How far ahead; the horizon of the settings if absent. Expectations are taken to grow evenly with it.
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

impl Foresight {
    /// What is expected of a key, tracked or not; about a microsecond.
    pub fn predict(&self, now: Now, ask: &Ask<'_>) -> Prediction {
        let horizons = self.horizons(ask.horizon);
        let said = self.predictors.prior.as_ref().filter(|_| !ask.features.is_empty());
        match self.table.find(ask.db, ask.name).map(|slot| self.table.at(slot)).filter(|key| key.total > 0.0) {
            Some(key) => self.predict_tracked(now, key, horizons, said.map(|prior| prior.margin(ask.features))),
            None => self.predict_unseen(now, horizons, said.map(|prior| Prior::margin(prior, ask.features))),
        }
    }

    fn predict_tracked(&self, now: Now, key: &Tracked, horizons: f64, said: Option<f64>) -> Prediction {
        let moment = Moment::new(now, self.horizon(), &self.traffic);
        let mut row = moment.row(key, self.ttl(key.supply), 1.0);
        if let Some(said) = said {
            row[NAMES.iter().position(|name| *name == "content").unwrap_or(0)] = said as f32;
        }
        let counts = moment.counts(key);
        let popularity = self.predictors.popularity(&row, counts[HORIZON], moment.since(key.first_at));
        let hot = self.predictors.hot(&row, popularity, self.rounds.hot_cutoff());
        let features = NAMES.into_iter().zip(row.map(f64::from)).collect();
        self.prediction(now, f64::from(popularity) * horizons, f64::from(hot), key.class, features)
    }

    /// A key without history: what its content promises, else what newcomers get.
    fn predict_unseen(&self, now: Now, horizons: f64, said: Option<f64>) -> Prediction {
        let popularity = said.map_or(f64::from(self.rounds.newcomers()), |margin| margin.min(20.0).exp());
        let hot = f64::from(by_cutoff(popularity as f32, self.rounds.hot_cutoff().min(1e9)));
        let features = said.map(|margin| vec![("content", margin)]).unwrap_or_default();
        self.prediction(now, popularity * horizons, hot, Class::Unknown, features)
    }

    fn prediction(
        &self,
        now: Now,
        popularity: f64,
        hot: f64,
        class: Class,
        features: Vec<(&'static str, f64)>,
    ) -> Prediction {
        let hot = hot.clamp(0.0, 1.0);
        Prediction {
            popularity,
            hot,
            confidence: hot.max(1.0 - hot),
            class,
            features,
            model: self.predictors.version,
            at: now.wall,
        }
    }

    /// The class of a key, as of the last round.
    pub fn class(&self, db: Db, name: &[u8]) -> Class {
        self.table.find(db, name).map_or(Class::Unknown, |slot| self.table.at(slot).class)
    }

    /// What a copy of a key is worth where there is no room for all: on a logarithmic scale the requests expected, brought to
    /// a common time, so that numbers of different instants can be compared. The least for a key that is not tracked.
    pub fn worth(&self, now: Now, db: Db, name: &[u8]) -> f64 {
        let Some(key) = self.table.find(db, name).map(|slot| self.table.at(slot)) else { return f64::NEG_INFINITY };
        let moment = Moment::new(now, self.horizon(), &self.traffic);
        let count = f64::from(moment.counts(key)[WORTH]).max(1e-6);
        count.log2() + now.mono.as_micros() as f64 / (self.horizon() * WORTH_LIFE)
    }

    /// Remembers what is said of a key's content; it is the prior while the key has no history. A key is tracked from then on,
    /// if there is room.
    pub fn describe(&mut self, now: Now, key: &Key, features: &[ContentFeature]) {
        let slot = self.table.find(key.db(), key.name()).or_else(|| {
            let (horizon, supply) = (self.horizon(), self.supply_of(key.name()));
            self.table.admit(now.mono, horizon, key.db(), key.name(), || supply)
        });
        let Some(slot) = slot else { return };
        let spot = self.table.spot(slot);
        let margin = self.predictors.prior.as_ref().map(|prior| prior.margin(features));
        let tracked = self.table.at_mut(slot);
        if let Some(margin) = margin {
            tracked.prior = margin as f32;
        }
        self.content.await_window(spot, &features[..features.len().min(ContentFeature::MOST)]);
    }

    /// The keys with the most requests expected, best first, as of the last round. O(tracked keys).
    pub fn top(&self, _now: Now, selection: &Selection) -> Vec<Ranked> {
        let keys = self.table.iter().filter(|(_, name, key)| {
            selection.db.is_none_or(|db| name.db() == db) && selection.class.is_none_or(|class| key.class == class)
        });
        self.ranked(keys.map(|(_, name, key)| (name, key)), selection.count, self.horizons(selection.horizon))
    }

    /// At most `limit` tracked keys that a pattern matches, the most expected first. O(tracked keys).
    pub fn matching(&self, _now: Now, pattern: &Pattern, limit: usize) -> Vec<Ranked> {
        let keys = self.table.iter().filter(|(_, name, _)| pattern.is_match(name.name()));
        self.ranked(keys.map(|(_, name, key)| (name, key)), limit, 1.0)
    }

    /// Best first; of equals, the one whose name comes first.
    fn ranked<'k>(
        &self,
        keys: impl Iterator<Item = (&'k Key, &'k Tracked)>,
        count: usize,
        horizons: f64,
    ) -> Vec<Ranked> {
        let mut best = BinaryHeap::new();
        for (name, key) in keys {
            // Not negative, so its bits are in order.
            let expected =
                key.popularity.max(key.ladder.after(0.0)[HORIZON] * f32::from(u8::from(key.popularity == 0.0)));
            best.push((Reverse(expected.max(0.0).to_bits()), name));
            if best.len() > count {
                best.pop();
            }
        }
        let ranked = best.into_sorted_vec().into_iter();
        let ranked = ranked.map(|(Reverse(bits), name)| Ranked {
            key: name.clone(),
            popularity: f64::from(f32::from_bits(bits)) * horizons,
        });
        ranked.collect()
    }

    /// How prediction is going.
    pub fn model_info(&self) -> ModelInfo {
        let predictors = &self.predictors;
        let figure = |figure| self.scores.mean(figure);
        ModelInfo {
            kind: predictors.kind(),
            version: predictors.version,
            trained_at: (predictors.trained_at > 0).then(|| Wall::from_millis(predictors.trained_at)),
            samples: self.decisions.len() + self.window_samples.len() + self.content.len(),
            features: NAMES.len(),
            accuracy: figure(Figure::Accuracy),
            baseline_accuracy: figure(Figure::BaselineAccuracy),
            precision: figure(Figure::Precision),
            recall: figure(Figure::Recall),
            f1: figure(Figure::F1),
            pr_auc: figure(Figure::PrAuc),
            coverage: figure(Figure::Coverage),
            calibration_error: figure(Figure::CalibrationError),
            training: self.lessons.took(),
            bytes: predictors.bytes(),
            windows: self.scores.windows,
        }
    }

    fn horizons(&self, horizon: Option<Duration>) -> f64 {
        horizon.map_or(1.0, |horizon| horizon.as_secs_f64() * 1e6 / self.horizon())
    }
}
