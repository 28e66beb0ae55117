//! An isotonic curve: the rising step function nearest to the outcomes, with its steps joined by lines.
//!
//! Pool adjacent violators: outcomes in the order of their margins are blocks; while a block's mean is not above the
//! one before, the two become one. That is the rising function of least squares, and of least loss for probabilities
//! and counts alike. O(n log n) for the sorting. Then neighbours are joined until each block has 1/64 of the mass, and
//! each becomes a knot at its mean margin; lines between knots, in margins, keep the ranking that steps would lose.
//! Beyond the first and last knot lines lead to the margins' limits. Source: Barlow and others, "Statistical inference
//! under order restrictions", 1972.

use serde::{Deserialize, Serialize};

use super::Outcomes;
use crate::engine::foresight::model::Invalid;
use crate::engine::foresight::model::objective::{MARGIN_LIMIT, Objective};

/// The most knots of a curve.
pub const MAX_KNOTS: usize = 64;

/// Where the curve ends on both sides. No margin comes here, so no two margins get the limit.
const END: Knot = Knot { margin: MARGIN_LIMIT + 1.0, calibrated: MARGIN_LIMIT };

/// A strictly rising curve.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Isotonic {
    knots: Vec<Knot>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Knot {
    margin: f64,
    calibrated: f64,
}

/// Neighbouring outcomes: sums weighted by their weights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Block {
    pub(super) weight: f64,
    pub(super) margins: f64,
    pub(super) labels: f64,
}

impl Block {
    pub(super) fn mean(&self) -> f64 {
        self.labels / self.weight
    }

    fn join(&mut self, other: Block) {
        self.weight += other.weight;
        self.margins += other.margins;
        self.labels += other.labels;
    }
}

impl Isotonic {
    /// The curve of outcomes; `None` without any of positive weight.
    pub(super) fn fit(objective: Objective, outcomes: Outcomes<'_>) -> Option<Self> {
        let blocks = joined(pool(blocks(objective, outcomes)));
        let all: f64 = blocks.iter().map(|block| block.weight).sum();
        let mut knots: Vec<Knot> = Vec::with_capacity(blocks.len());
        for block in blocks {
            // What never happened in n samples happens less than once in 2 n.
            let calibrated = match objective {
                Objective::Logistic => block.mean().clamp(0.5 / (all + 1.0), 1.0 - 0.5 / (all + 1.0)),
                Objective::Poisson => block.mean().max(0.5 / (all + 1.0)),
            };
            let knot = Knot { margin: block.margins / block.weight, calibrated: objective.margin(calibrated) };
            let rises = |last: &Knot| last.margin < knot.margin && last.calibrated < knot.calibrated;
            if knots.last().is_none_or(rises) && knot.calibrated.abs() < MARGIN_LIMIT {
                knots.push(knot);
            }
        }
        (!knots.is_empty()).then_some(Isotonic { knots })
    }

    pub(super) fn apply(&self, margin: f64) -> f64 {
        let right = self.knots.partition_point(|knot| knot.margin <= margin);
        let low = right.checked_sub(1).and_then(|left| self.knots.get(left)).copied();
        let low = low.unwrap_or(Knot { margin: -END.margin, calibrated: -END.calibrated });
        let high = self.knots.get(right).copied().unwrap_or(END);
        low.calibrated + (margin - low.margin) / (high.margin - low.margin) * (high.calibrated - low.calibrated)
    }

    pub(super) fn bytes(&self) -> usize {
        self.knots.capacity() * size_of::<Knot>()
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless((1..=MAX_KNOTS).contains(&self.knots.len()), "calibration: number of knots")?;
        // NaN is in no range, and not below anything.
        let inside = |knot: &Knot| knot.margin.abs() <= MARGIN_LIMIT && knot.calibrated.abs() < MARGIN_LIMIT;
        let rises = self.knots.is_sorted_by(|one, next| one.margin < next.margin && one.calibrated < next.calibrated);
        Invalid::unless(self.knots.iter().all(inside) && rises, "calibration: knots do not rise")
    }
}

/// A block for each differing margin, ascending.
fn blocks(objective: Objective, outcomes: Outcomes<'_>) -> Vec<Block> {
    let mut each: Vec<_> = outcomes.each(objective).filter(|(_, _, weight)| *weight > 0.0).collect();
    each.sort_by(|one, other| one.0.total_cmp(&other.0));
    let same = each.chunk_by(|one, other| one.0 == other.0);
    let block = |same: &[(f64, f64, f64)]| {
        let mut block = Block { weight: 0.0, margins: 0.0, labels: 0.0 };
        for (margin, label, weight) in same {
            block.join(Block { weight: *weight, margins: weight * margin, labels: weight * label });
        }
        block
    };
    same.map(block).collect()
}

/// Pools blocks until their means rise strictly.
pub(super) fn pool(blocks: Vec<Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(last) = pooled.pop_if(|last| last.mean() >= block.mean()) {
            block.join(last);
        }
        pooled.push(block);
    }
    pooled
}

/// Joins neighbours until each has 1 / [`MAX_KNOTS`] of the mass; the last may have less.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let share = blocks.iter().map(|block| block.weight).sum::<f64>() / MAX_KNOTS as f64;
    let mut joined: Vec<Block> = Vec::with_capacity(MAX_KNOTS);
    for block in blocks {
        // Rounding of the share must not make one too many.
        let full = joined.len() == MAX_KNOTS;
        match joined.last_mut() {
            Some(last) if full || last.weight < share => last.join(block),
            _ => joined.push(block),
        }
    }
    joined
}
