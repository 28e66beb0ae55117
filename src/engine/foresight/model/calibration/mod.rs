//! Calibration: making predictions mean what they say.
//!
//! A model ranks well before its probabilities are right. A calibration maps its margin to one whose prediction agrees
//! with what came of later samples, and never changes the ranking: every shape rises strictly, within
//! ±[`MARGIN_LIMIT`](super::objective::MARGIN_LIMIT).
//!
//! Three shapes compete, fitted to the earlier two thirds and judged by the loss of the last third; the best is fitted
//! again to all:
//! *identity*; a *line* on the margin (Platt scaling; for counts a factor and a power), held to the identity as by one
//! sample; and an *isotonic* curve of at most [`MAX_KNOTS`] knots. Cost: O(n log n) to fit, 1 to 6 comparisons to
//! apply. Sources: Platt, "Probabilistic outputs for support vector machines", 1999; Zadrozny and Elkan, "Transforming
//! classifier scores", 2002.
//!
//! The parts, in reading order: `line`, `isotonic`.

mod isotonic;
mod line;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::objective::{Objective, clamped};
use isotonic::Isotonic;
use line::Line;

pub use isotonic::MAX_KNOTS;

/// Fewer samples than this leave a model as it is.
pub const LEAST_ROWS: usize = 60;

/// Fewer samples than this make no isotonic curve.
pub const LEAST_ISOTONIC_ROWS: usize = 500;

/// A strictly rising map from margins to margins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Calibration {
    objective: Objective,
    shape: Shape,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Shape {
    Identity,
    Line(Line),
    Isotonic(Isotonic),
}

/// Margins with what came of them, in the order of time.
#[derive(Clone, Copy, Debug)]
pub struct Outcomes<'a> {
    margins: &'a [f64],
    labels: &'a [f32],
    weights: &'a [f32],
}

impl<'a> Outcomes<'a> {
    /// As many as the shorter of margins and labels; `weights` are 1 where it ends.
    pub fn new(margins: &'a [f64], labels: &'a [f32], weights: &'a [f32]) -> Self {
        let count = margins.len().min(labels.len());
        Outcomes { margins: &margins[..count], labels: &labels[..count], weights: &weights[..weights.len().min(count)] }
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.margins.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.margins.is_empty()
    }

    /// Margin, label and weight of each.
    fn each(self, objective: Objective) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        let weights = self.weights.iter().map(|weight| f64::from(*weight)).chain(std::iter::repeat(1.0));
        let pairs = self.margins.iter().zip(self.labels).zip(weights);
        pairs.map(move |((margin, label), weight)| (clamped(*margin), objective.label(*label), weight))
    }

    fn split(self, at: usize) -> (Self, Self) {
        let (earlier, later) = self.weights.split_at(at.min(self.weights.len()));
        (
            Outcomes::new(&self.margins[..at], &self.labels[..at], earlier),
            Outcomes::new(&self.margins[at..], &self.labels[at..], later),
        )
    }
}

impl Calibration {
    /// Changes nothing.
    pub fn identity(objective: Objective) -> Self {
        Calibration { objective, shape: Shape::Identity }
    }

    /// The shape that suits `outcomes` best; see the [module's text](self). They must not be what the model was fitted
    /// to. Fewer than [`LEAST_ROWS`] give the identity.
    pub fn fit(objective: Objective, outcomes: Outcomes<'_>) -> Self {
        if outcomes.len() < LEAST_ROWS {
            return Self::identity(objective);
        }
        let (earlier, later) = outcomes.split(outcomes.len() / 3 * 2);
        let mut best = (Self::identity(objective).loss(later), Family::Identity);
        for family in [Family::Factor, Family::Line, Family::Isotonic] {
            if family == Family::Isotonic && outcomes.len() < LEAST_ISOTONIC_ROWS {
                continue;
            }
            let loss = Self::of(family, objective, earlier).loss(later);
            if loss < best.0 {
                best = (loss, family);
            }
        }
        Self::of(best.1, objective, outcomes)
    }

    fn of(family: Family, objective: Objective, outcomes: Outcomes<'_>) -> Self {
        let shape = match family {
            Family::Identity => Shape::Identity,
            Family::Factor => Shape::Line(Line::fit_offset(objective, outcomes, 1.0)),
            Family::Line => Shape::Line(Line::fit(objective, outcomes)),
            Family::Isotonic => Isotonic::fit(objective, outcomes).map_or(Shape::Identity, Shape::Isotonic),
        };
        Calibration { objective, shape }
    }

    /// The sum of the losses of `outcomes` after calibration.
    fn loss(&self, outcomes: Outcomes<'_>) -> f64 {
        let each = outcomes.each(self.objective);
        each.map(|(margin, label, weight)| weight * self.objective.loss(self.margin(margin), label)).sum()
    }

    /// The calibrated margin.
    pub fn margin(&self, margin: f64) -> f64 {
        let margin = clamped(margin);
        clamped(match &self.shape {
            Shape::Identity => margin,
            Shape::Line(line) => line.apply(margin),
            Shape::Isotonic(curve) => curve.apply(margin),
        })
    }

    /// The calibrated prediction: a probability, or an expected count.
    pub fn score(&self, margin: f64) -> f64 {
        self.objective.natural(self.margin(margin))
    }

    /// What it makes of predictions.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Whether it is the identity.
    pub fn is_identity(&self) -> bool {
        self.shape == Shape::Identity
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let knots = if let Shape::Isotonic(curve) = &self.shape { curve.bytes() } else { 0 };
        size_of::<Self>() + knots
    }

    /// Whether it rises and all numbers are finite.
    pub fn validate(&self) -> Result<(), Invalid> {
        match &self.shape {
            Shape::Identity => Ok(()),
            Shape::Line(line) => line.validate(),
            Shape::Isotonic(curve) => curve.validate(),
        }
    }
}

/// What competes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Identity,
    /// A shift of the margin: a factor on odds or rates.
    Factor,
    Line,
    Isotonic,
}

#[cfg(test)]
mod tests;
