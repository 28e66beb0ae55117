//! How often a loader's orders may leave: a rate, kept by the generic cell rate algorithm.
//!
//! One number is remembered, the *theoretical arrival time* of the next event if events came evenly. An event is let
//! through if that time is at most one tolerance ahead of now, and moves it by one period. So in any span `s` at most
//! `(s + tolerance) / period + 1` events pass. Cost: O(1), 24 bytes. Source: ITU-T I.371; the `governor` crate explains
//! it well. Time is counted in nanoseconds here because a period may be shorter than the clock's microsecond.

use std::time::Duration;

use super::time::Instant;

/// How far ahead of an even flow events may come: the owner wakes up in milliseconds, and this lets it make up for it.
const TOLERANCE: Duration = Duration::from_millis(20);

/// Events per second; positive and finite.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Rate(f64);

impl Rate {
    /// `events` per second. `None` unless it is positive and finite.
    pub fn per_second(events: f64) -> Option<Self> {
        (events.is_finite() && events > 0.0).then_some(Rate(events))
    }

    /// The events per second.
    pub fn as_per_second(self) -> f64 {
        self.0
    }

    /// Nanoseconds between two events, at least one.
    fn period(self) -> u64 {
        // The cast saturates: slower than once in 584 years is never.
        ((1e9 / self.0) as u64).max(1)
    }
}

/// A flow that is kept to a rate, or is unlimited.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    period: Option<u64>,
    due: u64,
}

impl Pace {
    /// A flow in which nothing has happened yet; `None` is unlimited.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Pace { period: rate.map(Rate::period), due: 0 }
    }

    /// Changes the rate. What the old rate forbade for longer than the new one would is forgiven.
    pub(super) fn set_rate(&mut self, now: Instant, rate: Option<Rate>) {
        self.period = rate.map(Rate::period);
        let most = nanos(now).saturating_add(tolerance()).saturating_add(self.period.unwrap_or(0));
        self.due = self.due.min(most);
    }

    /// When the next event may happen; not later than `now`: at once.
    pub(super) fn next(&self) -> Instant {
        match self.period {
            None => Instant::default(),
            Some(_) => Instant::from_micros(self.due.saturating_sub(tolerance()).div_ceil(1000)),
        }
    }

    /// An event happened.
    pub(super) fn spend(&mut self, now: Instant) {
        if let Some(period) = self.period {
            self.due = self.due.max(nanos(now)).saturating_add(period);
        }
    }
}

fn tolerance() -> u64 {
    TOLERANCE.as_nanos() as u64
}

fn nanos(instant: Instant) -> u64 {
    instant.as_micros().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the owner wakes up, no window holds more events than the rate allows, and a patient owner that
        /// wakes at the promised time is never told to wait again.
        #[test]
        fn no_window_exceeds_the_rate(rate in 0.5f64..5000.0, gaps in prop::collection::vec(0..200_000u64, 1..400)) {
            let mut pace = Pace::new(Rate::per_second(rate));
            let mut now = Instant::from_micros(1_000_000);
            let mut passed: Vec<f64> = Vec::new();
            for gap in gaps {
                if pace.next() <= now {
                    pace.spend(now);
                    passed.push(now.as_micros() as f64 / 1e6);
                    now = now.after(Duration::from_micros(gap));
                } else {
                    now = pace.next();
                    prop_assert!(pace.next() <= now);
                }
            }
            for (first, start) in passed.iter().enumerate() {
                for (count, end) in passed[first..].iter().enumerate() {
                    let allowed = (end - start + TOLERANCE.as_secs_f64()) * rate * 1.000_01 + 1.0;
                    prop_assert!((count + 1) as f64 <= allowed + 1e-6, "{} in {} s", count + 1, end - start);
                }
            }
        }
    }

    #[test]
    fn a_patient_owner_gets_the_whole_rate() {
        let mut pace = Pace::new(Rate::per_second(300.0));
        let (start, mut now, mut events) = (Instant::default(), Instant::default(), 0u32);
        while now.since(start) < Duration::from_secs(100) {
            now = now.max(pace.next());
            pace.spend(now);
            events += 1;
        }
        assert!((30_000..=30_008).contains(&events), "{events}");
    }

    #[test]
    fn a_faster_rate_forgives_a_long_wait() {
        let mut pace = Pace::new(Rate::per_second(0.001));
        let now = Instant::from_micros(5);
        pace.spend(now);
        assert!(pace.next() > now.after(Duration::from_secs(900)));
        pace.set_rate(now, Rate::per_second(10.0));
        assert!(pace.next() <= now.after(Duration::from_millis(100)));
        pace.set_rate(now, None);
        assert!(pace.next() <= now);
    }

    #[test]
    fn a_rate_is_positive_and_finite() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::per_second(bad), None);
        }
        assert_eq!(Rate::per_second(1e300).map(Rate::period), Some(1));
        assert_eq!(Rate::per_second(1e-300).map(Rate::period), Some(u64::MAX));
    }
}
