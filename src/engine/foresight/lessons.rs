//! Learning: what is handed to another thread, what happens there, and what comes back.
//!
//! A [`Lesson`] is a copy of the samples and of the models in use. [`Lesson::learn`] fits a model for each question on the
//! earlier samples, calibrates it on later ones, and judges it on the latest, beside the model in use and beside
//! persistence. Only what beats both comes back. Some seconds for the most samples; the same lesson teaches the same.

use super::content::Prior;
use super::features::{NAMES, PERSISTENCE};
use super::forecast::ContentFeature;
use super::learning::LEAST_SAMPLES;
use super::model::objective::Objective;
use super::model::predictor::Predictor;
use super::model::quality::loss::mean_loss;
use super::model::samples::Samples;
use super::model::selection::{Baseline, Candidate, SelectionSettings, fit_best};
use super::predictors::Predictors;

/// A caller's row: what a key is like, and how many requests it got in a horizon.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The content.
    pub features: Vec<ContentFeature>,
    /// Requests in one horizon; what is negative or not finite is not taken.
    pub requests: f64,
}

/// Why a lesson is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// To see whether it is time.
    Due,
    /// A user wants one now.
    Asked,
}

/// What is to be learned from.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Decisions to refresh: was the key asked for within the life of the copy?
    pub(super) requested: Option<Samples>,
    /// Windows: was the key among the hottest?
    pub(super) hot: Option<Samples>,
    /// Windows: how many requests were there?
    pub(super) popularity: Option<Samples>,
    /// Content and the requests that followed.
    pub(super) content: Option<Vec<Row>>,
    /// The models in use.
    pub(super) current: Predictors,
    /// How far a decision's label looks ahead, in milliseconds.
    pub(super) ttl: u64,
    /// How far a window's label looks ahead, in milliseconds.
    pub(super) horizon: u64,
    /// Where chance begins.
    pub(super) seed: u64,
}

/// What was learned: for each question the better model, if there is one.
#[derive(Clone, Debug)]
pub struct Learned {
    pub(super) requested: Option<Predictor>,
    pub(super) hot: Option<(Predictor, Option<f64>)>,
    pub(super) popularity: Option<Predictor>,
    pub(super) prior: Option<Prior>,
}

/// What became of what was learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adoption {
    /// A model of this version is in use now.
    Adopted {
        /// Its version.
        version: u64,
    },
    /// The model in use, or persistence, was better.
    Kept,
}

impl Lesson {
    /// Fewer samples of each kind than this teach nothing.
    pub const FEWEST_SAMPLES: usize = LEAST_SAMPLES;

    /// Learns. Up to some seconds: not for a thread that others wait for.
    pub fn learn(self) -> Learned {
        let current = &self.current;
        let better = |samples: &Option<Samples>, objective, gap, in_use: Option<&Predictor>| {
            let samples = samples.as_ref()?;
            let settings = SelectionSettings::suited(objective, gap, self.seed);
            let names = NAMES.map(str::to_owned);
            let candidate = fit_best(samples, &names, objective, Baseline::Feature(PERSISTENCE), &settings).ok()?;
            let beats = candidate.is_worth_having() && beats_in_use(&candidate, samples, objective, in_use);
            beats.then_some(candidate)
        };
        let requested = better(&self.requested, Objective::Logistic, self.ttl, current.requested.as_ref());
        let hot = better(&self.hot, Objective::Logistic, self.horizon, current.hot.as_ref());
        let popularity = better(&self.popularity, Objective::Poisson, self.horizon, current.popularity.as_ref());
        Learned {
            requested: requested.map(|candidate| candidate.predictor),
            hot: hot.map(|candidate| (candidate.predictor, candidate.report.best.map(|best| best.threshold))),
            popularity: popularity.map(|candidate| candidate.predictor),
            prior: self.content.as_deref().and_then(Prior::fit),
        }
    }
}

/// Whether a candidate is better than the model in use on the samples that judged it.
fn beats_in_use(candidate: &Candidate, samples: &Samples, objective: Objective, in_use: Option<&Predictor>) -> bool {
    let Some(in_use) = in_use else { return true };
    let all = samples.all();
    let first = all.len().saturating_sub(candidate.rows[2]);
    let margins: Vec<f64> = all.rows().skip(first).map(|row| in_use.margin(row)).collect();
    let weights = all.weights().get(first..).unwrap_or_default();
    let loss = mean_loss(objective, &margins, &all.labels()[first..], weights);
    loss.is_none_or(|loss| candidate.loss < loss)
}
