//! Losses: what predictions cost, in nats a row. Lower is better.

use crate::engine::foresight::model::objective::Objective;

/// The mean negative log-likelihood of labels (0 to 1) under probabilities, which are kept 10⁻¹⁵ away from 0 and 1; NaN
/// counts as ½. `None` without rows.
pub fn log_loss(probabilities: &[f64], labels: &[f32]) -> Option<f64> {
    mean(probabilities.iter().zip(labels).map(|(probability, label)| {
        let probability = if probability.is_nan() { 0.5 } else { probability.clamp(1e-15, 1.0 - 1e-15) };
        let label = Objective::Logistic.label(*label);
        -label * probability.ln() - (1.0 - label) * (1.0 - probability).ln()
    }))
}

/// The mean Poisson deviance of counts under rates: `2 (count · ln(count / rate) − count + rate)`, 0 if each is right.
/// Rates are kept above 10⁻¹⁵ and below 10¹⁵; NaN counts as 1. `None` without rows.
pub fn poisson_deviance(rates: &[f64], counts: &[f32]) -> Option<f64> {
    mean(rates.iter().zip(counts).map(|(rate, count)| {
        let rate = if rate.is_nan() { 1.0 } else { rate.clamp(1e-15, 1e15) };
        let count = Objective::Poisson.label(*count);
        let surprise = if count > 0.0 { count * (count / rate).ln() } else { 0.0 };
        2.0 * (surprise - count + rate)
    }))
}

/// The weighted mean of [`Objective::loss`] (logistic: log loss; Poisson: half the deviance, less what only labels
/// decide); rows beyond the end of `weights` weigh 1. `None` without weight.
pub fn mean_loss(objective: Objective, margins: &[f64], labels: &[f32], weights: &[f32]) -> Option<f64> {
    let weights = weights.iter().map(|weight| f64::from(*weight)).chain(std::iter::repeat(1.0));
    let (mut losses, mut all) = (0.0, 0.0);
    for ((margin, label), weight) in margins.iter().zip(labels).zip(weights) {
        losses += weight * objective.loss(*margin, objective.label(*label));
        all += weight;
    }
    (all > 0.0).then(|| losses / all)
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u64), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / count as f64)
}
