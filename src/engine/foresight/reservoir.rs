//! Samples to learn from, as many as there is room for, spread over a long time.
//!
//! Structure: a bounded list; the `n`th sample offered is taken with probability `room / min(n, SPAN × room)` and replaces
//! one at random. So the list is an even sample of all that was offered at first, and later one that forgets the
//! oldest by and by: a sample survives about `SPAN × room` further offers. Chance comes from a seeded generator. Memory:
//! `4 × (width + 2) + 8` bytes a sample. Source: Vitter's algorithm R (1985), with a floor on the rate.

use super::model::samples::Samples;

/// How many times its room the list reaches back.
const SPAN: u64 = 8;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Reservoir {
    width: usize,
    room: usize,
    rows: Vec<f32>,
    labels: Vec<[f32; 2]>,
    weights: Vec<f32>,
    times: Vec<u64>,
    offered: u64,
    chance: u64,
}

/// One sample: a row, up to two labels, its weight and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// The features.
    pub(super) row: &'a [f32],
    /// What came of it; the second is used where there are two questions about one row.
    pub(super) labels: [f32; 2],
    /// How many samples it stands for.
    pub(super) weight: f32,
    /// When the row was taken, in milliseconds.
    pub(super) time: u64,
}

impl Reservoir {
    /// Room for so many samples of so many features.
    pub(super) fn new(width: usize, room: usize, seed: u64) -> Self {
        Reservoir {
            width,
            room: room.max(1),
            rows: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
            times: Vec::new(),
            offered: 0,
            chance: seed,
        }
    }

    /// Whether the next sample is to be taken: ask before making it, and give it to [`Reservoir::take`] if so.
    pub(super) fn wants(&mut self) -> bool {
        self.offered += 1;
        let reach = self.offered.min(SPAN * self.room as u64);
        self.draw() % reach < self.room as u64
    }

    /// Takes a sample that was wanted.
    pub(super) fn take(&mut self, sample: Sample<'_>) {
        if sample.row.len() != self.width {
            return;
        }
        if self.times.len() < self.room {
            self.rows.extend_from_slice(sample.row);
            self.labels.push(sample.labels);
            self.weights.push(sample.weight);
            self.times.push(sample.time);
            return;
        }
        let place = (self.draw() % self.room as u64) as usize;
        self.rows[place * self.width..(place + 1) * self.width].copy_from_slice(sample.row);
        self.labels[place] = sample.labels;
        self.weights[place] = sample.weight;
        self.times[place] = sample.time;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.rows = Vec::new();
        self.labels = Vec::new();
        self.weights = Vec::new();
        self.times = Vec::new();
        self.offered = 0;
    }

    /// All samples with the `label`th label, in the order of time. O(n log n).
    pub(super) fn samples(&self, label: usize) -> Samples {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&place| (self.times[place], place));
        let mut samples = Samples::new(self.width, self.len());
        for place in order {
            let row = &self.rows[place * self.width..(place + 1) * self.width];
            // What is not finite is refused there, and may be.
            let _ = samples.push_weighted(row, self.labels[place][label], self.times[place], self.weights[place]);
        }
        samples
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        4 * self.rows.capacity() + 20 * self.times.capacity()
    }

    /// The generator SplitMix64.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(room: usize, offers: u64) -> Reservoir {
        let mut reservoir = Reservoir::new(1, room, 3);
        for n in 0..offers {
            if reservoir.wants() {
                reservoir.take(Sample { row: &[n as f32], labels: [n as f32, 0.0], weight: 1.0, time: n });
            }
        }
        reservoir
    }

    #[test]
    fn it_is_an_even_sample_at_first_and_bounded() {
        let reservoir = filled(1000, 5000);
        assert_eq!(reservoir.len(), 1000);
        let samples = reservoir.samples(0);
        let early = samples.all().times().iter().filter(|time| **time < 2500).count();
        assert!((400..600).contains(&early), "{early}");
        assert!(samples.all().times().is_sorted());
    }

    #[test]
    fn it_forgets_what_is_long_ago() {
        let reservoir = filled(100, 100_000);
        let samples = reservoir.samples(0);
        let old = samples.all().times().iter().filter(|time| **time < 90_000 - 10 * 800).count();
        assert!(old < 5, "{old}");
    }
}
