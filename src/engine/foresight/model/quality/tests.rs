use proptest::prelude::*;

use super::decision::*;
use super::loss::*;
use super::ranking::*;
use super::reliability::*;
use super::*;
use crate::engine::foresight::model::objective::Objective;

#[test]
fn without_rows_or_classes_there_is_no_answer() {
    let report = Report::of(&[], &[]);
    assert_eq!(report, Report::default());
    let ones = Report::of(&[0.2, f64::NAN], &[1.0, 1.0]);
    assert_eq!((ones.roc_auc, ones.best, ones.average_precision), (None, None, Some(1.0)));
    let zeros = Report::of(&[0.2, 0.7], &[0.0, 0.0]);
    assert_eq!((zeros.roc_auc, zeros.best, zeros.average_precision), (None, None, None));
    assert_eq!(coverage(&[1.0], &[0.0], 5), None);
    assert_eq!(mean_loss(Objective::Poisson, &[1.0], &[1.0], &[0.0]), None);
    assert_eq!(poisson_deviance(&[], &[]), None);
    let nothing = Confusion::default();
    assert_eq!(
        (nothing.precision(), nothing.recall(), nothing.f1(), nothing.balanced_accuracy()),
        (None, None, None, None)
    );
}

#[test]
fn losses_by_hand() {
    assert!((log_loss(&[0.5, f64::NAN], &[1.0, 0.0]).unwrap() - 2.0_f64.ln()).abs() < 1e-12);
    assert!(log_loss(&[0.0, 1.0], &[1.0, 0.0]).unwrap().is_finite());
    assert_eq!(poisson_deviance(&[3.0], &[3.0]), Some(0.0));
    let expected = 2.0 * (2.0 * 2.0_f64.ln() - 2.0 + 1.0);
    assert!((poisson_deviance(&[1.0, f64::NAN], &[2.0, 2.0]).unwrap() - expected).abs() < 1e-12);
    let margin = Objective::Logistic.margin(0.3);
    let both = (mean_loss(Objective::Logistic, &[margin], &[1.0], &[]), log_loss(&[0.3], &[1.0]));
    assert!((both.0.unwrap() - both.1.unwrap()).abs() < 1e-12);
}

#[test]
fn decisions_by_hand() {
    let (scores, labels) = ([0.9, 0.8, 0.3, 0.1, f64::NAN], [1.0, 0.0, 1.0, 0.0, 0.0]);
    let confusion = Confusion::at(&scores, &labels, 0.3);
    assert_eq!(confusion, Confusion { hits: 2, false_alarms: 1, misses: 0, rejections: 2 });
    assert_eq!((confusion.precision(), confusion.recall()), (Some(2.0 / 3.0), Some(1.0)));
    assert_eq!(confusion.f1(), Some(0.8));
    let best = best_threshold(&scores, &labels).unwrap();
    assert!((best.threshold - 0.2).abs() < 1e-12 && (best.balanced_accuracy - 5.0 / 6.0).abs() < 1e-12);
}

#[test]
fn coverage_by_hand() {
    let counts = [10.0, 5.0, 1.0, 0.0];
    assert_eq!(coverage(&[0.1, 0.9, 0.8, 0.2], &counts, 2), Some(6.0 / 15.0));
    assert_eq!(coverage(&[4.0, 3.0, 2.0, 1.0], &counts, 2), Some(1.0));
    assert_eq!(coverage(&[4.0, 3.0], &counts, 9), Some(1.0));
}

#[test]
fn calibration_errors_by_hand() {
    let (scores, labels) = ([0.1, 0.1, 0.9, 0.9], [0.0, 0.0, 1.0, 0.0]);
    let error = |binning| calibration_error(&scores, &labels, 2, binning).unwrap();
    assert!((error(Binning::EqualMass) - (0.2 + 0.8) / 4.0).abs() < 1e-12);
    assert!((error(Binning::EqualWidth) - (0.2 + 0.8) / 4.0).abs() < 1e-12);
    let one = calibration_error(&scores, &labels, 0, Binning::EqualWidth).unwrap();
    assert!((one - 0.25).abs() < 1e-12, "one bin compares the means: {one}");
    assert!(calibration_error(&[7.0, -3.0], &[1.0, 0.0], 10, Binning::EqualWidth).unwrap().is_finite());
}

proptest! {
    #[test]
    fn areas_are_those_of_brute_force(pairs in proptest::collection::vec((0_u8..6, any::<bool>()), 1..30)) {
        let scores: Vec<f64> = pairs.iter().map(|(score, _)| f64::from(*score)).collect();
        let labels: Vec<f32> = pairs.iter().map(|(_, label)| f32::from(u8::from(*label))).collect();
        let of = |class: bool| pairs.iter().filter(move |(_, label)| *label == class).map(|(score, _)| *score);
        let (positives, negatives) = (of(true).count(), of(false).count());
        let mut ordered = 0.0;
        for high in of(true) {
            for low in of(false) {
                ordered += if high > low { 1.0 } else if high == low { 0.5 } else { 0.0 };
            }
        }
        let expected = (positives > 0 && negatives > 0).then(|| ordered / (positives * negatives) as f64);
        match (roc_auc(&scores, &labels), expected) {
            (Some(found), Some(right)) => prop_assert!((found - right).abs() < 1e-12),
            (found, right) => prop_assert_eq!(found, right),
        }

        let mut area = 0.0;
        for threshold in 0..6_u8 {
            let gained = of(true).filter(|score| *score == threshold).count() as f64;
            let taken = pairs.iter().filter(|(score, _)| *score >= threshold).count() as f64;
            let found = of(true).filter(|score| *score >= threshold).count() as f64;
            if gained > 0.0 {
                area += gained / positives as f64 * found / taken;
            }
        }
        if let Some(found) = average_precision(&scores, &labels) {
            prop_assert!((found - area).abs() < 1e-12);
        }

        if let Some(best) = best_threshold(&scores, &labels) {
            let reached = Confusion::at(&scores, &labels, best.threshold).balanced_accuracy().unwrap();
            prop_assert!((reached - best.balanced_accuracy).abs() < 1e-12);
            for threshold in &scores {
                let other = Confusion::at(&scores, &labels, *threshold).balanced_accuracy().unwrap();
                prop_assert!(other <= reached + 1e-12);
            }
        }
    }

    #[test]
    fn nothing_is_nan(pairs in proptest::collection::vec((any::<u64>(), any::<u32>()), 0..30)) {
        let scores: Vec<f64> = pairs.iter().map(|(bits, _)| f64::from_bits(*bits)).collect();
        let labels: Vec<f32> = pairs.iter().map(|(_, bits)| f32::from_bits(*bits)).map(|it| if it.is_finite() { it } else { 0.0 }).collect();
        let report = Report::of(&scores, &labels);
        for number in [report.log_loss, report.roc_auc, report.average_precision, report.calibration_error].into_iter().flatten() {
            prop_assert!(number.is_finite());
        }
        prop_assert!(report.best.is_none_or(|best| !best.threshold.is_nan()));
        prop_assert!(poisson_deviance(&scores, &labels).is_none_or(f64::is_finite));
        prop_assert!(coverage(&scores, &labels, 3).is_none_or(|it| (0.0..=1.0).contains(&it)));
    }
}
