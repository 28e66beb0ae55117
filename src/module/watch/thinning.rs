//! Watching less when the main thread has no time for it.
//!
//! # The rule
//!
//! Ten times a second: if records were dropped, or the main thread was busy for more than 90 % of the time and watching took more
//! than 2 % of it, half as many commands are watched from then on (down to one in 64), each counting for twice as many; if
//! twice as many would take less than 1.5 %, or the thread is less than 70 % busy, and nothing was dropped, twice as many are.
//! Which ones is drawn at random from a seed, so that a client's regular pattern cannot hide from it.
//!
//! The cost is measured: one watched command in 1024 is timed. How busy the thread is says its processor time.

use std::time::Duration;

/// At most one in 2^6 is watched.
const MOST: u32 = 6;

/// One watched command in so many is timed.
const TIMED: u32 = 1024;

/// A timed command that took longer, in nanoseconds, was interrupted.
const INTERRUPTED: u64 = 2_000;

/// How often the rule is applied.
const PERIOD: Duration = Duration::from_millis(100);

/// How many commands are watched, and why.
#[derive(Debug)]
pub struct Thinning {
    exponent: u32,
    /// A generator's state (xorshift); never 0.
    chance: u64,
    /// Commands watched.
    watched: u64,
    until_timed: u32,
    /// What watching one command costs, in nanoseconds: an average that the newest sample moves by an eighth.
    cost: f64,
    busy: f64,
    last: Review,
}

/// What the rule goes by, all since the module was loaded.
#[derive(Clone, Copy, Default, Debug)]
pub struct Review {
    /// The time.
    pub at: Duration,
    /// The main thread's processor time.
    pub worked: Duration,
    /// Records dropped.
    pub dropped: u64,
    /// Commands watched.
    watched: u64,
}

impl Review {
    /// What is known now.
    pub fn new(at: Duration, worked: Duration, dropped: u64) -> Self {
        Review { at, worked, dropped, watched: 0 }
    }
}

impl Thinning {
    /// Every command is watched at first; `last` is what is known now.
    pub fn new(seed: u64, last: Review) -> Self {
        Thinning { exponent: 0, chance: seed | 1, watched: 0, until_timed: TIMED, cost: 0.0, busy: 0.0, last }
    }

    /// Whether a command is watched. About 1 ns.
    pub fn draws(&mut self) -> bool {
        if self.exponent == 0 {
            return true;
        }
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 32) & ((1 << self.exponent) - 1) == 0
    }

    /// How many commands one that is watched stands for.
    pub fn one_in(&self) -> u32 {
        1 << self.exponent
    }

    /// What watching a command costs, in nanoseconds.
    pub fn cost(&self) -> f64 {
        self.cost
    }

    /// The share of the time that the main thread was busy, as of the last review.
    pub fn busy(&self) -> f64 {
        self.busy
    }

    /// Counts a command that is watched; whether it is to be timed.
    pub fn counts(&mut self) -> bool {
        self.watched += 1;
        self.until_timed -= 1;
        if self.until_timed == 0 {
            self.until_timed = TIMED;
        }
        self.until_timed == TIMED
    }

    /// A command that was timed took this long, in nanoseconds, the reading of the clock left out.
    pub fn took(&mut self, nanos: u64) {
        if nanos < INTERRUPTED {
            self.cost += (nanos as f64 - self.cost) / 8.0;
        }
    }

    /// Applies the rule, if its time has come.
    pub fn review(&mut self, now: Review) {
        let passed = now.at.saturating_sub(self.last.at);
        if passed < PERIOD {
            return;
        }
        let now = Review { watched: self.watched, ..now };
        let (last, seconds) = (std::mem::replace(&mut self.last, now), passed.as_secs_f64());
        self.busy = now.worked.saturating_sub(last.worked).as_secs_f64() / seconds;
        let share = now.watched.saturating_sub(last.watched) as f64 / seconds * self.cost / 1e9;
        let dropped = now.dropped > last.dropped;
        if dropped || (self.busy > 0.9 && share > 0.02) {
            self.exponent = (self.exponent + 1).min(MOST);
        } else if self.busy < 0.7 || share * 2.0 < 0.015 {
            self.exponent = self.exponent.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a thread that is `busy` and is sent `rate` commands a second, at 50 ns each; one in how many is watched
    /// in the end.
    fn settled(thinning: &mut Thinning, rate: u64, busy: f64) -> u32 {
        let begin = thinning.last;
        for tenth in 1..=30 {
            for _ in 0..rate / 10 {
                if thinning.draws() && thinning.counts() {
                    thinning.took(50);
                }
            }
            let span = PERIOD * tenth;
            thinning.review(Review::new(begin.at + span, begin.worked + span.mul_f64(busy), 0));
        }
        thinning.one_in()
    }

    #[test]
    fn a_busy_thread_watches_less_and_a_free_one_everything() {
        let mut thinning = Thinning::new(5, Review::default());
        assert_eq!(settled(&mut thinning, 100_000, 1.0), 1);
        assert_eq!(settled(&mut thinning, 1_000_000, 0.6), 1);
        let one_in = settled(&mut thinning, 1_000_000, 1.0);
        assert!((4..=8).contains(&one_in), "{one_in}");
        assert_eq!(settled(&mut thinning, 1_000_000, 0.5), 1);
    }

    #[test]
    fn drops_alone_thin_out_and_never_beyond_the_most() {
        let mut thinning = Thinning::new(5, Review::default());
        for tenth in 1..20 {
            thinning.review(Review::new(PERIOD * tenth, Duration::ZERO, u64::from(tenth)));
        }
        assert_eq!(thinning.one_in(), 64);
        let drawn = (0..64_000).filter(|_| thinning.draws()).count();
        assert!((800..1200).contains(&drawn), "{drawn}");
    }

    #[test]
    fn nothing_changes_between_reviews() {
        let mut thinning = Thinning::new(5, Review::default());
        thinning.review(Review::new(PERIOD / 2, Duration::ZERO, 10));
        assert_eq!(thinning.one_in(), 1);
    }
}
