//! Quality: how good predictions were, on samples that are later than what taught them.
//!
//! Everything takes predictions and labels of equal length (what one has more is ignored); a label above ½ is a
//! positive. Where there is no answer, for want of rows or of one of the classes, it is `None`: never NaN. A prediction
//! that is NaN ranks lowest. Plain accuracy is deliberately absent: with a rare class it praises those who never
//! predict.
//!
//! The parts, in reading order: [`loss`], [`ranking`], [`decision`], [`reliability`]; [`Report`] has them together.

pub mod decision;
pub mod loss;
pub mod ranking;
pub mod reliability;

use decision::{Confusion, Threshold};
use reliability::Binning;

/// The quality of probabilities.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Report {
    /// How many were judged.
    pub rows: usize,
    /// How many of them were positive.
    pub positives: usize,
    /// [`loss::log_loss`].
    pub log_loss: Option<f64>,
    /// [`ranking::roc_auc`].
    pub roc_auc: Option<f64>,
    /// [`ranking::average_precision`]: the area below precision over recall.
    pub average_precision: Option<f64>,
    /// [`reliability::calibration_error`] over ten bins of equal mass.
    pub calibration_error: Option<f64>,
    /// The threshold that has the best balanced accuracy, chosen on these very rows.
    pub best: Option<Threshold>,
    /// What came of that threshold.
    pub confusion: Option<Confusion>,
}

impl Report {
    /// Judges probabilities. O(n log n).
    pub fn of(probabilities: &[f64], labels: &[f32]) -> Self {
        let best = decision::best_threshold(probabilities, labels);
        let rows = probabilities.len().min(labels.len());
        Report {
            rows,
            positives: labels[..rows].iter().filter(|label| positive(**label)).count(),
            log_loss: loss::log_loss(probabilities, labels),
            roc_auc: ranking::roc_auc(probabilities, labels),
            average_precision: ranking::average_precision(probabilities, labels),
            calibration_error: reliability::calibration_error(probabilities, labels, 10, Binning::EqualMass),
            best,
            confusion: best.map(|best| Confusion::at(probabilities, labels, best.threshold)),
        }
    }
}

/// Whether a label is a positive.
fn positive(label: f32) -> bool {
    label > 0.5
}

/// Predictions that are equal, from the highest to the lowest: the prediction, and how many are positive and negative.
fn descending(predictions: &[f64], labels: &[f32]) -> Vec<(f64, usize, usize)> {
    let lowest = |prediction: f64| if prediction.is_nan() { f64::NEG_INFINITY } else { prediction };
    let mut pairs: Vec<_> =
        predictions.iter().zip(labels).map(|(prediction, label)| (lowest(*prediction), positive(*label))).collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let equal = pairs.chunk_by(|one, other| one.0 == other.0);
    let counts = |equal: &[(f64, bool)]| {
        let positives = equal.iter().filter(|(_, positive)| *positive).count();
        (equal[0].0, positives, equal.len() - positives)
    };
    equal.map(counts).collect()
}

#[cfg(test)]
mod tests;
