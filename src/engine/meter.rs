//! A rate of events as people expect it: the average since the first event at the beginning, the last seconds later.
//!
//! An exponentially decayed count, divided by the time that the decay has seen: with the time constant `τ`, `n` events a
//! second since `t` seconds ago decay to `n·τ·(1 - e^(-t/τ))`, so the quotient is unbiased from the first moment on.
//! Cost: one exponential an event, 32 bytes.

use super::time::Instant;

/// τ in seconds: events older than a few of these no longer matter.
const MEMORY: f64 = 10.0;

/// A time below which a rate is not extrapolated, in seconds.
const SHORTEST: f64 = 0.01;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    began: Instant,
    last: Instant,
    count: f64,
}

impl Meter {
    /// A meter that has seen nothing.
    pub(super) fn new(now: Instant) -> Self {
        Meter { began: now, last: now, count: 0.0 }
    }

    /// One event.
    pub(super) fn tick(&mut self, now: Instant) {
        self.count = self.count * decay(self.last, now) + 1.0;
        self.last = self.last.max(now);
    }

    /// Events per second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let age = now.since(self.began).as_secs_f64().max(SHORTEST);
        self.count * decay(self.last, now) / (MEMORY * (1.0 - (-age / MEMORY).exp()))
    }
}

fn decay(from: Instant, to: Instant) -> f64 {
    (-to.since(from).as_secs_f64() / MEMORY).exp()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_even_flow_is_measured_at_any_age() {
        let mut meter = Meter::new(Instant::default());
        let mut now = Instant::default();
        for n in 1..=20_000 {
            now = now.after(Duration::from_millis(5));
            meter.tick(now);
            if n >= 200 {
                let rate = meter.rate(now);
                assert!((190.0..210.0).contains(&rate), "{rate} after {n} events");
            }
        }
        let later = now.after(Duration::from_secs(100));
        assert!(meter.rate(later) < 0.1);
    }

    #[test]
    fn nothing_happened_is_a_rate_of_zero() {
        assert_eq!(Meter::new(Instant::default()).rate(Instant::default()), 0.0);
    }
}
