//! The class of every request, the same for all policies, so that their figures can be compared class by class.
//!
//! Today's rule: a request is *popular* if its key is among the hottest 1 % (`--hot-percent`) of the keys seen so far, by a
//! count that halves every window, brought up to date every twelfth of a window; else *normal*. Only the past decides. The
//! cost is that of going through the keys that are still warm, twelve times a window.

use super::setting::Setting;
use super::trace::Trace;

/// A class's number: its place in [`NAMES`].
pub(crate) type Class = u8;

/// The classes' names.
pub(crate) const NAMES: &[&str] = &["normal", "popular"];

/// The class of each request.
pub(crate) fn classes(trace: &Trace, setting: &Setting) -> Vec<Class> {
    let step = (setting.window_ms / STEPS).max(1);
    let mut heat = Heat::new(trace.distinct(), setting.hot_share);
    let mut next = trace.span().0.saturating_add(step);
    let class = |request: super::trace::Request| {
        if request.ts_ms >= next {
            let steps = (request.ts_ms - next) / step + 1;
            heat.cool(steps);
            next = next.saturating_add(steps.saturating_mul(step));
        }
        let class = if heat.is_hot(request.key) { POPULAR } else { NORMAL };
        heat.count(request.key);
        class
    };
    trace.requests(0..trace.len()).map(class).collect()
}

const NORMAL: Class = 0;
const POPULAR: Class = 1;

/// Counts that cool in steps, and the threshold above which a key was hot at the last step.
struct Heat {
    counts: Vec<f32>,
    hot: Vec<bool>,
    seen: Vec<bool>,
    distinct: usize,
    /// Keys whose count is above [`COLD`].
    warm: Vec<u32>,
    hot_share: f64,
}

impl Heat {
    fn new(keys: usize, hot_share: f64) -> Self {
        let (counts, hot, seen) = (vec![0.0; keys], vec![false; keys], vec![false; keys]);
        Heat { counts, hot, seen, distinct: 0, warm: Vec::new(), hot_share }
    }

    fn is_hot(&self, key: u32) -> bool {
        self.hot[key as usize]
    }

    fn count(&mut self, key: u32) {
        let place = key as usize;
        if self.counts[place] == 0.0 {
            self.warm.push(key);
            self.distinct += usize::from(!self.seen[place]);
            self.seen[place] = true;
        }
        self.counts[place] += 1.0;
    }

    /// Lets `steps` steps pass and finds the hottest again.
    fn cool(&mut self, steps: u64) {
        let factor = 0.5_f64.powf(steps as f64 / STEPS as f64) as f32;
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
    use crate::cli::replay::setting::Room;

    #[test]
    fn the_hottest_are_popular_until_they_cool() {
        let setting = Setting { hot_share: 0.1, ..Setting::of(1200, Room::Unlimited) };
        let mut requests: Vec<(u64, u32)> = (0..10).map(|key| (u64::from(key), key)).collect();
        requests.extend((0..50).map(|n| (20 + n, 3)));
        requests.extend([(200, 3), (201, 4)]);
        requests.extend((0..20).map(|n| (9_000 + n, 4)));
        requests.extend([(9_200, 3), (9_201, 4)]);
        let found = classes(&Trace::of(&requests), &setting);
        assert_eq!(found[..10], [NORMAL; 10]);
        assert_eq!(found[60..62], [POPULAR, NORMAL]);
        assert_eq!(found[82..], [NORMAL, POPULAR]);
    }
}
