use proptest::prelude::*;

use super::isotonic::{Block, pool};
use super::*;
use crate::engine::foresight::model::objective::MARGIN_LIMIT;

/// Evenly spread margins; the share of labels 1 at each is exactly what `truth` says, near enough.
fn outcomes(count: u32, truth: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f32>) {
    let margin = |n: u32| (f64::from(n) * 0.618_033_988_75).fract() * 8.0 - 4.0;
    let margins: Vec<f64> = (0..count).map(margin).collect();
    let turn = |n: u32| (f64::from(n) * 0.754_877_666_25).fract();
    let label = |(n, margin): (u32, &f64)| f32::from(u8::from(turn(n) < truth(*margin)));
    let labels = (0..count).zip(&margins).map(label).collect();
    (margins, labels)
}

fn fit(objective: Objective, margins: &[f64], labels: &[f32]) -> Calibration {
    let calibration = Calibration::fit(objective, Outcomes::new(margins, labels, &[]));
    assert_eq!(calibration.validate(), Ok(()));
    calibration
}

#[test]
fn a_line_is_recovered() {
    let (margins, labels) = outcomes(6000, |margin| Objective::Logistic.natural(0.5 * margin - 1.0));
    let calibration = fit(Objective::Logistic, &margins, &labels);
    for margin in [-3.0, 0.0, 3.0] {
        assert!((calibration.margin(margin) - (0.5 * margin - 1.0)).abs() < 0.2, "{calibration:?}");
    }
}

#[test]
fn a_curve_is_recovered() {
    let truth = |margin: f64| if margin < 0.0 { 0.1 } else { 0.6 + margin / 20.0 };
    let (margins, labels) = outcomes(9000, truth);
    let calibration = fit(Objective::Logistic, &margins, &labels);
    assert!(matches!(calibration.shape, Shape::Isotonic(_)), "{calibration:?}");
    for margin in [-3.0, -1.0, 1.0, 3.0] {
        let found = calibration.score(margin);
        assert!((found - truth(margin)).abs() < 0.05, "{margin}: {found}");
    }
}

#[test]
fn rates_get_their_factor() {
    let margins: Vec<f64> = (0..3000_u32).map(|n| f64::from(n % 30) / 10.0).collect();
    let labels: Vec<f32> = margins.iter().map(|margin| (1.5 * margin.exp()) as f32).collect();
    let calibration = fit(Objective::Poisson, &margins, &labels);
    assert!((calibration.score(2.0) / 2.0_f64.exp() - 1.5).abs() < 0.02, "{calibration:?}");
}

#[test]
fn what_is_right_stays_nearly_so_and_what_is_little_wholly() {
    let (margins, labels) = outcomes(6000, |margin| Objective::Logistic.natural(margin));
    let calibration = fit(Objective::Logistic, &margins, &labels);
    assert!(
        (-35..=35)
            .all(|n| (calibration.score(f64::from(n) / 10.0) - Objective::Logistic.natural(f64::from(n) / 10.0)).abs()
                < 0.04)
    );
    assert!(fit(Objective::Logistic, &margins[..LEAST_ROWS - 1], &labels).is_identity());
    assert!(fit(Objective::Poisson, &[], &[]).is_identity());
}

#[test]
fn a_model_that_ranks_the_wrong_way_round_is_not_turned_over() {
    let (margins, labels) = outcomes(6000, |margin| Objective::Logistic.natural(-margin));
    let calibration = fit(Objective::Logistic, &margins, &labels);
    assert!(calibration.margin(1.0) > calibration.margin(-1.0));
}

#[test]
fn weights_count_as_outcomes() {
    let (margins, labels) = outcomes(400, |margin| Objective::Logistic.natural(0.3 * margin));
    let twice: Vec<f64> = margins.iter().flat_map(|margin| [*margin; 2]).collect();
    let twice_labels: Vec<f32> = labels.iter().flat_map(|label| [*label; 2]).collect();
    let weighted = Line::fit(Objective::Logistic, Outcomes::new(&margins, &labels, &[2.0; 400]));
    let repeated = Line::fit(Objective::Logistic, Outcomes::new(&twice, &twice_labels, &[]));
    assert!((weighted.apply(1.0) - repeated.apply(1.0)).abs() < 1e-9);
}

/// The least sum of squares of a rising step function on few blocks: each set of borders is tried.
fn least_squares(labels: &[f64]) -> f64 {
    let cost = |borders: u32| {
        let mut parts = vec![vec![labels[0]]];
        for (at, label) in labels.iter().enumerate().skip(1) {
            if borders >> (at - 1) & 1 == 1 {
                parts.push(Vec::new());
            }
            parts.last_mut().unwrap().push(*label);
        }
        let mean = |part: &Vec<f64>| part.iter().sum::<f64>() / part.len() as f64;
        let squares = |part: &Vec<f64>| part.iter().map(|label| (label - mean(part)).powi(2)).sum::<f64>();
        let rises = parts.windows(2).all(|two| mean(&two[0]) <= mean(&two[1]));
        rises.then(|| parts.iter().map(squares).sum::<f64>())
    };
    (0..1_u32 << (labels.len() - 1)).filter_map(cost).fold(f64::INFINITY, f64::min)
}

/// These take long: a share of the cases that were asked for.
fn fewer() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(4), ..usual }
}

proptest! {
    #![proptest_config(fewer())]
    #[test]
    fn pooling_is_optimal(labels in proptest::collection::vec(0.0..4.0_f64, 1..9)) {
        let single = |label: &f64| Block { weight: 1.0, margins: 0.0, labels: *label };
        let blocks = pool(labels.iter().map(single).collect());
        prop_assert!(blocks.is_sorted_by(|one, next| one.mean() < next.mean()));
        let levels = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean(), block.weight as usize));
        let found: f64 = levels.zip(&labels).map(|(level, label)| (level - label).powi(2)).sum();
        prop_assert!((found - least_squares(&labels)).abs() < 1e-9);
    }

    #[test]
    fn any_calibration_keeps_the_ranking(
        pairs in proptest::collection::vec((-35.0..35.0_f64, 0.0..3.0_f32, 0_u8..3), 0..700),
        mut probes in proptest::collection::vec(-29.0..29.0_f64, 2..40),
        poisson in any::<bool>(),
    ) {
        let objective = if poisson { Objective::Poisson } else { Objective::Logistic };
        let (margins, labels): (Vec<f64>, Vec<f32>) = pairs.iter().map(|(margin, label, _)| (*margin, *label)).unzip();
        let weights: Vec<f32> = pairs.iter().map(|(_, _, weight)| f32::from(*weight)).collect();
        let outcomes = Outcomes::new(&margins, &labels, &weights);
        probes.sort_by(f64::total_cmp);
        for family in [Family::Identity, Family::Factor, Family::Line, Family::Isotonic] {
            let calibration = Calibration::of(family, objective, outcomes);
            prop_assert_eq!(calibration.validate(), Ok(()));
            for two in probes.windows(2) {
                let (low, high) = (calibration.margin(two[0]), calibration.margin(two[1]));
                prop_assert!(low.is_finite() && high.is_finite() && low <= high);
                let apart = two[1] - two[0] > 1e-6 && high < MARGIN_LIMIT && low > -MARGIN_LIMIT;
                prop_assert!(!apart || low < high, "{} and {} both get {low} from {calibration:?}", two[0], two[1]);
            }
        }
    }
}
