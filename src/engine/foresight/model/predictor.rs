//! A predictor: a fitted model, its calibration, and the names of its features. It is what is used and what is stored.

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::envelope::Validate;
use super::objective::Objective;
use super::{Fitted, Invalid, Kind, Model};

/// The longest name of a feature, in bytes.
pub const MAX_NAME: usize = 64;

/// Answers one question for a row of features.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Predictor {
    names: Vec<String>,
    fitted: Fitted,
    calibration: Calibration,
}

impl Predictor {
    /// Puts together a model and the calibration of its margins; `names` say what the features of a row are, in order,
    /// so that who stores it can tell whether rows still mean the same. Refused unless there is a name for each feature
    /// and both answer the same question.
    pub fn new(names: Vec<String>, fitted: Fitted, calibration: Calibration) -> Result<Self, Invalid> {
        let predictor = Predictor { names, fitted, calibration };
        predictor.validate()?;
        Ok(predictor)
    }

    /// The calibrated margin; see [`Model::margin`].
    pub fn margin(&self, row: &[f32]) -> f64 {
        self.calibration.margin(self.fitted.margin(row))
    }

    /// The calibrated prediction: a probability in (0, 1), or an expected count above 0.
    pub fn score(&self, row: &[f32]) -> f64 {
        self.calibration.score(self.fitted.margin(row))
    }

    /// What it answers.
    pub fn objective(&self) -> Objective {
        self.fitted.objective()
    }

    /// The family of its model.
    pub fn kind(&self) -> Kind {
        self.fitted.kind()
    }

    /// What the features of a row are.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The model.
    pub fn fitted(&self) -> &Fitted {
        &self.fitted
    }

    /// The calibration.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.capacity() + size_of::<String>()).sum();
        size_of::<Self>() + names + self.fitted.bytes() + self.calibration.bytes()
    }
}

impl Validate for Predictor {
    fn validate(&self) -> Result<(), Invalid> {
        self.fitted.validate()?;
        self.calibration.validate()?;
        Invalid::unless(self.names.len() == self.fitted.features(), "predictor: number of names")?;
        Invalid::unless(self.names.iter().all(|name| name.len() <= MAX_NAME), "predictor: name too long")?;
        Invalid::unless(self.calibration.objective() == self.fitted.objective(), "predictor: two questions")
    }
}
