//! How often keys that are not tracked were asked for: a count-min sketch with halving.
//!
//! Structure: four rows of 8-bit counters, addressed by two halves of one 64-bit hash (Kirsch and Mitzenmacher's double
//! hashing). Only the smallest of a key's counters are raised (conservative update), so an estimate is never too low before a
//! halving and too high only where all four collide. After as many additions as ten times the counters of a row, all are
//! halved: the sketch forgets. Cost: 4 bytes for each counter of a row, one or two cache lines missed an addition.
//! Source: Cormode and Muthukrishnan (2005); aging as in Einziger, Friedman and Manes, "TinyLFU" (2017).

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sketch {
    counters: Vec<u8>,
    /// Counters of a row, less one: a power of two, less one.
    mask: usize,
    additions: usize,
}

const ROWS: usize = 4;

impl Sketch {
    /// A sketch for about `keys` keys.
    pub(super) fn new(keys: u32) -> Self {
        let width = (keys as usize).next_power_of_two().clamp(1024, 1 << 22);
        Sketch { counters: vec![0; width * ROWS], mask: width - 1, additions: 0 }
    }

    /// Counts one access, and says how many there were.
    pub(super) fn add(&mut self, hash: u64) -> u8 {
        let places = self.places(hash);
        let least = places.map(|place| self.counters[place]).into_iter().min().unwrap_or(0);
        let raised = least.saturating_add(1);
        for place in places {
            self.counters[place] = self.counters[place].max(raised);
        }
        self.additions += 1;
        if self.additions >= 10 * (self.mask + 1) {
            self.halve();
        }
        raised
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.counters.len()
    }

    fn halve(&mut self) {
        self.counters.iter_mut().for_each(|counter| *counter /= 2);
        self.additions = 0;
    }

    fn places(&self, hash: u64) -> [usize; ROWS] {
        let (step, mut at) = ((hash >> 32) as usize | 1, hash as usize);
        std::array::from_fn(|row| {
            let place = row * (self.mask + 1) + (at & self.mask);
            at = at.wrapping_add(step);
            place
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
    }

    #[test]
    fn frequent_keys_are_told_from_a_scan() {
        let mut sketch = Sketch::new(4096);
        let mut frequent = 0;
        for n in 0..20_000 {
            sketch.add(hash(n));
            if n % 100 == 0 {
                frequent = sketch.add(hash(1 << 40));
            }
        }
        let scanned = sketch.add(hash(1 << 41));
        assert!(frequent > 3 * scanned, "{frequent} against {scanned}");
    }

    #[test]
    fn counts_saturate_and_are_forgotten() {
        let mut sketch = Sketch::new(1);
        let most = (0..300).map(|_| sketch.add(7)).max();
        assert_eq!(most, Some(255));
        (0..200_000).for_each(|n| {
            sketch.add(hash(n));
        });
        assert!(sketch.add(7) < 255);
    }
}
