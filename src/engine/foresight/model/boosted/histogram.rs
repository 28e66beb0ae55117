//! Bins and histograms: features as bytes, and sums of derivatives per bin.
//!
//! Each feature is cut into at most [`BINS`] bins of about equal mass, between neighbouring values, so that a split is
//! a whole number and finding one takes 64 steps and not n. Bins are kept column by column: a column of 30,000 rows is
//! 30 KB and stays in the first cache while the rows of a node are summed. A row's bin is the number of cuts below its
//! value, so `bin > b` and `value > cuts[b]` say the same. Source: Ke and others, "LightGBM", 2017, section 2.1.

use crate::engine::foresight::model::samples::Part;

/// The most bins of a feature.
pub(super) const BINS: usize = 64;

/// Where features are cut.
#[derive(Debug)]
pub(super) struct Cuts {
    /// For each feature its cuts, ascending, finite, at most [`BINS`] − 1.
    cuts: Vec<Vec<f32>>,
}

impl Cuts {
    /// Cuts each feature of `part` into bins of about equal numbers of rows. O(d · n log n).
    pub(super) fn new(part: Part<'_>, fill: &[f32]) -> Self {
        let mut values = Vec::with_capacity(part.len());
        let column = |(feature, fill): (usize, &f32)| {
            values.clear();
            values.extend(part.column(feature).map(|value| if value.is_finite() { value } else { *fill }));
            values.sort_unstable_by(f32::total_cmp);
            between(&values)
        };
        Cuts { cuts: fill.iter().enumerate().map(column).collect() }
    }

    /// The cuts of a feature.
    pub(super) fn of(&self, feature: usize) -> &[f32] {
        &self.cuts[feature]
    }
}

/// Cuts of ascending values: between all that differ if they are few, otherwise nearest to the quantiles.
fn between(values: &[f32]) -> Vec<f32> {
    let differing = values.chunk_by(|a, b| a == b).take(BINS + 1).count();
    let mut cuts = Vec::with_capacity(BINS);
    let mut start = 0;
    for bin in 1..BINS {
        // The remaining rows are shared by the remaining bins: a value that fills many bins takes nothing from the
        // rest.
        let share = if differing <= BINS { 1 } else { (values.len() - start).div_ceil(BINS - bin + 1) };
        let Some(value) = values.get(start + share - 1) else { break };
        let next = start + values[start..].partition_point(|other| other <= value);
        let Some(above) = values.get(next) else { break };
        let middle = value + (above - value) / 2.0;
        cuts.push(if middle.is_finite() && middle < *above { middle } else { *value });
        start = next;
    }
    cuts
}

/// A part as bins, column by column.
#[derive(Debug)]
pub(super) struct Binned {
    rows: usize,
    bins: Vec<u8>,
}

impl Binned {
    /// The bins of all rows and features. O(d · n · 6).
    pub(super) fn new(part: Part<'_>, cuts: &Cuts, fill: &[f32]) -> Self {
        let mut bins = Vec::with_capacity(part.len() * fill.len());
        for (feature, fill) in fill.iter().enumerate() {
            let cuts = cuts.of(feature);
            bins.extend(part.column(feature).map(|value| {
                let value = if value.is_finite() { value } else { *fill };
                // At most BINS − 1.
                cuts.partition_point(|cut| *cut < value) as u8
            }));
        }
        Binned { rows: part.len(), bins }
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The bins of a feature, one for each row.
    pub(super) fn column(&self, feature: usize) -> &[u8] {
        &self.bins[feature * self.rows..(feature + 1) * self.rows]
    }
}

/// The sums of first and second derivatives.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Sums {
    /// Of the first derivatives.
    pub(super) first: f64,
    /// Of the second.
    pub(super) second: f64,
}

impl Sums {
    pub(super) fn add(&mut self, other: Sums) {
        self.first += other.first;
        self.second += other.second;
    }

    pub(super) fn less(self, other: Sums) -> Sums {
        Sums { first: self.first - other.first, second: self.second - other.second }
    }
}

/// The sums of a node's rows for each bin of each drawn feature.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram(Vec<[Sums; BINS]>);

impl Histogram {
    /// Sums over rows, whose derivatives stand in the same order. O(rows · features).
    pub(super) fn gather(binned: &Binned, features: &[usize], rows: &[u32], slopes: &[Sums]) -> Self {
        let sum = |feature: &usize| {
            let column = binned.column(*feature);
            let mut sums = [Sums::default(); BINS];
            for (row, slope) in rows.iter().zip(slopes) {
                sums[usize::from(column[*row as usize]) % BINS].add(*slope);
            }
            sums
        };
        Histogram(features.iter().map(sum).collect())
    }

    /// What is left of a parent without one of its two children: the other. O(features · bins).
    pub(super) fn without(mut self, child: &Histogram) -> Self {
        for (sums, taken) in self.0.iter_mut().flatten().zip(child.0.iter().flatten()) {
            *sums = sums.less(*taken);
        }
        self
    }

    /// The bins of the drawn feature at `place`.
    pub(super) fn of(&self, place: usize) -> &[Sums; BINS] {
        &self.0[place]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::foresight::model::samples::Samples;

    proptest! {
        #[test]
        fn bins_and_cuts_say_the_same(values in proptest::collection::vec(-20_i8..20, 1..300), scale in 1e-3_f32..1e3) {
            let mut samples = Samples::new(1, 1000);
            for value in &values {
                samples.push(&[f32::from(*value) * scale], 0.0, 0).unwrap();
            }
            let cuts = Cuts::new(samples.all(), &[0.0]);
            prop_assert!(cuts.of(0).len() < BINS && cuts.of(0).is_sorted_by(|a, b| a < b));
            let binned = Binned::new(samples.all(), &cuts, &[0.0]);
            for (bin, value) in binned.column(0).iter().zip(samples.all().column(0)) {
                for (at, cut) in cuts.of(0).iter().enumerate() {
                    prop_assert_eq!(usize::from(*bin) > at, value > *cut);
                }
            }
            let mut distinct = values.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(cuts.of(0).len() + 1, distinct.len(), "few values have a bin each");
        }
    }

    #[test]
    fn bins_hold_equal_shares_beside_a_value_that_holds_half() {
        let values: Vec<f32> = (0..20_000_u16).map(|n| f32::from(n.saturating_sub(10_000))).collect();
        let cuts = between(&values);
        assert_eq!(cuts.len(), BINS - 1);
        let width = cuts[40] - cuts[39];
        assert!((cuts[60] - cuts[59] - width).abs() < 3.0 && (100.0..250.0).contains(&width), "{cuts:?}");
    }

    #[test]
    fn a_parent_is_its_children() {
        let mut samples = Samples::new(1, 100);
        for n in 0..100_u8 {
            samples.push(&[f32::from(n)], 0.0, 0).unwrap();
        }
        let cuts = Cuts::new(samples.all(), &[0.0]);
        let binned = Binned::new(samples.all(), &cuts, &[0.0]);
        let rows: Vec<u32> = (0..100).collect();
        let slopes: Vec<Sums> = rows.iter().map(|n| Sums { first: f64::from(*n), second: 1.0 }).collect();
        let all = Histogram::gather(&binned, &[0], &rows, &slopes);
        let low = Histogram::gather(&binned, &[0], &rows[..30], &slopes[..30]);
        let high = Histogram::gather(&binned, &[0], &rows[30..], &slopes[30..]);
        assert_eq!(all.without(&low).of(0), high.of(0));
    }
}
