//! Samples: rows of features with what came of them, in the order of time.
//!
//! [`Samples`] owns them and is bounded: a full one refuses, and its owner makes room with
//! [`forget_before`](Samples::forget_before) or [`keep_latest`](Samples::keep_latest). A [`Part`] is a view of
//! neighbouring rows; everything that learns takes parts, so splitting by time copies nothing. A row of 25 features
//! takes 112 bytes (4 more if any is weighted).

use super::MAX_FEATURES;

/// Rows with labels and times, up to a limit.
#[derive(Clone, Debug)]
pub struct Samples {
    features: usize,
    limit: usize,
    values: Vec<f32>,
    labels: Vec<f32>,
    times: Vec<u64>,
    /// Empty while every weight is 1.
    weights: Vec<f32>,
}

/// Why a row was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The limit is reached.
    #[error("no room for another sample")]
    Full,
    /// It has another number of features.
    #[error("a row of another width")]
    Width,
    /// Its label is not finite.
    #[error("a label that is not finite")]
    Label,
    /// Its weight is negative or not finite.
    #[error("a weight that is negative or not finite")]
    Weight,
    /// It is earlier than the row before it.
    #[error("a row earlier than the one before it")]
    Order,
}

/// Neighbouring rows of [`Samples`]: a matrix n × d with n labels, times and weights.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    features: usize,
    values: &'a [f32],
    labels: &'a [f32],
    times: &'a [u64],
    weights: &'a [f32],
}

/// Earlier and later rows.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// Those before the cut.
    pub earlier: Part<'a>,
    /// Those from the cut on.
    pub later: Part<'a>,
}

impl Samples {
    /// No rows yet, of `features` numbers each (1 to [`MAX_FEATURES`]; what is beyond is clamped), at most `limit`.
    pub fn new(features: usize, limit: usize) -> Self {
        Samples {
            features: features.clamp(1, MAX_FEATURES),
            limit,
            values: Vec::new(),
            labels: Vec::new(),
            times: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Adds a row of weight 1, seen at `time` (milliseconds). Values that are not finite are kept: models replace them.
    pub fn push(&mut self, row: &[f32], label: f32, time: u64) -> Result<(), Refused> {
        self.push_weighted(row, label, time, 1.0)
    }

    /// Adds a row that counts as `weight` rows.
    pub fn push_weighted(&mut self, row: &[f32], label: f32, time: u64, weight: f32) -> Result<(), Refused> {
        if self.len() >= self.limit {
            return Err(Refused::Full);
        }
        if row.len() != self.features {
            return Err(Refused::Width);
        }
        if !label.is_finite() {
            return Err(Refused::Label);
        }
        if !weight.is_finite() || weight < 0.0 {
            return Err(Refused::Weight);
        }
        if self.times.last().is_some_and(|last| *last > time) {
            return Err(Refused::Order);
        }
        if weight != 1.0 && self.weights.is_empty() {
            self.weights.resize(self.len(), 1.0);
        }
        if weight != 1.0 || !self.weights.is_empty() {
            self.weights.push(weight);
        }
        self.values.extend_from_slice(row);
        self.labels.push(label);
        self.times.push(time);
        Ok(())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// All rows.
    pub fn all(&self) -> Part<'_> {
        Part {
            features: self.features,
            values: &self.values,
            labels: &self.labels,
            times: &self.times,
            weights: &self.weights,
        }
    }

    /// Drops the rows before `time`. O(rows kept).
    pub fn forget_before(&mut self, time: u64) {
        self.drop_first(self.times.partition_point(|at| *at < time));
    }

    /// Drops all but the latest `rows`. O(rows kept).
    pub fn keep_latest(&mut self, rows: usize) {
        self.drop_first(self.len().saturating_sub(rows));
    }

    fn drop_first(&mut self, rows: usize) {
        self.values.drain(..rows * self.features);
        self.labels.drain(..rows);
        self.times.drain(..rows);
        if !self.weights.is_empty() {
            self.weights.drain(..rows);
        }
    }

    /// The memory of the rows, in bytes.
    pub fn bytes(&self) -> usize {
        (self.values.capacity() + self.labels.capacity() + self.weights.capacity()) * size_of::<f32>()
            + self.times.capacity() * size_of::<u64>()
    }
}

impl<'a> Part<'a> {
    /// How many rows there are.
    pub fn len(self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.labels.is_empty()
    }

    /// The number of features of a row.
    pub fn features(self) -> usize {
        self.features
    }

    /// The rows, in order.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.features)
    }

    /// The values of one feature, in the order of the rows; nothing if there is no such feature.
    pub fn column(self, feature: usize) -> impl Iterator<Item = f32> + 'a {
        let from = if feature < self.features { feature } else { self.values.len() };
        self.values.get(from..).unwrap_or(&[]).iter().step_by(self.features).copied()
    }

    /// The labels, in the order of the rows.
    pub fn labels(self) -> &'a [f32] {
        self.labels
    }

    /// The times, in milliseconds, never decreasing.
    pub fn times(self) -> &'a [u64] {
        self.times
    }

    /// The weights in the order of the rows; empty if each is 1.
    pub fn weights(self) -> &'a [f32] {
        self.weights
    }

    /// The weight of a row, 1 unless it was given.
    pub fn weight(self, row: usize) -> f64 {
        self.weights.get(row).map_or(1.0, |weight| f64::from(*weight))
    }

    /// The sums of labels (as the objective takes them) and of weights.
    pub(crate) fn sums(self, objective: super::objective::Objective) -> (f64, f64) {
        self.labels.iter().enumerate().fold((0.0, 0.0), |(labels, weights), (row, label)| {
            let weight = self.weight(row);
            (labels + weight * objective.label(*label), weights + weight)
        })
    }

    /// Cuts so that about `share` (0 to 1) of the rows are earlier. Rows of one time stay together on the later side.
    /// Rows of the last `gap` milliseconds before the cut are in neither: what came of them is seen after the cut.
    pub fn split(self, share: f64, gap: u64) -> Split<'a> {
        // The cast saturates.
        let about = ((self.len() as f64 * share) as usize).min(self.len());
        match self.times.get(about) {
            None => Split { earlier: self, later: self.slice(self.len(), self.len()) },
            Some(time) => self.split_at(*time, gap),
        }
    }

    /// Cuts at a time: rows before `time` are earlier, but those of the `gap` milliseconds before it are in neither.
    pub fn split_at(self, time: u64, gap: u64) -> Split<'a> {
        let later = self.times.partition_point(|at| *at < time);
        let earlier = self.times.partition_point(|at| *at < time.saturating_sub(gap));
        Split { earlier: self.slice(0, earlier), later: self.slice(later, self.len()) }
    }

    /// The rows from `start` up to `end`, both at most [`len`](Self::len).
    fn slice(self, start: usize, end: usize) -> Part<'a> {
        Part {
            features: self.features,
            values: &self.values[start * self.features..end * self.features],
            labels: &self.labels[start..end],
            times: &self.times[start..end],
            weights: if self.weights.is_empty() { self.weights } else { &self.weights[start..end] },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Samples {
        let mut samples = Samples::new(2, 10);
        for n in 0..10_u8 {
            let row = [f32::from(n), -f32::from(n)];
            samples.push(&row, f32::from(n % 2), u64::from(n / 2) * 100).unwrap();
        }
        samples
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut samples = ten();
        assert_eq!(samples.push(&[0.0, 0.0], 0.0, 900), Err(Refused::Full));
        samples.keep_latest(3);
        assert_eq!(samples.push(&[0.0], 0.0, 900), Err(Refused::Width));
        assert_eq!(samples.push(&[0.0, 0.0], f32::NAN, 900), Err(Refused::Label));
        assert_eq!(samples.push_weighted(&[0.0, 0.0], 0.0, 900, -1.0), Err(Refused::Weight));
        assert_eq!(samples.push(&[0.0, 0.0], 0.0, 100), Err(Refused::Order));
        assert_eq!(samples.push_weighted(&[1.0, f32::NAN], 1.0, 900, 2.0), Ok(()));
        assert_eq!(samples.all().weights(), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(samples.all().sums(crate::engine::foresight::model::objective::Objective::Poisson), (4.0, 5.0));
        samples.forget_before(900);
        assert_eq!((samples.len(), samples.all().weight(0)), (1, 2.0));
    }

    #[test]
    fn a_cut_keeps_rows_of_one_time_together() {
        let samples = ten();
        let Split { earlier, later } = samples.all().split(0.5, 0);
        assert_eq!((earlier.len(), later.len()), (4, 6));
        assert!(earlier.times().iter().all(|at| *at < later.times()[0]));
        assert_eq!(later.column(1).collect::<Vec<_>>(), [-4.0, -5.0, -6.0, -7.0, -8.0, -9.0]);
        assert_eq!(later.rows().next(), Some(&[4.0_f32, -4.0][..]));
        assert_eq!(later.column(2).count(), 0);
    }

    #[test]
    fn a_gap_belongs_to_neither_side() {
        let samples = ten();
        let Split { earlier, later } = samples.all().split(0.5, 150);
        assert_eq!((earlier.len(), later.len()), (2, 6));
        let Split { earlier, later } = samples.all().split(1.0, 0);
        assert_eq!((earlier.len(), later.len()), (10, 0));
        let Split { earlier, later } = samples.all().split(0.0, 50);
        assert_eq!((earlier.len(), later.len()), (0, 10));
    }
}
