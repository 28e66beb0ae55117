//! What a key's content promises while nobody has asked for it: the prior.
//!
//! Rows of named numbers with the requests that followed, the caller's ([`Row`]) and the server's own (what was said of a
//! key, and its first full window), teach a Poisson regression on the [`COLUMNS`] most frequent names. A weak prior: on
//! real articles such features alone reach 0.65 balanced accuracy. Bounded: the last [`ROWS`] rows, [`WAITING`] keys
//! whose window has not passed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::forecast::ContentFeature;
use super::lessons::Row;
use super::model::envelope::Validate;
use super::model::linear::{Linear, LinearSettings};
use super::model::objective::Objective;
use super::model::predictor::MAX_NAME;
use super::model::samples::Samples;
use super::model::{Invalid, Model};
use super::sequences::Spot;

/// Names that are told apart.
const COLUMNS: usize = 48;

/// Rows remembered.
const ROWS: usize = 8192;

/// Keys described whose first window has not passed.
const WAITING: usize = 8192;

/// Fewer rows teach nothing.
pub(super) const LEAST_ROWS: usize = 10;

/// Rows, and keys that will become rows.
#[derive(Debug, Default)]
pub(super) struct Content {
    rows: VecDeque<Row>,
    waiting: VecDeque<(Spot, Vec<ContentFeature>)>,
    news: bool,
}

impl Content {
    /// Remembers rows; those whose requests are negative or not finite are left out. Returns how many were taken.
    pub(super) fn teach(&mut self, rows: &[Row]) -> usize {
        let good = rows.iter().filter(|row| row.requests.is_finite() && row.requests >= 0.0);
        let mut taken = 0;
        for row in good {
            if self.rows.len() >= ROWS {
                self.rows.pop_front();
            }
            self.rows.push_back(row.clone());
            taken += 1;
        }
        self.news |= taken > 0;
        taken
    }

    /// Remembers what is said of a key until its window has passed.
    pub(super) fn await_window(&mut self, spot: Spot, features: &[ContentFeature]) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((spot, features.to_vec()));
    }

    /// A window has passed: `requests` says how many a key got in it, if it was there from the window's start.
    pub(super) fn window_passed(&mut self, mut requests: impl FnMut(Spot) -> Passed) {
        for (spot, features) in std::mem::take(&mut self.waiting) {
            match requests(spot) {
                Passed::Whole(requests) => {
                    self.teach(&[Row { features, requests }]);
                }
                Passed::Part => self.waiting.push_back((spot, features)),
                Passed::Gone => {}
            }
        }
    }

    /// The rows, if there are enough and some are new.
    pub(super) fn lesson(&mut self) -> Option<Vec<Row>> {
        let ready = self.news && self.rows.len() >= LEAST_ROWS;
        ready.then(|| {
            self.news = false;
            self.rows.iter().cloned().collect()
        })
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        *self = Content::default();
    }
}

/// What is known of a key's window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Passed {
    /// The key was there from its start to its end, and got so many requests.
    Whole(f64),
    /// It came after the start.
    Part,
    /// It is tracked no more.
    Gone,
}

/// What was learned of content.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Prior {
    names: Vec<String>,
    linear: Linear,
}

impl Prior {
    /// Learns from rows. `None` if they teach nothing. Some 0.1 s for the most rows.
    pub(super) fn fit(rows: &[Row]) -> Option<Self> {
        let mut frequency: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for name in rows.iter().flat_map(|row| row.features.iter().map(|feature| &feature.name)) {
            *frequency.entry(name).or_default() += 1;
        }
        let mut names: Vec<(&Arc<str>, usize)> = frequency.into_iter().collect();
        names.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let names: Vec<String> = names.into_iter().take(COLUMNS).map(|(name, _)| name.to_string()).collect();
        if names.is_empty() {
            return None;
        }
        let mut samples = Samples::new(names.len(), rows.len());
        for row in rows {
            // Only a label that is not finite is refused, and there is none.
            let _ = samples.push(&columns(&names, &row.features), row.requests as f32, 0);
        }
        let linear = Linear::fit(samples.all(), Objective::Poisson, &LinearSettings::default()).ok()?;
        Some(Prior { names, linear })
    }

    /// The log of the requests expected in a horizon.
    pub(super) fn margin(&self, features: &[ContentFeature]) -> f64 {
        self.linear.margin(&columns(&self.names, features))
    }
}

impl Validate for Prior {
    fn validate(&self) -> Result<(), Invalid> {
        self.linear.validate()?;
        Invalid::unless(self.names.len() == self.linear.features(), "prior: number of names")?;
        Invalid::unless(self.names.iter().all(|name| name.len() <= MAX_NAME), "prior: name too long")
    }
}

fn columns(names: &[String], features: &[ContentFeature]) -> Vec<f32> {
    let value = |name: &String| {
        let found = features.iter().find(|feature| *feature.name == **name);
        found.map_or(0.0, |feature| if feature.value.is_finite() { feature.value as f32 } else { 0.0 })
    };
    names.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(pairs: &[(&str, f64)]) -> Vec<ContentFeature> {
        pairs.iter().map(|(name, value)| ContentFeature { name: Arc::from(*name), value: *value }).collect()
    }

    #[test]
    fn what_content_promises_is_learned() {
        let mut content = Content::default();
        let rows: Vec<Row> = (0..200)
            .map(|n| {
                let sport = f64::from(n % 2);
                Row { features: features(&[("sport", sport), ("words", f64::from(n))]), requests: 2.0 + 18.0 * sport }
            })
            .collect();
        assert_eq!(content.teach(&rows), 200);
        let prior = Prior::fit(&content.lesson().unwrap()).unwrap();
        let expected = |sport: f64| prior.margin(&features(&[("sport", sport), ("words", 100.0)])).exp();
        assert!((15.0..25.0).contains(&expected(1.0)) && (1.5..3.0).contains(&expected(0.0)));
        assert!(content.lesson().is_none(), "nothing new");
    }

    #[test]
    fn bad_rows_teach_nothing() {
        let mut content = Content::default();
        for requests in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(content.teach(&[Row { features: features(&[("a", 1.0)]), requests }]), 0);
        }
        assert!(content.lesson().is_none());
        assert!(Prior::fit(&[]).is_none());
        let wild = vec![Row { features: features(&[("a", f64::NAN)]), requests: 1.0 }; 20];
        let prior = Prior::fit(&wild).unwrap();
        assert!(prior.margin(&features(&[("a", f64::INFINITY)])).is_finite());
    }
}
