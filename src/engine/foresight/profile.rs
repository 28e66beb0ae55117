//! At which hours of the week a key is asked for, and whether that foretells anything.
//!
//! Structure: 168 counters of 16 bits, one for each hour of the week (UTC), halved together when one is full. The expected
//! share of an hour of the week is that hour's count, backed by the count of that hour on all days, backed by the share that
//! hour has of all traffic: `(week + a (day + b all / Σ) / …)`, so one day of rhythm is enough to show a daily one, and a
//! weekly one shows after some weeks. Each access is scored before it is counted: the log of the ratio of the profile's
//! share to that of all traffic, summed with slow forgetting. A sum well above zero means that the profile has beaten the
//! rhythm of all traffic on later data. 344 bytes; O(1) an access.

use crate::engine::time::Wall;

/// Hours of a week.
pub(super) const HOURS: usize = 168;

/// How much the sum of log ratios must be for a profile to count as seasonal: odds of 400 to 1.
const CONVINCED: f32 = 6.0;

/// What one access leaves of the sum: it remembers some hundred accesses.
const KEPT: f32 = 0.99;

/// Accesses that all traffic's rhythm counts for in an hour-of-day share.
const TRAFFIC_WEIGHT: f32 = 6.0;

/// Accesses that the hour-of-day share counts for in an hour-of-week share.
const DAY_WEIGHT: f32 = 12.0;

/// The hour of the week of a wall time, 0..168, from Thursday 00:00 UTC (where Unix time begins).
pub(super) fn hour_of_week(wall: Wall) -> usize {
    (wall.as_millis() / 3_600_000 % HOURS as u64) as usize
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    counts: [u16; HOURS],
    total: u32,
    /// The sum of log ratios.
    evidence: f32,
    /// The first and last day on which it counted, in days since 1970.
    first_day: u32,
    last_day: u32,
}

impl Profile {
    /// A profile that has seen nothing.
    pub(super) fn new(wall: Wall) -> Self {
        let day = day_of(wall);
        Profile { counts: [0; HOURS], total: 0, evidence: 0.0, first_day: day, last_day: day }
    }

    /// Scores and counts one access; `traffic` is the share that this hour of the week has of all traffic.
    pub(super) fn add(&mut self, wall: Wall, traffic: f32) {
        let hour = hour_of_week(wall);
        let day = day_of(wall);
        if day != self.first_day {
            let ratio = (self.share(hour, traffic) / traffic.max(1e-6)).max(1e-3).ln();
            self.evidence = self.evidence * KEPT + ratio;
        }
        self.last_day = self.last_day.max(day);
        if self.counts[hour] == u16::MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
        self.counts[hour] += 1;
        self.total += 1;
    }

    /// The share of the week's accesses expected in one hour of the week.
    pub(super) fn share(&self, hour: usize, traffic: f32) -> f32 {
        let day: u32 = (0..7).map(|n| u32::from(self.counts[hour % 24 + 24 * n])).sum();
        let day = (day as f32 / 7.0 + TRAFFIC_WEIGHT * traffic) / (self.total as f32 + TRAFFIC_WEIGHT);
        (f32::from(self.counts[hour]) + DAY_WEIGHT * day) / (self.total as f32 + DAY_WEIGHT)
    }

    /// Whether it has foretold this key's accesses better than the rhythm of all traffic, over more than a day.
    pub(super) fn is_seasonal(&self) -> bool {
        self.evidence >= CONVINCED && self.last_day > self.first_day && self.total >= 8
    }
}

fn day_of(wall: Wall) -> u32 {
    u32::try_from(wall.as_millis() / 86_400_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const FLAT: f32 = 1.0 / HOURS as f32;

    fn at(day: u64, hour: u64, n: u64) -> Wall {
        Wall::from_millis((day * 24 + hour) * HOUR + n)
    }

    #[test]
    fn a_daily_hour_is_seasonal_and_an_even_flow_is_not() {
        let (mut daily, mut even) = (Profile::new(at(0, 9, 0)), Profile::new(at(0, 0, 0)));
        for day in 0..4 {
            for n in 0..6 {
                daily.add(at(day, 9, n), FLAT);
                even.add(at(day, (n * 7 + day * 3) % 24, n), FLAT);
            }
        }
        assert!(daily.is_seasonal());
        assert!(!even.is_seasonal());
        assert!(daily.share(4 * 24 + 9, FLAT) > 10.0 * daily.share(4 * 24 + 15, FLAT));
    }

    #[test]
    fn what_follows_all_traffic_is_not_seasonal() {
        // All traffic is at nine in the morning, on each of seven days.
        let mut profile = Profile::new(at(0, 9, 0));
        for day in 0..10 {
            for n in 0..6 {
                profile.add(at(day, 9, n), 1.0 / 7.0);
            }
        }
        assert!(!profile.is_seasonal());
    }

    #[test]
    fn a_full_counter_halves_all() {
        let mut profile = Profile::new(at(0, 9, 0));
        for _ in 0..70_000 {
            profile.add(at(0, 9, 0), FLAT);
        }
        assert!(profile.share(9, FLAT) > 0.9);
        assert!(!profile.is_seasonal(), "one day shows no rhythm");
    }
}
