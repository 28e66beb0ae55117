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
//! [`boosted`], [`calibration`] (predictions that mean what they say), [`quality`] (how good they were).

pub mod boosted;
pub mod calibration;
pub mod linear;
pub mod objective;
pub mod quality;
pub mod samples;

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
