//! Models: what is learned from samples, and what it says of a row of numbers. Nothing here knows of keys.
//!
//! A model answers one question for one row of features: how probable is it ([`Objective::Logistic`]), or how many are
//! to be expected ([`Objective::Poisson`]). Inside it adds up a *margin* (log-odds, or the log of the rate); the score
//! is the margin on its natural scale. Fitting is pure and repeatable: the same samples, settings and seed give the
//! same model. It costs a fraction of a second for 30,000 rows, so it belongs on a thread of low priority; scoring
//! belongs anywhere, as it allocates nothing.
//!
//! Two families, for one reason each: [`linear`] needs a thousand samples and can be read, [`boosted`] finds what
//! features say together.
//!
//! The parts, in reading order: [`samples`] (what is learned from), [`objective`] (what is asked), [`linear`],
//! [`boosted`], [`calibration`] (predictions that mean what they say), [`quality`] (how good they were), [`predictor`]
//! (what is used), [`selection`] (the best that can be fitted), [`envelope`] (models as bytes).
//!
//! ```
//! use redis_warm::engine::foresight::model::objective::Objective;
//! use redis_warm::engine::foresight::model::samples::Samples;
//! use redis_warm::engine::foresight::model::selection::{Baseline, SelectionSettings, fit_best};
//!
//! // Whether a key is read in the next minute, by how often it was in the last.
//! let (minute, mut samples) = (60_000, Samples::new(1, 10_000));
//! for time in 0..2000_u64 {
//!     let reads = (time * 7 % 10) as f32;
//!     let label = if time % 10 == 0 { reads < 5.0 } else { reads >= 5.0 };
//!     samples.push(&[reads.ln_1p()], f32::from(u8::from(label)), time * 1000)?;
//! }
//! let settings = SelectionSettings::suited(Objective::Logistic, minute, 1);
//! let names = ["reads in the last minute".to_string()];
//! let candidate = fit_best(&samples, &names, Objective::Logistic, Baseline::Constant, &settings)?;
//! assert!(candidate.is_worth_having());
//! assert!(candidate.predictor.score(&[9.0_f32.ln_1p()]) > candidate.predictor.score(&[1.0_f32.ln_1p()]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod boosted;
pub mod calibration;
pub mod envelope;
pub mod linear;
pub mod objective;
pub mod predictor;
pub mod quality;
pub mod samples;
pub mod selection;

use serde::{Deserialize, Serialize};

use boosted::Boosted;
use linear::Linear;
use objective::Objective;

/// The most features that a row may have.
pub const MAX_FEATURES: usize = 64;

/// Which family a model is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// [`Linear`].
    Linear,
    /// [`Boosted`].
    Boosted,
}

/// A fitted model.
///
/// A row has [`features`](Model::features) numbers. What is not finite in it, and what is missing at its end, counts as
/// average; what is beyond its end is ignored. So every row has a finite score.
pub trait Model {
    /// The log-odds (logistic) or the log of the rate (Poisson): finite, within ±[`objective::MARGIN_LIMIT`].
    fn margin(&self, row: &[f32]) -> f64;

    /// What is asked.
    fn objective(&self) -> Objective;

    /// Which family it is of.
    fn kind(&self) -> Kind;

    /// The number of features of a row.
    fn features(&self) -> usize;

    /// The memory it takes, in bytes.
    fn bytes(&self) -> usize;

    /// The prediction on its natural scale: a probability in (0, 1), or an expected count above 0.
    fn score(&self, row: &[f32]) -> f64 {
        self.objective().natural(self.margin(row))
    }
}

/// A model of any family, so that it can be stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Fitted {
    /// A linear one.
    Linear(Linear),
    /// A boosted one.
    Boosted(Boosted),
}

impl Fitted {
    /// Whether it can be scored: see [`Invalid`]. For what comes from outside.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self {
            Fitted::Linear(model) => model.validate(),
            Fitted::Boosted(model) => model.validate(),
        }
    }
}

impl Model for Fitted {
    fn margin(&self, row: &[f32]) -> f64 {
        match self {
            Fitted::Linear(model) => model.margin(row),
            Fitted::Boosted(model) => model.margin(row),
        }
    }

    fn objective(&self) -> Objective {
        match self {
            Fitted::Linear(model) => model.objective(),
            Fitted::Boosted(model) => model.objective(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Fitted::Linear(_) => Kind::Linear,
            Fitted::Boosted(_) => Kind::Boosted,
        }
    }

    fn features(&self) -> usize {
        match self {
            Fitted::Linear(model) => model.features(),
            Fitted::Boosted(model) => model.features(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Fitted::Linear(model) => model.bytes(),
            Fitted::Boosted(model) => model.bytes(),
        }
    }
}

/// Why no model could be fitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FitError {
    /// There was nothing to learn from.
    #[error("no samples with a positive weight")]
    NoRows,
    /// There was too little to fit, tune or judge.
    #[error("{found} samples in a part that needs {needed}")]
    TooFew {
        /// In the smallest part.
        found: usize,
        /// In each.
        needed: usize,
    },
    /// The baseline is no feature of the samples, or has not one margin for each.
    #[error("the baseline does not belong to the samples")]
    Baseline,
    /// What was fitted may not be used.
    #[error("fitted model is invalid: {0}")]
    Invalid(Invalid),
    /// Parts of different widths were given.
    #[error("rows of {found} features among rows of {expected}")]
    Width {
        /// Of the part to fit.
        expected: usize,
        /// Of the other part.
        found: usize,
    },
}

/// Why a structure that came from outside is refused: what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

impl Invalid {
    /// `what` unless `holds`.
    pub(crate) fn unless(holds: bool, what: &'static str) -> Result<(), Invalid> {
        if holds { Ok(()) } else { Err(Invalid(what)) }
    }
}
