//! How much of the main thread the slices may take.
//!
//! A slice is at most `slice-us` long. After a slice that used its whole budget the next one waits, so that slices have
//! at most their share of the time: `main-thread-share` while clients keep the server busy. While nobody else wants it,
//! the next slice follows in the next turn of the event loop. Foreground p99 then is about idle p99 plus one slice.

use std::time::Duration;

use crate::engine::time::Instant;

/// Fewer foreground commands per second than this: idle.
const IDLE_RATE: f64 = 500.0;

/// Over how long the foreground rate is measured.
const WINDOW: Duration = Duration::from_millis(20);

/// When the next slice may run.
#[derive(Debug)]
pub struct Pace {
    not_before: Instant,
    window_began: Instant,
    commands_at_window: u64,
    busy: bool,
}

impl Pace {
    /// A pace that allows a slice at once and takes the server for busy until it knows better.
    pub fn new(now: Instant) -> Self {
        Pace { not_before: now, window_began: now, commands_at_window: 0, busy: true }
    }

    /// The instant from which a slice may run.
    pub fn not_before(&self) -> Instant {
        self.not_before
    }

    /// No slice before `until`.
    pub fn hold(&mut self, until: Instant) {
        self.not_before = self.not_before.max(until);
    }

    /// Notes a slice that ended at `now` after `took`, when the foreground had run `commands` commands in all; the next one
    /// comes after `rest` at the earliest.
    pub fn ended(&mut self, now: Instant, took: Duration, share: f64, commands: u64, rest: Duration) {
        let elapsed = now.since(self.window_began);
        if elapsed >= WINDOW {
            let rate = commands.saturating_sub(self.commands_at_window) as f64 / elapsed.as_secs_f64();
            self.busy = rate >= IDLE_RATE;
            self.window_began = now;
            self.commands_at_window = commands;
        }
        let pause =
            if self.busy { took.mul_f64((1.0 / share.clamp(0.01, 1.0) - 1.0).max(0.0)) } else { Duration::ZERO };
        self.not_before = now.after(pause.max(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(commands_per_slice: u64) -> f64 {
        let took = Duration::from_micros(100);
        let mut now = Instant::from_micros(0);
        let mut pace = Pace::new(now);
        let mut commands = 0;
        for _ in 0..10_000 {
            now = pace.not_before().after(took);
            commands += commands_per_slice;
            pace.ended(now, took, 0.2, commands, Duration::ZERO);
        }
        10_000.0 * took.as_secs_f64() / now.as_micros() as f64 * 1e6
    }

    #[test]
    fn a_busy_server_gives_its_share_and_an_idle_one_all() {
        assert!((share_of(100) - 0.2).abs() < 0.01);
        assert!(share_of(0) > 0.98);
    }
}
