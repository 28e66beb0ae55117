//! The rounds of a fit: derivatives, a tree, new margins, the loss of later samples.

use super::draw::Draw;
use super::histogram::{Binned, Cuts, Sums};
use super::tree::{Ground, Tree};
use super::{Boosted, BoostedSettings, Model};
use crate::engine::foresight::model::objective::Objective;
use crate::engine::foresight::model::samples::Part;

/// Boosting under way.
pub(super) struct Rounds<'a> {
    settings: &'a BoostedSettings,
    objective: Objective,
    cuts: Cuts,
    fit: Scored<'a>,
    later: Scored<'a>,
    draw: Draw,
    /// Features that vary: the others cannot be asked.
    varying: Vec<usize>,
}

/// A part with its bins and the margins of the trees so far.
struct Scored<'a> {
    part: Part<'a>,
    binned: Binned,
    margins: Vec<f64>,
    leaf_of: Vec<u8>,
}

impl<'a> Scored<'a> {
    fn new(part: Part<'a>, cuts: &Cuts, model: &Boosted) -> Self {
        let binned = Binned::new(part, cuts, &model.fill);
        let margins = part.rows().map(|row| model.margin(row)).collect();
        Scored { part, binned, margins, leaf_of: Vec::new() }
    }

    /// Adds a tree to the margins. O(n · depth).
    fn add(&mut self, tree: &Tree) {
        self.leaf_of.clear();
        self.leaf_of.resize(self.binned.rows(), 0);
        for split in &tree.splits {
            for (leaf, bin) in self.leaf_of.iter_mut().zip(self.binned.column(split.feature)) {
                *leaf = *leaf * 2 + u8::from(*bin > split.bin);
            }
        }
        let unasked = tree.leaves.len().trailing_zeros() as usize - tree.splits.len();
        for (margin, leaf) in self.margins.iter_mut().zip(&self.leaf_of) {
            *margin += tree.leaves[usize::from(*leaf) << unasked];
        }
    }

    fn label(&self, row: usize, objective: Objective) -> f64 {
        objective.label(self.part.labels()[row])
    }

    fn loss(&self, objective: Objective) -> f64 {
        let losses = self.margins.iter().enumerate();
        losses.map(|(row, margin)| self.part.weight(row) * objective.loss(*margin, self.label(row, objective))).sum()
    }
}

impl<'a> Rounds<'a> {
    /// Prepares to correct `model`, which has no trees yet.
    pub(super) fn new(part: Part<'a>, later: Part<'a>, model: &Boosted, settings: &'a BoostedSettings) -> Self {
        let cuts = Cuts::new(part, &model.fill);
        let varying = (0..part.features()).filter(|feature| !cuts.of(*feature).is_empty()).collect();
        Rounds {
            settings,
            objective: model.objective(),
            fit: Scored::new(part, &cuts, model),
            later: Scored::new(later, &cuts, model),
            cuts,
            draw: Draw::new(settings.seed),
            varying,
        }
    }

    /// All trees up to the best round.
    pub(super) fn run(mut self) -> Vec<Tree> {
        let mut trees = Vec::new();
        let (mut lowest, mut best) = (self.later.loss(self.objective), 0);
        let (mut rows, mut slopes) = (Vec::new(), Vec::new());
        for round in 1..=self.settings.trees {
            self.sample(&mut rows, &mut slopes);
            let features = self.features();
            let ground =
                Ground { binned: &self.fit.binned, cuts: &self.cuts, features: &features, settings: self.settings };
            let tree = Tree::grow(&ground, &mut rows, &mut slopes);
            self.fit.add(&tree);
            self.later.add(&tree);
            trees.push(tree);
            let loss = self.later.loss(self.objective);
            if self.later.part.is_empty() || loss < lowest {
                (lowest, best) = (loss, round);
            }
            if round - best > self.settings.patience {
                break;
            }
        }
        trees.truncate(best);
        trees
    }

    /// Draws rows, and takes the derivatives of their losses.
    fn sample(&mut self, rows: &mut Vec<u32>, slopes: &mut Vec<Sums>) {
        rows.clear();
        slopes.clear();
        for (row, margin) in self.fit.margins.iter().enumerate() {
            if self.draw.unit() < self.settings.rows {
                let weight = self.fit.part.weight(row);
                let (first, second) = self.objective.slope(*margin, self.fit.label(row, self.objective));
                rows.push(row as u32);
                slopes.push(Sums { first: weight * first, second: weight * second });
            }
        }
    }

    /// Draws features, at least one if any varies.
    fn features(&mut self) -> Vec<usize> {
        let all = self.varying.len();
        let count = ((all as f64 * self.settings.columns).ceil() as usize).min(all);
        for place in 0..count {
            let other = place + self.draw.below(all - place);
            self.varying.swap(place, other);
        }
        self.varying[..count].to_vec()
    }
}
