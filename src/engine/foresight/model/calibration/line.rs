//! A line on the margin, fitted by Newton's method with halved steps.

use serde::{Deserialize, Serialize};

use super::Outcomes;
use crate::engine::foresight::model::Invalid;
use crate::engine::foresight::model::objective::Objective;

/// Slopes outside of this are not believed: a model that ranks the wrong way round must not be turned over.
const SLOPES: (f64, f64) = (0.05, 20.0);

/// How firmly slope 1 and offset 0 are held, in samples.
const PRIOR: f64 = 1.0;

/// The calibrated margin is `slope · margin + offset`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    slope: f64,
    offset: f64,
}

impl Line {
    /// Slope and offset of least loss.
    pub(super) fn fit(objective: Objective, outcomes: Outcomes<'_>) -> Self {
        let line = descend(objective, outcomes, Line { slope: 1.0, offset: 0.0 }, |sums| {
            let determinant = sums.slope_slope * sums.offset_offset - sums.slope_offset * sums.slope_offset;
            let slope = sums.offset_offset * sums.slope - sums.slope_offset * sums.offset;
            let offset = sums.slope_slope * sums.offset - sums.slope_offset * sums.slope;
            Line { slope: slope / determinant, offset: offset / determinant }
        });
        if (SLOPES.0..=SLOPES.1).contains(&line.slope) {
            line
        } else {
            Self::fit_offset(objective, outcomes, line.slope.clamp(SLOPES.0, SLOPES.1))
        }
    }

    /// The offset of least loss for a slope.
    pub(super) fn fit_offset(objective: Objective, outcomes: Outcomes<'_>, slope: f64) -> Self {
        let start = Line { slope, offset: 0.0 };
        descend(objective, outcomes, start, |sums| Line { slope: 0.0, offset: sums.offset / sums.offset_offset })
    }

    pub(super) fn apply(&self, margin: f64) -> f64 {
        self.slope * margin + self.offset
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless((SLOPES.0..=SLOPES.1).contains(&self.slope), "calibration: slope")?;
        Invalid::unless(self.offset.is_finite(), "calibration: number not finite")
    }

    fn loss(&self, objective: Objective, outcomes: Outcomes<'_>) -> f64 {
        let prior = PRIOR / 2.0 * ((self.slope - 1.0).powi(2) + self.offset.powi(2));
        let each = outcomes.each(objective);
        prior + each.map(|(margin, label, weight)| weight * objective.loss(self.apply(margin), label)).sum::<f64>()
    }
}

/// The first and second derivatives of the loss by slope and offset.
struct Slopes {
    slope: f64,
    offset: f64,
    slope_slope: f64,
    slope_offset: f64,
    offset_offset: f64,
}

/// From `start` by the steps that `newton` makes of the derivatives, until the loss does not fall.
fn descend(objective: Objective, outcomes: Outcomes<'_>, start: Line, newton: impl Fn(&Slopes) -> Line) -> Line {
    let (mut line, mut loss) = (start, start.loss(objective, outcomes));
    for _ in 0..30 {
        let step = newton(&slopes(line, objective, outcomes));
        let shares = std::iter::successors(Some(1.0), |share| Some(share / 2.0)).take(12);
        let mut nexts = shares
            .map(|share| Line { slope: line.slope - share * step.slope, offset: line.offset - share * step.offset });
        let better = nexts.find_map(|next| {
            let next_loss = next.loss(objective, outcomes);
            (next_loss < loss).then_some((next, next_loss))
        });
        let Some((next, next_loss)) = better else { break };
        let gained = loss - next_loss;
        (line, loss) = (next, next_loss);
        if gained < 1e-10 * loss.abs().max(1.0) {
            break;
        }
    }
    line
}

fn slopes(line: Line, objective: Objective, outcomes: Outcomes<'_>) -> Slopes {
    let mut sums = Slopes {
        slope: PRIOR * (line.slope - 1.0),
        offset: PRIOR * line.offset,
        slope_slope: PRIOR,
        slope_offset: 0.0,
        offset_offset: PRIOR,
    };
    for (margin, label, weight) in outcomes.each(objective) {
        let (first, second) = objective.slope(line.apply(margin), label);
        sums.slope += weight * first * margin;
        sums.offset += weight * first;
        sums.slope_slope += weight * second * margin * margin;
        sums.slope_offset += weight * second * margin;
        sums.offset_offset += weight * second;
    }
    sums
}
