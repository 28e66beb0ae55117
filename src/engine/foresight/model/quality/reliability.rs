//! Reliability: whether predictions mean what they say.

/// How predictions are put into bins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binning {
    /// As many predictions in each, in their order: says most about the predictions that are common.
    EqualMass,
    /// As wide a part of 0 to 1 each: says something about each probability. What is outside falls into the outer bins.
    EqualWidth,
}

/// The expected calibration error: the mean over all rows of the distance, in a row's bin, between the mean prediction
/// and the mean label. Works for counts too, by equal mass. At least one bin is used; NaN is not
/// counted, and predictions are kept within ±10¹⁵. `None` without rows. O(n log n). Source: Naeini and others, "Obtaining well calibrated probabilities",
/// 2015.
pub fn calibration_error(predictions: &[f64], labels: &[f32], bins: usize, binning: Binning) -> Option<f64> {
    let pairs =
        predictions.iter().zip(labels).map(|(prediction, label)| (prediction.clamp(-1e15, 1e15), f64::from(*label)));
    let mut pairs: Vec<_> = pairs.filter(|(prediction, _)| !prediction.is_nan()).collect();
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let rows = pairs.len();
    let bins = bins.max(1);
    let bin = |(at, (prediction, _)): (usize, &(f64, f64))| match binning {
        Binning::EqualMass => (at as u128 * bins as u128 / rows as u128) as usize,
        // The cast saturates.
        Binning::EqualWidth => ((prediction * bins as f64) as usize).min(bins - 1),
    };
    let bin_of: Vec<usize> = pairs.iter().enumerate().map(bin).collect();
    let (mut distance, mut start) = (0.0, 0);
    for same in bin_of.chunk_by(|one, other| one == other) {
        let members = &pairs[start..start + same.len()];
        distance += members.iter().map(|(prediction, label)| prediction - label).sum::<f64>().abs();
        start += same.len();
    }
    (rows > 0).then(|| distance / rows as f64)
}
