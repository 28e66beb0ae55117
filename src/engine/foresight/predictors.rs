//! The models in use, what is said while there are none, and how they are stored.

use serde::{Deserialize, Serialize};

use super::content::Prior;
use super::features::{NAMES, WIDTH};
use super::ladder::{HORIZON, mean_life};
use super::lessons::{Adoption, Learned};
use super::model::envelope::{self, Validate};
use super::model::objective::Objective;
use super::model::predictor::Predictor;
use super::model::{Invalid, Kind};

/// The models in use; each is absent until there were samples enough.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Predictors {
    /// Will the key be asked for within the life of a copy fetched now?
    pub(super) requested: Option<Predictor>,
    /// Will it be among the hottest in the next horizon?
    pub(super) hot: Option<Predictor>,
    /// How many requests will there be in the next horizon?
    pub(super) popularity: Option<Predictor>,
    /// What content promises.
    pub(super) prior: Option<Prior>,
    /// The probability of being hot from which on a key is called hot, for balanced accuracy.
    pub(super) hot_threshold: f64,
    /// Rises with each adoption.
    pub(super) version: u64,
    /// When the last was adopted, in Unix milliseconds; 0: never.
    pub(super) trained_at: u64,
}

impl Predictors {
    /// Takes over what is better.
    pub(super) fn adopt(&mut self, learned: Learned, at: u64) -> Adoption {
        let Learned { requested, hot, popularity, prior } = learned;
        if requested.is_none() && hot.is_none() && popularity.is_none() && prior.is_none() {
            return Adoption::Kept;
        }
        if let Some((hot, threshold)) = hot {
            self.hot = Some(hot);
            self.hot_threshold = threshold.unwrap_or(0.5);
        }
        self.requested = requested.or(self.requested.take());
        self.popularity = popularity.or(self.popularity.take());
        self.prior = prior.or(self.prior.take());
        self.version += 1;
        self.trained_at = at;
        Adoption::Adopted { version: self.version }
    }

    /// Requests expected in the next horizon; without a model, what the decayed count of about one horizon comes to,
    /// `age` horizons after the first access.
    pub(super) fn popularity(&self, row: &[f32; WIDTH], count: f32, age: f32) -> f32 {
        match &self.popularity {
            Some(model) => model.score(row) as f32,
            // Of a key younger than the counter remembers, only a part was counted.
            None => count / (mean_life(HORIZON) * (1.0 - (-age.max(0.125)).exp2())),
        }
    }

    /// The probability to be hot; without a model, a curve through one half where the expectation is that of the coolest
    /// hot key of late.
    pub(super) fn hot(&self, row: &[f32; WIDTH], popularity: f32, cutoff: f32) -> f32 {
        match &self.hot {
            Some(model) => model.score(row) as f32,
            None => by_cutoff(popularity, cutoff),
        }
    }

    /// The probability that the key is asked for within the life of a copy fetched now. Without a model: as good as certain
    /// if the copy at hand was read, else not.
    pub(super) fn requested(&self, row: &[f32; WIDTH], hits: u32) -> f64 {
        match &self.requested {
            Some(model) => model.score(row),
            None if hits > 0 => 1.0,
            None => 0.0,
        }
    }

    /// The family of the models: that of the popularity's, or of another.
    pub(super) fn kind(&self) -> &'static str {
        let first = [&self.hot, &self.popularity, &self.requested].into_iter().flatten().next();
        match first.map(Predictor::kind) {
            Some(Kind::Linear) => "linear",
            Some(Kind::Boosted) => "boosted",
            None => "none",
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        [&self.hot, &self.popularity, &self.requested].into_iter().flatten().map(Predictor::bytes).sum()
    }

    /// As a blob.
    pub(super) fn encoded(&self) -> Vec<u8> {
        // A model that was fitted here is smaller than the envelope's limit.
        envelope::encode(self).unwrap_or_default()
    }

    /// From a blob.
    pub(super) fn decoded(blob: &[u8]) -> Result<Self, envelope::DecodeError> {
        envelope::decode(blob)
    }
}

/// The probability to be hot of a key of which only the expectation is known.
pub(super) fn by_cutoff(popularity: f32, cutoff: f32) -> f32 {
    let (square, cutoff) = (popularity * popularity, cutoff.max(0.5));
    square / (square + cutoff * cutoff)
}

impl Validate for Predictors {
    fn validate(&self) -> Result<(), Invalid> {
        let questions = [
            (&self.requested, Objective::Logistic),
            (&self.hot, Objective::Logistic),
            (&self.popularity, Objective::Poisson),
        ];
        for (model, objective) in questions {
            let Some(model) = model else { continue };
            model.validate()?;
            Invalid::unless(model.objective() == objective, "another question")?;
            Invalid::unless(model.names().iter().eq(NAMES.iter()), "other features")?;
        }
        if let Some(prior) = &self.prior {
            prior.validate()?;
        }
        Invalid::unless(self.hot_threshold.is_finite(), "threshold")
    }
}
