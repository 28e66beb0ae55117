use proptest::prelude::*;

use super::*;
use crate::engine::foresight::model::samples::Samples;

/// A grid of `rows` rows in about −2..2, without chance.
fn grid(rows: u16, features: usize) -> Vec<Vec<f32>> {
    let value = |row: u16, feature: usize| {
        let turn = f64::from(row) * [0.618_034, 0.754_878, 0.569_840, 0.437_744][feature % 4];
        (turn.fract() * 4.0 - 2.0) as f32
    };
    (0..rows).map(|row| (0..features).map(|feature| value(row, feature)).collect()).collect()
}

fn truth(row: &[f32]) -> f64 {
    0.3 + 1.2 * f64::from(row[0]) - 0.7 * f64::from(row[1])
}

/// Labels are the very predictions, so that coefficients are recovered without sampling error.
fn exact(objective: Objective) -> Samples {
    let mut samples = Samples::new(3, 10_000);
    for (time, row) in grid(3000, 3).iter().enumerate() {
        samples.push(row, objective.natural(truth(row)) as f32, time as u64).unwrap();
    }
    samples
}

#[test]
fn coefficients_are_recovered() {
    for objective in [Objective::Logistic, Objective::Poisson] {
        let samples = exact(objective);
        let settings = LinearSettings { l2: 0.0, ..LinearSettings::default() };
        let model = Linear::fit(samples.all(), objective, &settings).unwrap();
        for (found, right) in model.coefficients().zip([1.2, -0.7, 0.0]) {
            assert!((found - right).abs() < 1e-3, "{objective:?}: {found} for {right}");
        }
        assert!((model.margin(&[0.0; 3]) - 0.3).abs() < 1e-3);
        assert!((model.score(&[1.0, 1.0, 0.0]) - objective.natural(0.8)).abs() < 2e-3);
    }
}

#[test]
fn a_weight_counts_as_rows() {
    let (mut weighted, mut repeated) = (Samples::new(2, 1000), Samples::new(2, 1000));
    for (at, row) in grid(60, 2).iter().enumerate() {
        let label = f32::from(u8::from(truth(row) + f64::from(at as u8 % 7) - 3.0 > 0.0));
        weighted.push_weighted(row, label, 0, 3.0).unwrap();
        (0..3).for_each(|_| repeated.push(row, label, 0).unwrap());
    }
    let fit = |samples: &Samples| Linear::fit(samples.all(), Objective::Logistic, &LinearSettings::default()).unwrap();
    for (one, other) in fit(&weighted).coefficients().zip(fit(&repeated).coefficients()) {
        assert!((one - other).abs() < 1e-9);
    }
}

#[test]
fn separable_classes_end_with_finite_weights() {
    let mut samples = Samples::new(1, 1000);
    for n in -50_i8..50 {
        samples.push(&[f32::from(n)], f32::from(u8::from(n >= 0)), 0).unwrap();
    }
    for l2 in [1.0, 0.0, f64::NAN] {
        let model =
            Linear::fit(samples.all(), Objective::Logistic, &LinearSettings { l2, ..LinearSettings::default() })
                .unwrap();
        assert_eq!(model.validate(), Ok(()));
        assert!(model.score(&[20.0]) > 0.9 && model.score(&[-20.0]) < 0.1, "{l2}: {model:?}");
    }
}

#[test]
fn poor_columns_get_no_weight() {
    let mut samples = Samples::new(5, 10_000);
    for row in grid(500, 1) {
        let label = f32::from(u8::from(row[0] > 0.1));
        samples.push(&[row[0], 7.1, f32::NAN, f32::INFINITY, row[0]], label, 0).unwrap();
    }
    let model = Linear::fit(samples.all(), Objective::Logistic, &LinearSettings::default()).unwrap();
    let weights: Vec<f64> = model.weights().collect();
    assert_eq!(weights[1..4], [0.0; 3]);
    assert!((weights[0] - weights[4]).abs() < 1e-6, "twins share: {weights:?}");
    assert_eq!(model.margin(&[f32::NAN; 5]), model.intercept());
    assert_eq!(model.margin(&[]), model.intercept());
}

#[test]
fn one_class_and_no_rows() {
    let fit = |samples: &Samples, objective| Linear::fit(samples.all(), objective, &LinearSettings::default());
    let mut samples = Samples::new(1, 100);
    assert_eq!(fit(&samples, Objective::Logistic), Err(FitError::NoRows));
    samples.push_weighted(&[1.0], 1.0, 0, 0.0).unwrap();
    assert_eq!(fit(&samples, Objective::Logistic), Err(FitError::NoRows));
    for n in 0..50_u8 {
        samples.push(&[f32::from(n)], 0.0, 0).unwrap();
    }
    assert!((fit(&samples, Objective::Logistic).unwrap().score(&[9.0]) - 0.5 / 51.0).abs() < 1e-9);
    assert!((fit(&samples, Objective::Poisson).unwrap().score(&[9.0]) - 0.5 / 50.0).abs() < 1e-9);
}

#[test]
fn huge_counts_do_not_overflow() {
    let mut samples = Samples::new(1, 1000);
    for n in 0..200_u8 {
        samples.push(&[f32::from(n)], (f32::from(n) / 9.0).exp(), 0).unwrap();
    }
    let model = Linear::fit(samples.all(), Objective::Poisson, &LinearSettings::default()).unwrap();
    let (found, right) = (model.score(&[100.0]), (100.0_f64 / 9.0).exp());
    assert!((found / right).ln().abs() < 0.1, "{found} for {right}");
}

/// These take long: a share of the cases that were asked for.
fn fewer() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(4), ..usual }
}

proptest! {
    #![proptest_config(fewer())]
    #[test]
    fn cholesky_solves(values in proptest::collection::vec(-3.0..3.0_f64, 20)) {
        let factor = Array2::from_shape_vec((4, 4), values[..16].to_vec()).unwrap();
        let matrix = factor.dot(&factor.t()) + Array2::<f64>::eye(4);
        let right = Array1::from(values[16..].to_vec());
        let solution = solve(&matrix, &right).unwrap();
        let difference = matrix.dot(&solution) - &right;
        prop_assert!(difference.iter().all(|value| value.abs() < 1e-8));
    }

    #[test]
    fn any_samples_give_finite_scores(
        bits in proptest::collection::vec(any::<u32>(), 60),
        labels in proptest::collection::vec(-3.0..1e9_f32, 20),
        row in proptest::collection::vec(any::<u32>(), 0..5),
    ) {
        let mut samples = Samples::new(3, 100);
        for (values, label) in bits.chunks(3).zip(&labels) {
            let values: Vec<f32> = values.iter().map(|bits| f32::from_bits(*bits)).collect();
            samples.push(&values, *label, 0).unwrap();
        }
        let row: Vec<f32> = row.iter().map(|bits| f32::from_bits(*bits)).collect();
        for objective in [Objective::Logistic, Objective::Poisson] {
            let model = Linear::fit(samples.all(), objective, &LinearSettings::default()).unwrap();
            prop_assert_eq!(model.validate(), Ok(()));
            prop_assert!(model.score(&row).is_finite() && model.score(&row) > 0.0);
        }
    }
}
