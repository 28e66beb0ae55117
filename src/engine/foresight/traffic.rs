//! All traffic: how much there is now, and at which hours of the week.

use super::ladder::{HORIZON, LEVELS, Ladder};
use super::profile::{HOURS, hour_of_week};
use crate::engine::time::{Instant, Wall};

/// What one hour leaves of a week's counters: they remember some weeks.
const KEPT: f32 = 0.7;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Traffic {
    ladder: Ladder,
    at: Instant,
    /// Requests by hour of the week, averaged over weeks.
    hours: Box<[f32; HOURS]>,
    sum: f32,
    hour: usize,
    count: f32,
}

impl Traffic {
    /// No traffic yet.
    pub(super) fn new() -> Self {
        Traffic {
            ladder: Ladder::default(),
            at: Instant::default(),
            hours: Box::new([0.0; HOURS]),
            sum: 0.0,
            hour: usize::MAX,
            count: 0.0,
        }
    }

    /// Counts `weight` requests; `elapsed` horizons since the last.
    pub(super) fn add(&mut self, at: Instant, wall: Wall, elapsed: f32, weight: f32) {
        self.ladder.add(elapsed, weight);
        self.at = at;
        let hour = hour_of_week(wall);
        if hour != self.hour {
            self.close_hour();
            self.hour = hour;
        }
        self.count += weight;
    }

    /// When the last request was counted.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// The decayed counts, `elapsed` horizons after the last request.
    pub(super) fn after(&self, elapsed: f32) -> [f32; LEVELS] {
        self.ladder.after(elapsed)
    }

    /// The decayed count of about one horizon.
    pub(super) fn recent(&self, elapsed: f32) -> f32 {
        self.ladder.after(elapsed)[HORIZON]
    }

    /// The share that an hour of the week has of a week's traffic: hours not seen on this day of the week are taken from
    /// that hour on other days, and the whole is smoothed towards an even flow.
    pub(super) fn share(&self, hour: usize) -> f32 {
        const EVEN: f32 = 1.0 / HOURS as f32;
        if self.sum <= 0.0 {
            return EVEN;
        }
        let days = (0..7).map(|n| self.hours[hour % 24 + 24 * n]).filter(|count| *count > 0.0);
        let (seen, total) = days.fold((0.0, 0.0), |(seen, total), count| (seen + 1.0, total + count));
        let own = self.hours[hour];
        let count = if own > 0.0 { own } else { total / f32::max(seen, 1.0) };
        let known = self.hours.iter().filter(|count| **count > 0.0).count() as f32;
        let scale = self.sum * HOURS as f32 / known.max(1.0);
        0.9 * count / scale + 0.1 * EVEN
    }

    fn close_hour(&mut self) {
        if self.hour >= HOURS {
            self.count = 0.0;
            return;
        }
        let old = self.hours[self.hour];
        let new = if old == 0.0 { self.count } else { old * KEPT + self.count * (1.0 - KEPT) };
        self.sum += new - old;
        self.hours[self.hour] = new;
        self.count = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_hours_have_a_larger_share() {
        let mut traffic = Traffic::new();
        for hour in 0..72_u64 {
            let wall = Wall::from_millis(hour * 3_600_000);
            traffic.add(
                Instant::from_micros(hour * 3_600_000_000),
                wall,
                1.0,
                if hour % 24 == 9 { 900.0 } else { 100.0 },
            );
        }
        assert!(traffic.share(9) > 4.0 * traffic.share(10));
        assert!(traffic.share(5 * 24 + 9) > 4.0 * traffic.share(5 * 24 + 10), "a day not seen yet is like the others");
        let all: f32 = (0..HOURS).map(|hour| traffic.share(hour)).sum();
        assert!((0.8..1.2).contains(&all), "{all}");
    }
}
