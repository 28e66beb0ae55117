//! Rankings: whether what is predicted higher comes about more often. Any scale of predictions will do.

use super::descending;

/// The area below the ROC curve: how probable it is that a positive ranks above a negative, equals counting half.
/// `None` unless both classes occur. O(n log n). Source: Hanley and McNeil, 1982.
pub fn roc_auc(predictions: &[f64], labels: &[f32]) -> Option<f64> {
    let (mut above, mut ordered, mut negatives) = (0_usize, 0.0, 0_usize);
    for (_, positive, negative) in descending(predictions, labels) {
        ordered += negative as f64 * (above as f64 + positive as f64 / 2.0);
        above += positive;
        negatives += negative;
    }
    let pairs = above as f64 * negatives as f64;
    (pairs > 0.0).then(|| ordered / pairs)
}

/// The average precision: the area below precision over recall, in steps and without interpolation; equals are taken
/// together. What chance gets is the share of positives. `None` without positives. O(n log n).
pub fn average_precision(predictions: &[f64], labels: &[f32]) -> Option<f64> {
    let (mut found, mut taken, mut area) = (0, 0, 0.0);
    for (_, positive, negative) in descending(predictions, labels) {
        found += positive;
        taken += positive + negative;
        area += positive as f64 * found as f64 / taken as f64;
    }
    (found > 0).then(|| area / found as f64)
}

/// The coverage: what the `top` highest predictions count together, as a share of what the `top` highest counts do. Of
/// equal predictions the earlier are taken; negative and NaN counts are 0. `None` if even the highest counts are 0.
/// O(n log n).
pub fn coverage(predictions: &[f64], counts: &[f32], top: usize) -> Option<f64> {
    let count = |count: f32| f64::from(count.max(0.0));
    let rank = |prediction: f64| if prediction.is_nan() { f64::NEG_INFINITY } else { prediction };
    let mut predicted: Vec<_> = predictions.iter().zip(counts).map(|(p, c)| (rank(*p), count(*c))).collect();
    predicted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let got: f64 = predicted.iter().take(top).map(|(_, count)| count).sum();
    predicted.sort_by(|one, other| other.1.total_cmp(&one.1));
    let possible: f64 = predicted.iter().take(top).map(|(_, count)| count).sum();
    (possible > 0.0).then(|| got / possible)
}
