//! One oblivious tree, grown level by level on histograms.
//!
//! A level's question is the one whose gain, summed over all nodes of the level, is highest. The rows of a node stay
//! neighbours, so that its histogram reads derivatives in order; of two children the smaller is summed, and the other
//! is what the parent has more. Cost of a level: (rows / 2 + nodes · bins) · features. Source: Chen and Guestrin,
//! "XGBoost", 2016, equation 7, for the gain.

use super::BoostedSettings;
use super::histogram::{BINS, Binned, Cuts, Histogram, Sums};

/// The most that one tree may move a margin: a factor of two in odds or rate, however extreme its labels.
const LEAF_LIMIT: f64 = std::f64::consts::LN_2;

/// A gain below this is rounding.
const LEAST_GAIN: f64 = 1e-9;

/// A grown tree.
pub(super) struct Tree {
    /// What each level asks. Fewer than the settings' depth if nothing more was gained.
    pub(super) splits: Vec<Split>,
    /// What each of the 2^depth leaves adds to the margin. The bits of a leaf's number are the answers, the first
    /// level's the highest; levels that ask nothing answer 0.
    pub(super) leaves: Vec<f64>,
}

/// Rows whose bin of `feature` is above `bin` answer 1; for values: those above `threshold`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Split {
    pub(super) feature: usize,
    pub(super) bin: u8,
    pub(super) threshold: f32,
}

/// What a tree is grown on.
pub(super) struct Ground<'a> {
    pub(super) binned: &'a Binned,
    pub(super) cuts: &'a Cuts,
    /// Those that may be asked.
    pub(super) features: &'a [usize],
    pub(super) settings: &'a BoostedSettings,
}

/// The rows of a node and their derivatives, which stand in the same order.
struct Node<'s> {
    rows: &'s mut [u32],
    slopes: &'s mut [Sums],
    sums: Sums,
    histogram: Histogram,
}

impl Tree {
    /// Grows on `rows` and their derivatives, which are put in another order.
    pub(super) fn grow(ground: &Ground<'_>, rows: &mut [u32], slopes: &mut [Sums]) -> Self {
        let depth = ground.settings.depth;
        let histogram = ground.gather(rows, slopes);
        let sums = total(slopes);
        let mut nodes = vec![Node { rows, slopes, sums, histogram }];
        let mut splits = Vec::with_capacity(depth);
        let mut spare = Spare::default();
        for level in 1..=depth {
            let Some(split) = ground.best(&nodes) else { break };
            splits.push(split);
            let further = if level < depth { Further::Splits } else { Further::Leaves };
            let halves = |node| ground.halve(node, split, further, &mut spare);
            nodes = nodes.into_iter().flat_map(halves).collect();
        }
        let mut leaves = vec![0.0; 1 << depth];
        let apart = 1 << (depth - splits.len());
        for (leaf, node) in leaves.iter_mut().step_by(apart).zip(&nodes) {
            *leaf = ground.leaf(node.sums);
        }
        Tree { splits, leaves }
    }
}

/// What becomes of the children of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Further {
    /// They are split, and need histograms.
    Splits,
    /// They are leaves.
    Leaves,
}

impl Ground<'_> {
    fn gather(&self, rows: &[u32], slopes: &[Sums]) -> Histogram {
        Histogram::gather(self.binned, self.features, rows, slopes)
    }

    /// The question that gains most in all nodes together; the first of equals.
    fn best(&self, nodes: &[Node<'_>]) -> Option<Split> {
        let (mut most, mut best) = (LEAST_GAIN, None);
        for (place, feature) in self.features.iter().enumerate() {
            let cuts = self.cuts.of(*feature);
            let mut gains = [0.0; BINS];
            for node in nodes {
                self.add_gains(node, place, &mut gains[..cuts.len()]);
            }
            for (bin, (gain, threshold)) in gains.iter().zip(cuts).enumerate() {
                if *gain > most {
                    most = *gain;
                    // Below BINS.
                    best = Some(Split { feature: *feature, bin: bin as u8, threshold: *threshold });
                }
            }
        }
        best
    }

    /// Adds what a node gains by each cut of a feature that leaves enough on both sides.
    fn add_gains(&self, node: &Node<'_>, place: usize, gains: &mut [f64]) {
        let least = self.settings.least;
        if node.sums.second < 2.0 * least {
            return;
        }
        let whole = self.quality(node.sums);
        let mut left = Sums::default();
        for (gain, sums) in gains.iter_mut().zip(node.histogram.of(place)) {
            left.add(*sums);
            let right = node.sums.less(left);
            if left.second >= least && right.second >= least {
                *gain += self.quality(left) + self.quality(right) - whole;
            }
        }
    }

    /// Twice the loss that a leaf of these sums takes away.
    fn quality(&self, sums: Sums) -> f64 {
        sums.first * sums.first / (sums.second.max(0.0) + self.settings.l2)
    }

    fn leaf(&self, sums: Sums) -> f64 {
        let newton = -sums.first / (sums.second.max(0.0) + self.settings.l2);
        (newton * self.settings.rate).clamp(-LEAF_LIMIT, LEAF_LIMIT)
    }

    /// The two children of a node.
    fn halve<'s>(&self, node: Node<'s>, split: Split, further: Further, spare: &mut Spare) -> [Node<'s>; 2] {
        let Node { rows, slopes, sums, histogram } = node;
        let column = self.binned.column(split.feature);
        let middle = spare.partition(rows, slopes, |row| column[row as usize] <= split.bin);
        let (low, high) = rows.split_at_mut(middle);
        let (low_slopes, high_slopes) = slopes.split_at_mut(middle);
        // Both are summed: what is left of a difference in an empty node would be rounding.
        let (low_sums, high_sums) = (total(low_slopes), total(high_slopes));
        debug_assert!((low_sums.second + high_sums.second - sums.second).abs() <= 1e-6 * sums.second.abs() + 1e-9);
        let (low_histogram, high_histogram) = match further {
            Further::Leaves => Default::default(),
            Further::Splits if low.len() <= high.len() => {
                let smaller = self.gather(low, low_slopes);
                let larger = histogram.without(&smaller);
                (smaller, larger)
            }
            Further::Splits => {
                let smaller = self.gather(high, high_slopes);
                (histogram.without(&smaller), smaller)
            }
        };
        [
            Node { rows: low, slopes: low_slopes, sums: low_sums, histogram: low_histogram },
            Node { rows: high, slopes: high_slopes, sums: high_sums, histogram: high_histogram },
        ]
    }
}

fn total(slopes: &[Sums]) -> Sums {
    let mut sums = Sums::default();
    slopes.iter().for_each(|slope| sums.add(*slope));
    sums
}

/// Where rows wait while the others move.
#[derive(Default)]
struct Spare {
    rows: Vec<u32>,
    slopes: Vec<Sums>,
}

impl Spare {
    /// Moves the rows that are `low` before those that are not; both keep their order. How many are low.
    fn partition(&mut self, rows: &mut [u32], slopes: &mut [Sums], low: impl Fn(u32) -> bool) -> usize {
        self.rows.clear();
        self.slopes.clear();
        let mut count = 0;
        for at in 0..rows.len() {
            let (row, slope) = (rows[at], slopes[at]);
            if low(row) {
                (rows[count], slopes[count]) = (row, slope);
                count += 1;
            } else {
                self.rows.push(row);
                self.slopes.push(slope);
            }
        }
        rows[count..].copy_from_slice(&self.rows);
        slopes[count..].copy_from_slice(&self.slopes);
        count
    }
}
