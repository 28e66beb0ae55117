//! Zipf's law: the document of rank r is asked for with a probability proportional to 1 / r^s.
//!
//! A table of the cumulative distribution, searched by bisection: 8 bytes per document, log2(n) steps per draw, exact for
//! every s ≥ 0 (0: uniform).

/// The distribution over the ranks 1 to n.
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    /// The distribution over `documents` ranks (at least one is assumed) with the exponent `exponent`.
    pub(crate) fn new(documents: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=documents.max(1))
            .map(|rank| {
                sum += f64::from(rank).powf(-exponent);
                sum
            })
            .collect();
        Zipf { cumulative }
    }

    /// The rank that belongs to `chance`, a uniform number in 0..1.
    pub(crate) fn rank(&self, chance: f64) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let index = self.cumulative.partition_point(|&sum| sum <= chance * total);
        index.min(self.cumulative.len() - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_drawn_by_their_weight() {
        let zipf = Zipf::new(1000, 0.9);
        let mut random = fastrand::Rng::with_seed(1);
        let draws = 100_000;
        let first = (0..draws).filter(|_| zipf.rank(random.f64()) == 1).count() as f64 / f64::from(draws);
        let expected = 1.0 / (1..=1000).map(|rank| f64::from(rank).powf(-0.9)).sum::<f64>();
        assert!((first - expected).abs() < 0.005, "{first} {expected}");
    }

    #[test]
    fn the_ends_of_the_range_are_ranks() {
        for exponent in [0.0, 0.9, 2.0] {
            let zipf = Zipf::new(10, exponent);
            assert_eq!((zipf.rank(0.0), zipf.rank(0.999_999_999), zipf.rank(1.0)), (1, 10, 10));
        }
        assert_eq!(Zipf::new(10, 0.0).rank(0.55), 6);
    }
}
