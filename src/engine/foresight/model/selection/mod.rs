//! Selection: fits what can be fitted, judges it on later samples, and returns the best.
//!
//! Samples are cut by time: the first part fits, the next stops the boosting and calibrates, the last judges. Between
//! two parts a gap as long as a label looks ahead is left out, so that nothing is judged on what taught it. All losses
//! are of the calibrated models on the judging part, and stand beside two that learn nothing: the best constant, and a
//! [`Baseline`] which is calibrated like the others. Whether to adopt the best is the caller's choice. Cost: that of
//! the fits, some 0.5 s for 30,000 rows of 25 features.

use super::boosted::{Boosted, BoostedSettings};
use super::calibration::{Calibration, Outcomes};
use super::linear::{Linear, LinearSettings};
use super::objective::Objective;
use super::predictor::Predictor;
use super::quality::Report;
use super::quality::loss::mean_loss;
use super::samples::{Part, Samples, Split};
use super::{FitError, Fitted, Model};

/// The fewest rows that the judging and the calibrating part need.
pub const LEAST_ROWS: usize = 30;

/// How to select.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SelectionSettings {
    /// The share of samples that fits: 0 to 1.
    pub fit: f64,
    /// The share of samples that stops and calibrates; what is left judges.
    pub tune: f64,
    /// How far a label looks ahead, in milliseconds.
    pub gap: u64,
    /// The rows that fit from which on boosting is tried.
    pub boosted_rows: usize,
    /// How the linear model is fitted.
    pub linear: LinearSettings,
    /// How the boosted model is fitted.
    pub boosted: BoostedSettings,
}

impl SelectionSettings {
    /// What is usual: 70 % fit, 15 % tune, 15 % judge; boosting from 3,000 rows.
    pub fn suited(objective: Objective, gap: u64, seed: u64) -> Self {
        SelectionSettings {
            fit: 0.70,
            tune: 0.15,
            gap,
            boosted_rows: 3000,
            linear: LinearSettings::default(),
            boosted: BoostedSettings { seed, ..BoostedSettings::suited(objective) },
        }
    }
}

/// What a model must beat to be worth having.
#[derive(Clone, Copy, Debug)]
pub enum Baseline<'a> {
    /// The best constant alone.
    Constant,
    /// One feature by itself, such as the count of the last window.
    Feature(usize),
    /// A margin for each sample, such as those of the model in use.
    Margins(&'a [f64]),
}

/// The best model, and the mean losses on the judging part in nats a row.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// The best.
    pub predictor: Predictor,
    /// Of the best.
    pub loss: f64,
    /// Of the linear model.
    pub linear_loss: f64,
    /// Of the boosted model, if there were rows enough.
    pub boosted_loss: Option<f64>,
    /// Of the best constant of the fitting part.
    pub constant_loss: f64,
    /// Of the baseline; `None` if it is the constant.
    pub baseline_loss: Option<f64>,
    /// The best on the judging part; for counts a positive is any at all, and there is no log loss.
    pub report: Report,
    /// The rows that fitted, tuned and judged.
    pub rows: [usize; 3],
}

impl Candidate {
    /// Whether it did better than the baseline and the constant.
    pub fn is_worth_having(&self) -> bool {
        self.loss < self.constant_loss && self.baseline_loss.is_none_or(|baseline| self.loss < baseline)
    }
}

/// Fits, judges and selects; see the [module's text](self). `names` say what the features are. The same samples and
/// settings give the same candidate.
pub fn fit_best(
    samples: &Samples,
    names: &[String],
    objective: Objective,
    baseline: Baseline<'_>,
    settings: &SelectionSettings,
) -> Result<Candidate, FitError> {
    if names.len() != samples.features() {
        return Err(FitError::Width { expected: samples.features(), found: names.len() });
    }
    let parts = Parts::new(samples, settings)?;
    let linear = Linear::fit(parts.fit, objective, &settings.linear)?;
    let (linear, linear_loss) = parts.calibrated(Fitted::Linear(linear), names)?;
    let mut best = (linear, linear_loss);
    let mut boosted_loss = None;
    if parts.fit.len() >= settings.boosted_rows {
        let boosted = Boosted::fit(parts.fit, parts.tune, objective, &settings.boosted)?;
        let (boosted, loss) = parts.calibrated(Fitted::Boosted(boosted), names)?;
        boosted_loss = Some(loss);
        if loss < best.1 {
            best = (boosted, loss);
        }
    }
    let constant = Linear::constant(parts.fit, objective)?;
    let constant_loss = parts.judged(&parts.margins(&constant, parts.judge), objective)?;
    Ok(Candidate {
        loss: best.1,
        linear_loss,
        boosted_loss,
        constant_loss,
        baseline_loss: parts.baseline(baseline, objective)?,
        report: parts.report(&best.0),
        rows: [parts.fit.len(), parts.tune.len(), parts.judge.len()],
        predictor: best.0,
    })
}

/// The samples, cut by time.
struct Parts<'a> {
    fit: Part<'a>,
    tune: Part<'a>,
    judge: Part<'a>,
    /// Where the tuning and the judging part begin among the samples.
    tune_at: usize,
    judge_at: usize,
    rows: usize,
}

impl<'a> Parts<'a> {
    fn new(samples: &'a Samples, settings: &SelectionSettings) -> Result<Self, FitError> {
        let both = settings.fit + settings.tune;
        let Split { earlier, later: judge } = samples.all().split(both, settings.gap);
        let Split { earlier: fit, later: tune } =
            earlier.split(settings.fit / both.max(f64::MIN_POSITIVE), settings.gap);
        let found = fit.len().min(tune.len()).min(judge.len());
        if found < LEAST_ROWS {
            return Err(FitError::TooFew { found, needed: LEAST_ROWS });
        }
        let rows = samples.len();
        Ok(Parts { fit, tune, judge, tune_at: earlier.len() - tune.len(), judge_at: rows - judge.len(), rows })
    }

    fn margins(&self, model: &impl Model, part: Part<'_>) -> Vec<f64> {
        part.rows().map(|row| model.margin(row)).collect()
    }

    /// Calibrates on the tuning part; with the loss on the judging part.
    fn calibrated(&self, fitted: Fitted, names: &[String]) -> Result<(Predictor, f64), FitError> {
        let (objective, judge) = (fitted.objective(), self.margins(&fitted, self.judge));
        let calibration = self.calibration(&self.margins(&fitted, self.tune), objective);
        let judge: Vec<f64> = judge.iter().map(|margin| calibration.margin(*margin)).collect();
        let predictor = Predictor::new(names.to_vec(), fitted, calibration).map_err(FitError::Invalid)?;
        Ok((predictor, self.judged(&judge, objective)?))
    }

    fn calibration(&self, tune: &[f64], objective: Objective) -> Calibration {
        Calibration::fit(objective, Outcomes::new(tune, self.tune.labels(), self.tune.weights()))
    }

    fn judged(&self, margins: &[f64], objective: Objective) -> Result<f64, FitError> {
        mean_loss(objective, margins, self.judge.labels(), self.judge.weights()).ok_or(FitError::NoRows)
    }

    fn baseline(&self, baseline: Baseline<'_>, objective: Objective) -> Result<Option<f64>, FitError> {
        let (tune, judge) = match baseline {
            Baseline::Constant => return Ok(None),
            Baseline::Feature(feature) if feature < self.fit.features() => {
                let scale = Linear::constant(self.fit, objective)?;
                let margins = |part: Part<'_>| part.column(feature).map(|it| scale.standardised(feature, it)).collect();
                (margins(self.tune), margins(self.judge))
            }
            Baseline::Margins(margins) if margins.len() == self.rows => {
                let part = |at: usize, part: Part<'_>| margins[at..at + part.len()].to_vec();
                (part(self.tune_at, self.tune), part(self.judge_at, self.judge))
            }
            Baseline::Feature(_) | Baseline::Margins(_) => return Err(FitError::Baseline),
        };
        let calibration: Calibration = self.calibration(&tune, objective);
        let judge: Vec<f64> = judge.into_iter().map(|margin| calibration.margin(margin)).collect();
        self.judged(&judge, objective).map(Some)
    }

    fn report(&self, predictor: &Predictor) -> Report {
        let scores: Vec<f64> = self.judge.rows().map(|row| predictor.score(row)).collect();
        let report = Report::of(&scores, self.judge.labels());
        match predictor.objective() {
            Objective::Logistic => report,
            Objective::Poisson => Report { log_loss: None, ..report },
        }
    }
}

#[cfg(test)]
mod tests;
