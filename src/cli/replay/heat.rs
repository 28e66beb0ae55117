//! How warm keys are: a count that halves every window, brought up to date every twelfth of a window, and which keys were
//! the hottest then. Only the past decides.
//!
//! 5 bytes a key and 8 for each that is still warm (fewer than ten windows since a single request). Bringing it up to date
//! goes through those in a row, about 1 ns each, and sorts among the few that can be hot.

/// Counts that cool in steps.
#[derive(Debug)]
pub(crate) struct Heat {
    /// Each key's place in `warm`, or one of the two below.
    places: Vec<u32>,
    warm: Vec<(u32, f32)>,
    hot: Vec<bool>,
    hottest: Vec<u32>,
    /// The least count that was hot at the last step.
    bar: f32,
    distinct: usize,
    hot_share: f64,
    step_ms: u64,
    next_ms: u64,
}

impl Heat {
    /// Of a trace that begins at `first_ms`; a `hot_share` of the keys seen is hot.
    pub(crate) fn new(keys: usize, window_ms: u64, hot_share: f64, first_ms: u64) -> Self {
        let step_ms = (window_ms / STEPS).max(1);
        Heat {
            places: vec![UNSEEN; keys],
            warm: Vec::new(),
            hot: vec![false; keys],
            hottest: Vec::new(),
            bar: 0.0,
            distinct: 0,
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
            self.choose();
        }
    }

    /// Counts a request.
    pub(crate) fn count(&mut self, key: u32) {
        let place = &mut self.places[key as usize];
        match self.warm.get_mut(*place as usize) {
            Some((_, count)) => *count += 1.0,
            None => {
                self.distinct += usize::from(*place == UNSEEN);
                *place = self.warm.len() as u32;
                self.warm.push((key, 1.0));
            }
        }
    }

    /// True if the key was among the hottest at the last step.
    pub(crate) fn is_hot(&self, key: u32) -> bool {
        self.hot[key as usize]
    }

    /// Each key that is still warm, with the requests that it gets in a window if it goes on as it did.
    pub(crate) fn expected(&self) -> impl Iterator<Item = (u32, f64)> {
        self.warm.iter().map(|&(key, count)| (key, f64::from(count) * std::f64::consts::LN_2))
    }

    fn cool(&mut self, steps: u64) {
        let factor = (-(steps as f64) / STEPS as f64).exp2() as f32;
        let mut at = 0;
        while let Some((key, count)) = self.warm.get_mut(at) {
            *count *= factor;
            if *count >= COLD {
                at += 1;
                continue;
            }
            self.places[*key as usize] = GONE;
            self.warm.swap_remove(at);
            if let Some(&(moved, _)) = self.warm.get(at) {
                self.places[moved as usize] = at as u32;
            }
        }
    }

    fn choose(&mut self) {
        for key in self.hottest.drain(..) {
            self.hot[key as usize] = false;
        }
        let room = (self.distinct as f64 * self.hot_share).ceil() as usize;
        // Most can be ruled out by half of the last bar; if that rules out too many, all are candidates.
        let least = self.bar / 2.0;
        let mut candidates: Vec<(u32, f32)> = self.warm.iter().copied().filter(|&(_, count)| count >= least).collect();
        if candidates.len() < room {
            candidates.clone_from(&self.warm);
        }
        if room > 0 && room < candidates.len() {
            // Equal counts by key, so that every run finds the same.
            candidates.select_nth_unstable_by(room - 1, |a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        candidates.truncate(room);
        self.bar = candidates.iter().map(|&(_, count)| count).reduce(f32::min).unwrap_or(0.0);
        for (key, _) in candidates {
            self.hot[key as usize] = true;
            self.hottest.push(key);
        }
    }
}

/// The place of a key that was never counted.
const UNSEEN: u32 = u32::MAX;
/// The place of a key that has cooled.
const GONE: u32 = u32::MAX - 1;
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
