//! What is foretold: the words of a prediction, of a class, and of the model that made it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::key::Key;
use crate::engine::time::Wall;

/// What kind of demand a key has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Class {
    /// Among the hottest 1 % of the tracked keys, by requests in about the last horizon.
    Popular,
    /// Asked for significantly more often now than before: at least twice as often, and by more than three standard
    /// deviations of a Poisson count.
    Trending,
    /// Its hour-of-week profile has foretold its requests better than the rhythm of all traffic.
    Seasonal,
    /// None of the others.
    Normal,
    /// Asked for less than once in ten horizons.
    Cold,
    /// Not seen, or not tracked.
    #[default]
    Unknown,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 6] =
        [Class::Popular, Class::Trending, Class::Seasonal, Class::Normal, Class::Cold, Class::Unknown];

    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            Class::Popular => "popular",
            Class::Trending => "trending",
            Class::Seasonal => "seasonal",
            Class::Normal => "normal",
            Class::Cold => "cold",
            Class::Unknown => "unknown",
        }
    }
}

/// Named numbers that describe a key's content, given by whoever knows it. At most [`ContentFeature::MOST`] a key.
#[derive(Clone, PartialEq, Debug)]
pub struct ContentFeature {
    /// Its name, at most [`ContentFeature::NAME_MAX`] bytes.
    pub name: Arc<str>,
    /// Its value; what is not finite is taken as 0.
    pub value: f64,
}

impl ContentFeature {
    /// The most features of one key.
    pub const MOST: usize = 64;
    /// The longest name, in bytes.
    pub const NAME_MAX: usize = 64;
}

/// What is expected of one key.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// Requests expected in the horizon.
    pub popularity: f64,
    /// The calibrated probability that the key is among the hottest `hot-percent` of the tracked keys in the horizon.
    pub hot: f64,
    /// The probability of the side that was called, 0.5..=1: `hot` or its complement, whichever is larger.
    pub confidence: f64,
    /// Its kind of demand.
    pub class: Class,
    /// What the model looked at, by name.
    pub features: Vec<(&'static str, f64)>,
    /// The version of the model; 0: none is trained, and the figures are what the last horizon was like.
    pub model: u64,
    /// When it was made.
    pub at: Wall,
}

/// A key with the requests expected of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Ranked {
    /// The key.
    pub key: Key,
    /// Requests expected in the horizon.
    pub popularity: f64,
}

/// How prediction is going: every figure is measured on traffic later than what the model was trained on, beside the
/// figures of *persistence* (the next horizon will be as the last). `None`: not measured yet.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ModelInfo {
    /// `none`, `linear` or `boosted`.
    pub kind: &'static str,
    /// Rises by one with each model adopted; 0: none.
    pub version: u64,
    /// When the model in use was trained.
    pub trained_at: Option<Wall>,
    /// Samples gathered for training.
    pub samples: usize,
    /// How many features it looks at.
    pub features: usize,
    /// Balanced accuracy of calling keys hot.
    pub accuracy: Option<f64>,
    /// The same of persistence.
    pub baseline_accuracy: Option<f64>,
    /// Of the keys called hot, the share that was.
    pub precision: Option<f64>,
    /// Of the hot keys, the share that was called.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
    /// Average precision of the ranking.
    pub pr_auc: Option<f64>,
    /// Requests on the predicted hottest keys, as a share of those on the true ones.
    pub coverage: Option<f64>,
    /// Expected calibration error of `hot`.
    pub calibration_error: Option<f64>,
    /// How long the last training took.
    pub training: Option<Duration>,
    /// Size of the model in use, in bytes.
    pub bytes: usize,
    /// Horizons that were scored.
    pub windows: u64,
}

/// Why a blob is not a model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}")]
pub struct ModelBlobError {
    /// One sentence for people.
    pub why: String,
}
