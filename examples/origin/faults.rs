//! How badly the origin behaves: slow, failing, hanging, by shares that follow from the seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::settings::Settings;

/// What will go wrong.
pub(crate) struct Faults {
    latency: Duration,
    error_rate: f64,
    hang_rate: f64,
    seed: u64,
    /// Only counts, so any order of memory will do.
    drawn: AtomicU64,
}

/// What becomes of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Answered,
    Failed,
    Hung,
}

impl Faults {
    pub(crate) fn new(settings: &Settings) -> Self {
        Faults {
            latency: settings.latency,
            error_rate: settings.error_rate,
            hang_rate: settings.hang_rate,
            seed: settings.seed,
            drawn: AtomicU64::new(0),
        }
    }

    /// Waits as long as an answer takes.
    pub(crate) async fn delay(&self) {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }

    /// The fate of the next request.
    pub(crate) fn fate(&self) -> Fate {
        if self.error_rate == 0.0 && self.hang_rate == 0.0 {
            return Fate::Answered;
        }
        let chance = uniform(self.seed.wrapping_add(self.drawn.fetch_add(1, Ordering::Relaxed)));
        match chance {
            _ if chance < self.hang_rate => Fate::Hung,
            _ if chance < self.hang_rate + self.error_rate => Fate::Failed,
            _ => Fate::Answered,
        }
    }
}

/// A number in 0..1 that follows from `index`: the SplitMix64 generator's finaliser (Steele, Lea, Flood 2014).
fn uniform(index: u64) -> f64 {
    let mut bits = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn fates(flags: &[&str], requests: usize) -> Vec<Fate> {
        let faults = Faults::new(&Settings::parse_from([&["origin"], flags].concat()));
        (0..requests).map(|_| faults.fate()).collect()
    }

    #[test]
    fn shares_are_kept_and_follow_from_the_seed() {
        let flags = ["--error-rate", "0.2", "--hang-rate", "0.1"];
        let drawn = fates(&flags, 10_000);
        let share = |fate| drawn.iter().filter(|&&drawn| drawn == fate).count();
        assert!((1_800..2_200).contains(&share(Fate::Failed)));
        assert!((850..1_150).contains(&share(Fate::Hung)));
        assert_eq!(drawn, fates(&flags, 10_000));
    }

    #[test]
    fn nothing_fails_by_default() {
        assert!(fates(&[], 100).iter().all(|&fate| fate == Fate::Answered));
    }
}
