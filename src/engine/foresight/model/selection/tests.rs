use super::*;
use crate::engine::foresight::model::Kind;

fn turn(n: u32, ratio: f64) -> f64 {
    (f64::from(n) * ratio).fract()
}

/// Rows of three features in −1..1, with labels that come as `truth` says.
fn samples(rows: u32, truth: impl Fn([f64; 3]) -> f64) -> Samples {
    let mut samples = Samples::new(3, rows as usize);
    for n in 0..rows {
        let row = [0.618_033_988_7, 0.754_877_666_2, 0.569_840_290_9].map(|ratio| turn(n, ratio) * 2.0 - 1.0);
        let label = turn(n.wrapping_mul(2_654_435_761) >> 7, 0.438_579_021_4) < Objective::Logistic.natural(truth(row));
        samples.push(&row.map(|value| value as f32), f32::from(u8::from(label)), u64::from(n) * 10).unwrap();
    }
    samples
}

fn names() -> Vec<String> {
    ["one", "two", "three"].map(String::from).to_vec()
}

fn settings() -> SelectionSettings {
    let mut settings = SelectionSettings::suited(Objective::Logistic, 100, 3);
    settings.boosted = BoostedSettings { trees: 20, depth: 3, rate: 0.3, ..settings.boosted };
    settings
}

fn best(samples: &Samples, baseline: Baseline<'_>) -> Candidate {
    fit_best(samples, &names(), Objective::Logistic, baseline, &settings()).unwrap()
}

#[test]
fn lines_win_where_lines_are_true_and_trees_where_they_are_not() {
    let line = samples(3000, |row| 3.0 * row[0] - 2.0 * row[1]);
    let candidate = best(&line, Baseline::Feature(2));
    assert_eq!((candidate.predictor.kind(), candidate.boosted_loss), (Kind::Linear, None));
    assert!(candidate.is_worth_having() && candidate.baseline_loss.unwrap() > candidate.loss + 0.1);
    assert!(candidate.report.roc_auc.unwrap() > 0.8);
    assert_eq!(candidate.rows[2], 450);

    let pairs = samples(5000, |row| if (row[0] > 0.0) == (row[1] > 0.0) { 2.0 } else { -2.0 });
    let candidate = best(&pairs, Baseline::Constant);
    assert_eq!(candidate.predictor.kind(), Kind::Boosted);
    assert!(candidate.loss < candidate.linear_loss - 0.1 && Some(candidate.loss) == candidate.boosted_loss);
    assert_eq!(candidate, best(&pairs, Baseline::Constant), "the same samples give the same candidate");
}

#[test]
fn what_knows_as_much_is_not_worth_replacing() {
    let line = samples(3000, |row| 3.0 * row[0] - 2.0 * row[1]);
    let truth: Vec<f64> = line.all().rows().map(|row| f64::from(3.0 * row[0] - 2.0 * row[1])).collect();
    let candidate = best(&line, Baseline::Margins(&truth));
    assert!((candidate.baseline_loss.unwrap() - candidate.loss).abs() < 0.02);
    let fit = |baseline| fit_best(&line, &names(), Objective::Logistic, baseline, &settings());
    assert_eq!(fit(Baseline::Margins(&truth[1..])), Err(FitError::Baseline));
    assert_eq!(fit(Baseline::Feature(3)), Err(FitError::Baseline));
}

#[test]
fn noise_is_not_worth_having_much() {
    let noise = samples(2000, |_| -1.0);
    let candidate = best(&noise, Baseline::Constant);
    assert!((candidate.loss - candidate.constant_loss).abs() < 0.02, "{candidate:?}");
}

#[test]
fn too_little_is_an_error() {
    let few = samples(100, |_| 0.0);
    let fit = |samples: &Samples, names: &[String]| {
        fit_best(samples, names, Objective::Poisson, Baseline::Constant, &settings())
    };
    assert_eq!(fit(&few, &names()), Err(FitError::TooFew { found: 14, needed: LEAST_ROWS }));
    assert_eq!(fit(&few, &names()[..2]), Err(FitError::Width { expected: 3, found: 2 }));
    let empty = Samples::new(3, 5);
    assert_eq!(fit(&empty, &names()), Err(FitError::TooFew { found: 0, needed: LEAST_ROWS }));
}

#[test]
fn counts_are_selected_too() {
    let mut counts = Samples::new(3, 2000);
    for n in 0..2000_u32 {
        let x = turn(n, 0.618_033_988_7) * 3.0;
        counts.push(&[x as f32, f32::NAN, 1.0], (x.exp() + turn(n, 0.754) - 0.5) as f32, u64::from(n)).unwrap();
    }
    let candidate = fit_best(&counts, &names(), Objective::Poisson, Baseline::Feature(0), &settings()).unwrap();
    let found = candidate.predictor.score(&[2.0, 0.0, 1.0]);
    assert!((found / 2.0_f64.exp() - 1.0).abs() < 0.05, "{found}");
    assert!(candidate.report.log_loss.is_none() && candidate.loss < candidate.constant_loss);
}
