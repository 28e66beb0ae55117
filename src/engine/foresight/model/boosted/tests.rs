use proptest::prelude::*;

use super::draw::Draw;
use super::*;
use crate::engine::foresight::model::linear::LinearSettings;
use crate::engine::foresight::model::samples::Samples;

/// Rows of features in −1..1 whose labels are drawn with the objective's prediction for `truth`.
fn synthetic(rows: u64, features: usize, objective: Objective, truth: impl Fn(&[f32]) -> f64) -> Samples {
    let (mut draw, mut samples) = (Draw::new(11), Samples::new(features, usize::MAX));
    for time in 0..rows {
        let row: Vec<f32> = (0..features).map(|_| draw.unit() as f32 * 2.0 - 1.0).collect();
        let natural = objective.natural(truth(&row));
        let label = match objective {
            Objective::Logistic => f32::from(u8::from(draw.unit() < natural)),
            // Knuth's product of uniforms.
            Objective::Poisson => {
                let (mut count, mut product, end) = (0_u8, draw.unit(), (-natural).exp());
                while product > end && count < u8::MAX {
                    product *= draw.unit();
                    count += 1;
                }
                f32::from(count)
            }
        };
        samples.push(&row, label, time).unwrap();
    }
    samples
}

fn loss(model: &impl Model, part: Part<'_>) -> f64 {
    let objective = model.objective();
    let losses = part.rows().zip(part.labels());
    losses.map(|(row, label)| objective.loss(model.margin(row), objective.label(*label))).sum::<f64>()
        / part.len() as f64
}

fn few() -> BoostedSettings {
    BoostedSettings { trees: 30, depth: 3, rate: 0.3, ..BoostedSettings::suited(Objective::Logistic) }
}

#[test]
fn trees_find_what_features_say_together() {
    let xor = |row: &[f32]| if (row[0] > 0.0) == (row[1] > 0.0) { 2.0 } else { -2.0 };
    let samples = synthetic(4000, 4, Objective::Logistic, xor);
    let (fit, judge) = (samples.all().split(0.75, 0).earlier, samples.all().split(0.75, 0).later);
    let linear = Linear::fit(fit, Objective::Logistic, &LinearSettings::default()).unwrap();
    let boosted = Boosted::fit(fit, judge, Objective::Logistic, &few()).unwrap();
    assert!(loss(&linear, judge) > 0.68, "a line knows nothing: {}", loss(&linear, judge));
    assert!(loss(&boosted, judge) < 0.42, "the best possible is 0.37: {}", loss(&boosted, judge));
    let questions = boosted.questions();
    assert!(questions[0] + questions[1] > questions[2] + questions[3], "{questions:?}");
}

#[test]
fn rates_are_recovered() {
    let truth = |row: &[f32]| 1.0 + if row[0] > 0.2 { 1.0 } else { 0.0 } + 0.5 * f64::from(row[1]);
    let samples = synthetic(4000, 3, Objective::Poisson, truth);
    let (fit, judge) = (samples.all().split(0.75, 0).earlier, samples.all().split(0.75, 0).later);
    for start in [Start::Constant, Start::Linear] {
        let model = Boosted::fit(fit, judge, Objective::Poisson, &BoostedSettings { start, ..few() }).unwrap();
        for row in [[-0.5, 0.0, 0.0], [0.6, 0.0, 0.0], [0.6, 0.8, 0.0]] {
            let (found, right) = (model.score(&row), truth(&row).exp());
            assert!((found / right).ln().abs() < 0.15, "{start:?} {row:?}: {found} for {right}");
        }
    }
}

#[test]
fn noise_is_not_learned() {
    let samples = synthetic(2000, 5, Objective::Logistic, |_| -1.0);
    let parts = samples.all().split(0.7, 0);
    let model = Boosted::fit(parts.earlier, parts.later, Objective::Logistic, &few()).unwrap();
    assert!(model.trees() < 15, "{} trees", model.trees());
    assert!((model.score(&[0.0; 5]) - Objective::Logistic.natural(-1.0)).abs() < 0.1);
}

#[test]
fn a_seed_decides() {
    let samples = synthetic(500, 3, Objective::Logistic, |row| f64::from(row[0] * row[1] * 6.0));
    let parts = samples.all().split(0.7, 0);
    let fit = |seed| {
        let settings = BoostedSettings { seed, patience: 50, ..few() };
        Boosted::fit(parts.earlier, parts.later, Objective::Logistic, &settings).unwrap()
    };
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2));
}

#[test]
fn poor_samples_give_a_model_or_an_error() {
    let empty = Samples::new(3, 10);
    let settings = few();
    let fit = |part, later| Boosted::fit(part, later, Objective::Logistic, &settings);
    assert_eq!(fit(empty.all(), empty.all()), Err(FitError::NoRows));
    let other = Samples::new(2, 10);
    assert_eq!(fit(empty.all(), other.all()), Err(FitError::Width { expected: 3, found: 2 }));

    let mut one_class = Samples::new(3, 10);
    let mut odd = Samples::new(3, 100);
    for n in 0..10_u8 {
        one_class.push(&[f32::NAN, f32::INFINITY, 1.0], 1.0, 0).unwrap();
        odd.push(&[f32::NAN, f32::MAX, f32::from(n)], f32::from(n % 2), 0).unwrap();
        odd.push(&[f32::NEG_INFINITY, f32::MIN, f32::from(n)], 1.0, 0).unwrap();
    }
    let model = fit(one_class.all(), empty.all()).unwrap();
    assert!(model.score(&[0.0; 3]) > 0.9 && model.validate().is_ok());
    let model = fit(odd.all(), empty.all()).unwrap();
    assert!(model.validate().is_ok() && model.margin(&[f32::NAN; 3]).is_finite());
    assert_eq!(model.margin(&[]), model.margin(&[f32::NAN; 3]), "what is missing is average");
    assert_eq!(model.margin(&[1.0; 9]), model.margin(&[1.0; 3]), "what is too much is ignored");
}

#[test]
fn bins_and_values_lead_to_the_same_leaves() {
    let samples = synthetic(600, 4, Objective::Logistic, |row| f64::from(row[0] * row[1] * 6.0 + row[2]));
    let all = samples.all();
    let settings = few().clamped();
    let model = Boosted::fit(all, all, Objective::Logistic, &settings).unwrap();
    let bare = Boosted { features: vec![], thresholds: vec![], leaves: vec![], ..model.clone() };
    let trees = Rounds::new(all, all, &bare, &settings).run();
    assert_eq!(trees.len(), model.trees());
    for row in all.rows() {
        let leaves = trees.iter().map(|tree| {
            let bits = tree.splits.iter().fold(0, |leaf, it| leaf * 2 + usize::from(row[it.feature] > it.threshold));
            tree.leaves[bits << (settings.depth - tree.splits.len())]
        });
        let expected = bare.margin(row) + leaves.sum::<f64>();
        assert!((model.margin(row) - expected).abs() < 1e-5);
    }
}

#[test]
fn what_is_out_of_range_is_invalid() {
    let samples = synthetic(300, 3, Objective::Logistic, |row| f64::from(row[0] * row[1] * 6.0));
    let model = Boosted::fit(samples.all(), samples.all(), Objective::Logistic, &few()).unwrap();
    assert_eq!(model.validate(), Ok(()));
    let broken = |change: fn(&mut Boosted)| {
        let mut broken = model.clone();
        change(&mut broken);
        broken.validate()
    };
    assert!(broken(|it| it.features[0] = 3).is_err());
    assert!(broken(|it| it.depth = 0).is_err());
    assert!(broken(|it| it.depth = 7).is_err());
    assert!(broken(|it| it.leaves[0] = f32::NAN).is_err());
    assert!(broken(|it| it.thresholds[0] = f32::INFINITY).is_err());
    assert!(broken(|it| it.leaves.truncate(7)).is_err());
    assert!(broken(|it| it.fill.truncate(2)).is_err());
    assert!(broken(|it| it.features.push(0)).is_err());
}

/// These take long: a share of the cases that were asked for.
fn fewer() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(6), ..usual }
}

proptest! {
    #![proptest_config(fewer())]
    #[test]
    fn any_row_of_any_model_has_a_finite_score(
        bits in proptest::collection::vec(any::<u32>(), 60),
        labels in proptest::collection::vec(-3.0..40.0_f32, 20),
        row in proptest::collection::vec(any::<u32>(), 0..5),
        poisson in any::<bool>(),
    ) {
        let mut samples = Samples::new(3, 100);
        for (values, label) in bits.chunks(3).zip(&labels) {
            let values: Vec<f32> = values.iter().map(|bits| f32::from_bits(*bits)).collect();
            samples.push(&values, *label, 0).unwrap();
        }
        let objective = if poisson { Objective::Poisson } else { Objective::Logistic };
        let settings = BoostedSettings { trees: 4, depth: 2, ..BoostedSettings::suited(objective) };
        let model = Boosted::fit(samples.all(), samples.all(), objective, &settings).unwrap();
        prop_assert_eq!(model.validate(), Ok(()));
        let row: Vec<f32> = row.iter().map(|bits| f32::from_bits(*bits)).collect();
        prop_assert!(model.margin(&row).is_finite() && model.score(&row).is_finite() && model.score(&row) > 0.0);
    }
}
