//! Draws: numbers that look random and follow from a seed.
//!
//! SplitMix64: a counter by the golden ratio, and a mixing of its bits; period 2⁶⁴, one nanosecond a number. Source:
//! Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.

/// A sequence of draws.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    /// The sequence of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Draw(seed)
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number below `bound`, which is positive; its bias is below `bound` / 2⁶⁴.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_published_sequence_and_are_even() {
        assert_eq!(Draw::new(0).bits(), 0xe220_a839_7b1d_cdaf);
        let mut draw = Draw::new(7);
        let mean = (0..10_000).map(|_| draw.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!((0..1000).map(|_| draw.below(3)).all(|n| n < 3));
    }
}
