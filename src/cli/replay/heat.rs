//! How warm keys are: a count that halves every window, brought up to date every twelfth of a window, and which keys were
//! the hottest then. Only the past decides. 6 bytes a key and 4 for each that is still warm (fewer than ten windows since
//! a single request); bringing it up to date goes through those.

/// Counts that cool in steps.
#[derive(Debug)]
pub(crate) struct Heat {
    counts: Vec<f32>,
    hot: Vec<bool>,
    seen: Vec<bool>,
    distinct: usize,
    /// Keys whose count is not zero.
    warm: Vec<u32>,
    hot_share: f64,
    step_ms: u64,
    next_ms: u64,
}

impl Heat {
    /// Of a trace that begins at `first_ms`; a `hot_share` of the keys seen is hot.
    pub(crate) fn new(keys: usize, window_ms: u64, hot_share: f64, first_ms: u64) -> Self {
        let step_ms = (window_ms / STEPS).max(1);
        Heat {
            counts: vec![0.0; keys],
            hot: vec![false; keys],
            seen: vec![false; keys],
            distinct: 0,
            warm: Vec::new(),
            hot_share,
            step_ms,
            next_ms: first_ms.saturating_add(step_ms),
        }
    }

    /// Catches up with the time; only steps count.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        if now_ms >= self.next_ms {
            let steps = (now_ms - self.next_ms) / self.step_ms + 1;
            self.next_ms = self.next_ms.saturating_add(steps.saturating_mul(self.step_ms));
            self.cool(steps);
        }
    }

    /// Counts a request.
    pub(crate) fn count(&mut self, key: u32) {
        let place = key as usize;
        if self.counts[place] == 0.0 {
            self.warm.push(key);
            self.distinct += usize::from(!self.seen[place]);
            self.seen[place] = true;
        }
        self.counts[place] += 1.0;
    }

    /// True if the key was among the hottest at the last step.
    pub(crate) fn is_hot(&self, key: u32) -> bool {
        self.hot[key as usize]
    }

    /// Each key that is still warm, with the requests that it gets in a window if it goes on as it did.
    pub(crate) fn expected(&self) -> impl Iterator<Item = (u32, f64)> {
        let expected = |&key: &u32| (key, f64::from(self.counts[key as usize]) * std::f64::consts::LN_2);
        self.warm.iter().map(expected)
    }

    fn cool(&mut self, steps: u64) {
        let factor = (-(steps as f64) / STEPS as f64).exp2() as f32;
        let (counts, hot) = (&mut self.counts, &mut self.hot);
        self.warm.retain(|&key| {
            let count = &mut counts[key as usize];
            *count *= factor;
            hot[key as usize] = false;
            if *count < COLD {
                *count = 0.0;
            }
            *count > 0.0
        });
        let room = (self.distinct as f64 * self.hot_share).ceil() as usize;
        if room > 0 && room < self.warm.len() {
            // Equal counts by key, so that every run finds the same.
            self.warm.select_nth_unstable_by(room - 1, |&a, &b| {
                counts[b as usize].total_cmp(&counts[a as usize]).then_with(|| a.cmp(&b))
            });
        }
        for &key in self.warm.iter().take(room) {
            hot[key as usize] = true;
        }
    }
}

/// Per window.
const STEPS: u64 = 12;
/// A count that ten windows without a request leave of one.
const COLD: f32 = 1.0 / 1024.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_halve_every_window_and_cold_keys_are_forgotten() {
        let mut heat = Heat::new(2, 1200, 1.0, 0);
        (0..8).for_each(|_| heat.count(1));
        heat.advance(1200);
        let expected: Vec<_> = heat.expected().collect();
        assert_eq!(expected.len(), 1);
        assert!((expected[0].1 - 4.0 * std::f64::consts::LN_2).abs() < 1e-4);
        assert!(heat.is_hot(1) && !heat.is_hot(0));
        heat.advance(1200 * 14);
        assert_eq!(heat.expected().count(), 0);
        assert!(!heat.is_hot(1));
    }
}
