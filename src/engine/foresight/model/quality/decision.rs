//! Decisions: what comes of acting on predictions at or above a threshold.

use super::{descending, positive};

/// How often the four outcomes of a decision occurred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Confusion {
    /// Predicted, and it came.
    pub hits: usize,
    /// Predicted, and it did not come.
    pub false_alarms: usize,
    /// Not predicted, and it came.
    pub misses: usize,
    /// Not predicted, and it did not come.
    pub rejections: usize,
}

/// A threshold, and how well it separates.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Threshold {
    /// Predictions at or above it are positive.
    pub threshold: f64,
    /// [`Confusion::balanced_accuracy`] on what chose it.
    pub balanced_accuracy: f64,
}

impl Confusion {
    /// Counts predictions at or above `threshold` as positive; NaN never is.
    pub fn at(predictions: &[f64], labels: &[f32], threshold: f64) -> Self {
        let mut confusion = Confusion::default();
        for (prediction, label) in predictions.iter().zip(labels) {
            let outcome = match (*prediction >= threshold, positive(*label)) {
                (true, true) => &mut confusion.hits,
                (true, false) => &mut confusion.false_alarms,
                (false, true) => &mut confusion.misses,
                (false, false) => &mut confusion.rejections,
            };
            *outcome += 1;
        }
        confusion
    }

    /// The share of what was predicted that came. `None` if nothing was predicted.
    pub fn precision(self) -> Option<f64> {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// The share of what came that was predicted. `None` if nothing came.
    pub fn recall(self) -> Option<f64> {
        share(self.hits, self.hits + self.misses)
    }

    /// The share of what did not come that was not predicted. `None` if everything came.
    pub fn specificity(self) -> Option<f64> {
        share(self.rejections, self.rejections + self.false_alarms)
    }

    /// The harmonic mean of precision and recall. `None` if nothing was predicted and nothing came.
    pub fn f1(self) -> Option<f64> {
        share(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)
    }

    /// The mean of recall and specificity: ½ for every constant. `None` unless both classes occur.
    pub fn balanced_accuracy(self) -> Option<f64> {
        Some((self.recall()? + self.specificity()?) / 2.0)
    }
}

/// The threshold of the best balanced accuracy: halfway between two neighbouring predictions; of equals the highest.
/// `None` unless both classes occur. O(n log n).
pub fn best_threshold(predictions: &[f64], labels: &[f32]) -> Option<Threshold> {
    let steps = descending(predictions, labels);
    let positives: usize = steps.iter().map(|(_, positive, _)| positive).sum();
    let negatives: usize = steps.iter().map(|(_, _, negative)| negative).sum();
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut hits, mut alarms) = (0, 0);
    let mut best: Option<Threshold> = None;
    for (at, (prediction, positive, negative)) in steps.iter().enumerate() {
        hits += positive;
        alarms += negative;
        let balanced_accuracy = (hits as f64 / positives as f64 + 1.0 - alarms as f64 / negatives as f64) / 2.0;
        if best.is_none_or(|best| balanced_accuracy > best.balanced_accuracy) {
            let next = steps.get(at + 1).map_or(*prediction, |next| next.0);
            let middle = prediction / 2.0 + next / 2.0;
            let between = middle.is_finite() && middle > next && middle <= *prediction;
            best = Some(Threshold { threshold: if between { middle } else { *prediction }, balanced_accuracy });
        }
    }
    best
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
