//! Boosted models: a line or a constant, corrected by oblivious trees.
//!
//! The margin is that of the [`Start`] and one leaf of each tree. A tree is *oblivious*: it asks the same question
//! (`feature > threshold`) in all nodes of a level, so its answers are the bits of its leaf's number. Nothing branches
//! and no lookup waits for another: docs/decisions/forecast-models.md has what that gains. Trees alone do not
//! extrapolate: on counts they lose to a line. Begun from a line they mostly win.
//!
//! Fitting is gradient boosting by second derivatives: each round grows one tree on the derivatives of the loss of a
//! drawn share of rows and features, with leaves `−Σ first / (Σ second + l2) · rate`. After each round the loss of
//! later samples is taken; what came after the best round is cut off, and some rounds without a better one end it.
//! Cost: 30,000 × 25 rows and 100 trees of depth 6 in some 0.3 s on one core, n · d bytes for bins and about 40 bytes a
//! row besides. Sources: Friedman, "Greedy function approximation", 2001; Chen and Guestrin, "XGBoost", 2016, section
//! 2.2; Prokhorenkova and others, "CatBoost", 2018, for oblivious trees.
//!
//! The parts, in reading order: `rounds` (the loop), `tree` (one tree), `histogram` (what it is grown on), `draw`.

mod draw;
mod histogram;
mod rounds;
mod tree;

use serde::{Deserialize, Serialize};

use super::linear::Linear;
use super::objective::{Objective, clamped};
use super::samples::Part;
use super::{FitError, Invalid, Kind, MAX_FEATURES, Model};
use rounds::Rounds;
use tree::Tree;

/// The deepest that a tree may be: 64 leaves.
pub const MAX_DEPTH: usize = 6;

/// The most trees of a model.
pub const MAX_TREES: usize = 512;

/// How to fit. What is out of range is clamped.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BoostedSettings {
    /// The most trees: 0 to [`MAX_TREES`].
    pub trees: usize,
    /// Levels of a tree: 1 to [`MAX_DEPTH`].
    pub depth: usize,
    /// The share of its correction that a tree is allowed: 0.01 to 1.
    pub rate: f64,
    /// Penalty on the squares of leaves, in second derivatives: at least 10⁻³.
    pub l2: f64,
    /// The second derivatives that both sides of a split need, in the nodes that count for it.
    pub least: f64,
    /// The share of rows that a tree is grown on: above 0, up to 1.
    pub rows: f64,
    /// The share of features that a tree may ask: above 0, up to 1.
    pub columns: f64,
    /// Rounds without a better one on later samples that end the fit.
    pub patience: usize,
    /// What the first tree corrects.
    pub start: Start,
    /// Decides which rows and features each tree sees.
    pub seed: u64,
}

/// What the first tree corrects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The best constant.
    Constant,
    /// A linear model, fitted to the same samples with its default settings.
    Linear,
}

impl BoostedSettings {
    /// What did best on samples of a news portal: probabilities begin from a constant, counts from a line.
    pub fn suited(objective: Objective) -> Self {
        let start = match objective {
            Objective::Logistic => Start::Constant,
            Objective::Poisson => Start::Linear,
        };
        BoostedSettings {
            trees: 100,
            depth: 5,
            rate: 0.1,
            l2: 10.0,
            least: 1.0,
            rows: 0.7,
            columns: 0.7,
            patience: 12,
            start,
            seed: 0,
        }
    }

    fn clamped(self) -> Self {
        BoostedSettings {
            trees: self.trees.min(MAX_TREES),
            depth: self.depth.clamp(1, MAX_DEPTH),
            rate: within(self.rate, 0.01, 1.0),
            l2: self.l2.max(1e-3),
            least: self.least.max(0.0),
            rows: within(self.rows, 1e-3, 1.0),
            columns: within(self.columns, 1e-3, 1.0),
            ..self
        }
    }
}

/// A number within bounds; NaN is the lower one.
fn within(number: f64, low: f64, high: f64) -> f64 {
    if number.is_nan() { low } else { number.clamp(low, high) }
}

/// A fitted boosted model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Boosted {
    start: Linear,
    /// For each feature what stands in for a value that is missing or not finite.
    fill: Vec<f32>,
    /// Levels of every tree.
    depth: u8,
    /// For each tree and level the feature asked.
    features: Vec<u8>,
    /// For each tree and level what the feature must be above for a bit of 1. A level that asks nothing has `f32::MAX`.
    thresholds: Vec<f32>,
    /// For each tree its 2^depth leaves; the first level is the highest bit.
    leaves: Vec<f32>,
}

impl Boosted {
    /// Fits to `part` and stops by `later`, which may be empty: then all trees are grown. See the
    /// [module's text](self). An error if no row of `part` has a positive weight or the widths differ.
    pub fn fit(
        part: Part<'_>,
        later: Part<'_>,
        objective: Objective,
        settings: &BoostedSettings,
    ) -> Result<Self, FitError> {
        let settings = settings.clamped();
        if later.features() != part.features() {
            return Err(FitError::Width { expected: part.features(), found: later.features() });
        }
        let start = match settings.start {
            Start::Constant => Linear::constant(part, objective)?,
            Start::Linear => Linear::fit(part, objective, &Default::default())?,
        };
        let fill: Vec<f32> = start.means().map(|mean| mean as f32).collect();
        // At most MAX_DEPTH.
        let depth = settings.depth as u8;
        let mut model = Boosted { start, fill, depth, features: vec![], thresholds: vec![], leaves: vec![] };
        let trees = Rounds::new(part, later, &model, &settings).run();
        for tree in &trees {
            model.push(tree);
        }
        Ok(model)
    }

    fn push(&mut self, tree: &Tree) {
        for level in 0..usize::from(self.depth) {
            let (feature, threshold) = tree.splits.get(level).map_or((0, f32::MAX), |it| (it.feature, it.threshold));
            // Below MAX_FEATURES.
            self.features.push(feature as u8);
            self.thresholds.push(threshold);
        }
        self.leaves.extend(tree.leaves.iter().map(|leaf| *leaf as f32));
    }

    /// The number of trees.
    pub fn trees(&self) -> usize {
        self.leaves.len() >> self.depth
    }

    /// How often each feature is asked: a rough measure of what matters besides the line.
    pub fn questions(&self) -> Vec<usize> {
        let mut questions = vec![0; self.fill.len()];
        for (feature, _) in self.features.iter().zip(&self.thresholds).filter(|(_, threshold)| **threshold < f32::MAX) {
            if let Some(count) = questions.get_mut(usize::from(*feature)) {
                *count += 1;
            }
        }
        questions
    }

    /// Whether every index is in range, the arrays belong together and all numbers are finite.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.start.validate()?;
        Invalid::unless(self.fill.len() == self.start.features(), "boosted: number of features")?;
        let depth = usize::from(self.depth);
        Invalid::unless((1..=MAX_DEPTH).contains(&depth), "boosted: depth")?;
        let trees = self.leaves.len() >> depth;
        let together = self.features.len() == trees * depth
            && self.thresholds.len() == trees * depth
            && self.leaves.len() == trees << depth;
        Invalid::unless(trees <= MAX_TREES && together, "boosted: number of trees")?;
        let known = self.features.iter().all(|feature| usize::from(*feature) < self.fill.len());
        Invalid::unless(known, "boosted: unknown feature")?;
        let mut numbers = self.fill.iter().chain(&self.thresholds).chain(&self.leaves);
        Invalid::unless(numbers.all(|number| number.is_finite()), "boosted: number not finite")
    }

    /// The sum of one leaf of each tree of depth `D`.
    fn sum<const D: usize>(&self, row: &[f32; MAX_FEATURES]) -> f64 {
        let (features, thresholds) = (self.features.as_chunks::<D>().0, self.thresholds.as_chunks::<D>().0);
        let mut sum = 0.0;
        for ((features, thresholds), leaves) in features.iter().zip(thresholds).zip(self.leaves.chunks_exact(1 << D)) {
            let mut leaf = 0;
            for (feature, threshold) in features.iter().zip(thresholds) {
                // The remainder spares a check of bounds.
                leaf = leaf * 2 + usize::from(row[usize::from(*feature) % MAX_FEATURES] > *threshold);
            }
            sum += f64::from(leaves[leaf]);
        }
        sum
    }
}

impl Model for Boosted {
    fn margin(&self, row: &[f32]) -> f64 {
        let mut filled = [0.0; MAX_FEATURES];
        for ((cell, fill), value) in
            filled.iter_mut().zip(&self.fill).zip(row.iter().chain(std::iter::repeat(&f32::NAN)))
        {
            *cell = if value.is_finite() { *value } else { *fill };
        }
        let sum = match self.depth {
            1 => self.sum::<1>(&filled),
            2 => self.sum::<2>(&filled),
            3 => self.sum::<3>(&filled),
            4 => self.sum::<4>(&filled),
            5 => self.sum::<5>(&filled),
            6 => self.sum::<6>(&filled),
            _ => 0.0,
        };
        clamped(self.start.margin(&filled) + sum)
    }

    fn objective(&self) -> Objective {
        self.start.objective()
    }

    fn kind(&self) -> Kind {
        Kind::Boosted
    }

    fn features(&self) -> usize {
        self.fill.len()
    }

    fn bytes(&self) -> usize {
        self.start.bytes() + size_of::<Self>() - size_of::<Linear>()
            + self.features.capacity()
            + (self.fill.capacity() + self.thresholds.capacity() + self.leaves.capacity()) * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests;
