//! How good the predictions were: what was foretold for a window is scored when the window has passed.
//!
//! A window is one horizon. At its start every tracked key's popularity and probability to be hot are kept; at its end they
//! are compared with what came, and persistence (the window before) is judged on the same keys. *Hot* were those with at
//! least as many requests as the `share × n`th key, and at least one. Thresholds are the ones that were in use before the
//! window began. Figures are means over windows in which a window counts [`KEPT`] of the one after. O(n log n) a window.

use super::model::quality::decision::{Confusion, best_threshold};
use super::model::quality::ranking::{average_precision, coverage};
use super::model::quality::reliability::{Binning, calibration_error};

/// What one window leaves of the weight of those before it.
const KEPT: f64 = 0.97;

/// One window, as it is gathered key by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    popularity: Vec<f64>,
    hot: Vec<f64>,
    before: Vec<f32>,
    came: Vec<f32>,
}

impl Window {
    /// A key: what was foretold, what came in the window before, and what came.
    pub(super) fn add(&mut self, foretold: [f32; 2], before: u32, came: u32) {
        self.popularity.push(f64::from(foretold[0]));
        self.hot.push(f64::from(foretold[1]));
        self.before.push(before as f32);
        self.came.push(came as f32);
    }

    /// How many requests make a key one of the hottest `share`; at least 1.
    pub(super) fn bar(&self, share: f64) -> f32 {
        let top = top_of(self.came.len(), share);
        if top == 0 {
            return 1.0;
        }
        let mut counts = self.came.clone();
        let (_, bar, _) = counts.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
        bar.max(1.0)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.popularity.clear();
        self.hot.clear();
        self.before.clear();
        self.came.clear();
    }
}

/// The figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Scores {
    /// Windows scored.
    pub(super) windows: u64,
    means: [Mean; 8],
    /// The count of the window before from which on persistence calls a key hot.
    baseline_threshold: Option<f64>,
}

/// The figures' places.
#[derive(Clone, Copy, Debug)]
pub(super) enum Figure {
    Accuracy,
    BaselineAccuracy,
    Precision,
    Recall,
    F1,
    PrAuc,
    Coverage,
    CalibrationError,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Scores {
    /// Scores a window of which `share` of the keys were hot, `threshold` being the probability from which on a key was
    /// called hot.
    pub(super) fn score(&mut self, window: &Window, share: f64, threshold: f64) {
        let Window { popularity, hot, before, came } = window;
        let bar = window.bar(share);
        let labels: Vec<f32> = came.iter().map(|count| f32::from(u8::from(*count >= bar))).collect();
        let last: Vec<f64> = before.iter().map(|count| f64::from(*count)).collect();
        let confusion = Confusion::at(hot, &labels, threshold);
        let sure = Confusion::at(hot, &labels, 0.5);
        let baseline = self.baseline_threshold.and_then(|at| Confusion::at(&last, &labels, at).balanced_accuracy());
        let top = top_of(came.len(), share);
        let figures = [
            (Figure::Accuracy, confusion.balanced_accuracy()),
            (Figure::BaselineAccuracy, baseline),
            (Figure::Precision, sure.precision()),
            (Figure::Recall, sure.recall()),
            (Figure::F1, sure.f1()),
            (Figure::PrAuc, average_precision(hot, &labels)),
            (Figure::Coverage, coverage(popularity, came, top)),
            (Figure::CalibrationError, calibration_error(hot, &labels, 10, Binning::EqualMass)),
        ];
        for (figure, value) in figures {
            let Some(value) = value else { continue };
            let mean = &mut self.means[figure as usize];
            *mean = Mean { sum: mean.sum * KEPT + value, weight: mean.weight * KEPT + 1.0 };
        }
        self.baseline_threshold = best_threshold(&last, &labels).map(|best| best.threshold).or(self.baseline_threshold);
        self.windows += 1;
    }

    /// A figure; `None` before the first window that had it.
    pub(super) fn mean(&self, figure: Figure) -> Option<f64> {
        let Mean { sum, weight } = self.means[figure as usize];
        (weight > 0.0).then(|| sum / weight)
    }
}

/// How many keys are the hottest `share` of `keys`: at least one, if there is any.
pub(super) fn top_of(keys: usize, share: f64) -> usize {
    ((keys as f64 * share).ceil() as usize).min(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_foretold_is_compared_with_what_came() {
        let mut scores = Scores::default();
        for _ in 0..2 {
            let mut window = Window::default();
            for n in 0..100_u32 {
                let came = if n < 10 { 50 - n } else { 0 };
                let foretold = if n < 10 { 0.9 } else { 0.05 };
                window.add([came as f32, foretold], 100 - n, came);
            }
            assert_eq!(window.bar(0.1), 41.0);
            scores.score(&window, 0.1, 0.5);
        }
        assert_eq!(scores.mean(Figure::Accuracy), Some(1.0));
        assert_eq!(scores.mean(Figure::BaselineAccuracy), Some(1.0));
        assert_eq!(scores.mean(Figure::Coverage), Some(1.0));
        assert!(scores.mean(Figure::CalibrationError).unwrap() > 0.04);
        assert_eq!(scores.windows, 2);
    }

    #[test]
    fn nothing_gives_no_figures() {
        let mut scores = Scores::default();
        scores.score(&Window::default(), 0.01, 0.5);
        assert_eq!(scores.mean(Figure::Accuracy), None);
        assert_eq!(Window::default().bar(0.01), 1.0);
    }
}
