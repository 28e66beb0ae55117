//! What is asked of a model, and the likelihood that answers are judged by.

use serde::{Deserialize, Serialize};

/// Margins are kept within ± this: e³⁰ is 10¹³, so neither a probability nor a rate leaves what a float tells apart.
pub const MARGIN_LIMIT: f64 = 30.0;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Objective {
    /// How probable is it? Labels are 0 or 1 (or between); the margin is the log-odds.
    Logistic,
    /// How many are to be expected? Labels are counts; the margin is the log of the expectation.
    Poisson,
}

impl Objective {
    /// The prediction that a margin stands for. The margin is clamped to ±[`MARGIN_LIMIT`]; NaN counts as 0.
    pub fn natural(self, margin: f64) -> f64 {
        let margin = clamped(margin);
        match self {
            Objective::Logistic => 1.0 / (1.0 + (-margin).exp()),
            Objective::Poisson => margin.exp(),
        }
    }

    /// The margin that stands for a prediction: the inverse of [`natural`](Self::natural), clamped.
    pub fn margin(self, natural: f64) -> f64 {
        clamped(match self {
            Objective::Logistic => (natural / (1.0 - natural)).ln(),
            Objective::Poisson => natural.ln(),
        })
    }

    /// The margin of the best constant, from the sums of labels and of weights. Half a label is added (and half a
    /// miss, if logistic), so that one class alone has a finite margin.
    pub fn base(self, labels: f64, weights: f64) -> f64 {
        match self {
            Objective::Logistic => self.margin((labels + 0.5) / (weights + 1.0)),
            Objective::Poisson => self.margin((labels + 0.5) / weights.max(0.5)),
        }
    }

    /// A label as it may be: 0 to 1 (logistic), or not negative (Poisson).
    pub(crate) fn label(self, label: f32) -> f64 {
        match self {
            Objective::Logistic => f64::from(label).clamp(0.0, 1.0),
            Objective::Poisson => f64::from(label).max(0.0),
        }
    }

    /// The negative log-likelihood of a label under a margin; for Poisson without the term that only the label decides.
    pub fn loss(self, margin: f64, label: f64) -> f64 {
        let margin = clamped(margin);
        match self {
            // ln(1 + eᵐ) − y m, without overflow.
            Objective::Logistic => margin.max(0.0) + (-margin.abs()).exp().ln_1p() - label * margin,
            Objective::Poisson => margin.exp() - label * margin,
        }
    }

    /// The first and second derivative of [`loss`](Self::loss) by the margin.
    pub fn slope(self, margin: f64, label: f64) -> (f64, f64) {
        let natural = self.natural(margin);
        match self {
            Objective::Logistic => (natural - label, (natural * (1.0 - natural)).max(1e-12)),
            Objective::Poisson => (natural - label, natural.max(1e-12)),
        }
    }
}

/// A margin within its limits; NaN is 0.
pub(crate) fn clamped(margin: f64) -> f64 {
    if margin.is_nan() { 0.0 } else { margin.clamp(-MARGIN_LIMIT, MARGIN_LIMIT) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Objective; 2] = [Objective::Logistic, Objective::Poisson];

    #[test]
    fn every_margin_has_a_finite_prediction_and_loss() {
        for objective in BOTH {
            for margin in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e300] {
                assert!(objective.natural(margin).is_finite() && objective.natural(margin) > 0.0);
                assert!(objective.loss(margin, 1.0).is_finite());
            }
            assert!(objective.base(0.0, 0.0).is_finite() && objective.base(5.0, 5.0).is_finite());
        }
    }

    proptest! {
        #[test]
        fn margins_come_back(margin in -15.0..15.0_f64) {
            for objective in BOTH {
                prop_assert!((objective.margin(objective.natural(margin)) - margin).abs() < 1e-6);
            }
        }

        #[test]
        fn slopes_are_those_of_the_loss(margin in -8.0..8.0_f64, label in 0.0..1.0_f64) {
            let step = 1e-5;
            for objective in BOTH {
                let (first, second) = objective.slope(margin, label);
                let difference = objective.loss(margin + step, label) - objective.loss(margin - step, label);
                prop_assert!((difference / (2.0 * step) - first).abs() < 1e-4 * (1.0 + first.abs()));
                let slopes = objective.slope(margin + step, label).0 - objective.slope(margin - step, label).0;
                prop_assert!((slopes / (2.0 * step) - second).abs() < 1e-4 * (1.0 + second.abs()));
            }
        }
    }
}
