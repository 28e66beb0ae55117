//! Which keys are asked for after which.
//!
//! Structure: each tracked key keeps its [`MOST`] most frequent followers with counts, by the rule of Space-Saving turned
//! gentle: a key that is no follower yet wears the weakest one down and takes its place when it is worn out. What counts as
//! *after* is, where a user is known, the user's last [`OF_USER`] keys within half an hour; else the last [`OF_STREAM`]
//! distinct keys of all accesses.
//!
//! A rule's strength, count over accesses of the first key, is no probability: how often a rule of that strength came true is
//! measured, in ten buckets ([`Cues`]). An access of the first key while the follower is absent is a *cue*; it came true if
//! the follower was asked for within its TTL. Cues are scored whether or not they were acted on.
//!
//! Cost: some 0.3 µs an access; 100 bytes a key that has followers. Source: Metwally et al., "Space-Saving" (2005).

use crate::engine::time::{Instant, Now};
use std::time::Duration;

/// Followers kept for a key.
pub(super) const MOST: usize = 8;

/// A user's last keys.
const OF_USER: usize = 3;

/// The last keys of all accesses.
const OF_STREAM: usize = 16;

/// How long a user's visit lasts without an access.
const VISIT: Duration = Duration::from_secs(30 * 60);

/// Users remembered at one time.
const USERS: usize = 1 << 14;

/// A tracked key, told apart from others that have had its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// Its place in the table.
    pub(super) slot: u32,
    /// Its serial number.
    pub(super) serial: u32,
}

const NOWHERE: Spot = Spot { slot: u32::MAX, serial: 0 };

/// The followers of one key, strongest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followers {
    list: [(Spot, f32); MOST],
}

impl Followers {
    /// None yet.
    pub(super) fn new() -> Self {
        Followers { list: [(NOWHERE, 0.0); MOST] }
    }

    /// Counts a follower.
    pub(super) fn count(&mut self, spot: Spot, weight: f32) {
        if let Some(mut at) = self.list.iter().position(|(other, _)| *other == spot) {
            self.list[at].1 += weight;
            while at > 0 && self.list[at].1 > self.list[at - 1].1 {
                self.list.swap(at, at - 1);
                at -= 1;
            }
            return;
        }
        if let Some(free) = self.list.iter_mut().find(|(other, _)| *other == NOWHERE) {
            *free = (spot, weight);
            return;
        }
        let weakest = &mut self.list[MOST - 1];
        if weakest.1 <= weight {
            *weakest = (spot, weight);
        } else {
            weakest.1 -= weight / 4.0;
        }
    }

    /// The followers with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Spot, f32)> + '_ {
        self.list.iter().copied().take_while(|(spot, _)| *spot != NOWHERE)
    }
}

/// Who was where before: what an access follows.
#[derive(Debug)]
pub(super) struct Trails {
    stream: [Spot; OF_STREAM],
    next: usize,
    users: Vec<Trail>,
}

#[derive(Clone, Copy, Debug)]
struct Trail {
    user: u64,
    at: Instant,
    keys: [Spot; OF_USER],
}

impl Trails {
    /// Nobody was anywhere.
    pub(super) fn new() -> Self {
        Trails { stream: [NOWHERE; OF_STREAM], next: 0, users: Vec::new() }
    }

    /// A user, by a hash of the name, was at `spot`; what that follows, each with its weight.
    pub(super) fn user(&mut self, now: Now, user: u64, spot: Spot) -> impl Iterator<Item = (Spot, f32)> + use<> {
        if self.users.is_empty() {
            self.users.resize(USERS, Trail { user: 0, at: Instant::default(), keys: [NOWHERE; OF_USER] });
        }
        let trail = &mut self.users[user as usize % USERS];
        if trail.user != user || now.mono.since(trail.at) > VISIT {
            *trail = Trail { user, at: now.mono, keys: [NOWHERE; OF_USER] };
        }
        let before = trail.keys;
        trail.keys.rotate_right(1);
        trail.keys[0] = spot;
        trail.at = now.mono;
        before.into_iter().filter(move |other| *other != NOWHERE && *other != spot).map(|other| (other, 1.0))
    }

    /// Somebody was at `spot`; what that follows among all accesses, each with its weight.
    pub(super) fn stream(&mut self, spot: Spot) -> impl Iterator<Item = (Spot, f32)> + use<> {
        let stream = self.stream;
        if !stream.contains(&spot) {
            self.stream[self.next % OF_STREAM] = spot;
            self.next = self.next.wrapping_add(1);
        }
        stream.into_iter().filter(move |other| *other != NOWHERE && *other != spot).map(|other| (other, 1.0))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.users.capacity() * size_of::<Trail>()
    }
}

/// How often cues came true, by the strength of their rule.
#[derive(Clone, Debug)]
pub(super) struct Cues {
    buckets: [(f32, f32); BUCKETS],
}

/// Strengths are told apart by tenths.
const BUCKETS: usize = 10;

/// Cues after which a bucket's counts are halved.
const REMEMBERED: f32 = 4000.0;

/// The weakest rule that is looked at.
pub(super) const WEAKEST: f32 = 0.1;

/// Fewer accesses of the first key say nothing.
const LEAST_SUPPORT: f32 = 2.0;

impl Cues {
    /// Nothing was scored.
    pub(super) fn new() -> Self {
        Cues { buckets: [(0.0, 0.0); BUCKETS] }
    }

    /// The bucket of a rule, if it says anything: its count, and how often its first key was asked for.
    pub(super) fn bucket(count: f32, accesses: f32) -> Option<u8> {
        let strength = count / accesses.max(1.0);
        (count >= LEAST_SUPPORT && strength >= WEAKEST)
            .then(|| ((strength * BUCKETS as f32) as usize).min(BUCKETS - 1) as u8)
    }

    /// A cue came true, or not.
    pub(super) fn score(&mut self, bucket: u8, came_true: Came) {
        let Some((cues, hits)) = self.buckets.get_mut(usize::from(bucket)) else { return };
        if *cues >= REMEMBERED {
            *cues /= 2.0;
            *hits /= 2.0;
        }
        *cues += 1.0;
        *hits += f32::from(u8::from(came_true == Came::True));
    }

    /// The probability that a cue of this bucket comes true; 0 until some were scored.
    pub(super) fn probability(&self, bucket: u8) -> f32 {
        match self.buckets.get(usize::from(bucket)) {
            Some((cues, hits)) if *cues >= 20.0 => hits / (cues + 1.0),
            _ => 0.0,
        }
    }
}

/// What became of a cue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Came {
    /// The follower was asked for in time.
    True,
    /// It was not.
    False,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Wall;

    fn spot(slot: u32) -> Spot {
        Spot { slot, serial: 1 }
    }

    #[test]
    fn frequent_followers_stay_and_rare_ones_pass() {
        let mut followers = Followers::new();
        for n in 0..200 {
            followers.count(spot(1), 1.0);
            followers.count(spot(100 + n), 1.0);
            if n % 2 == 0 {
                followers.count(spot(2), 1.0);
            }
        }
        let kept: Vec<_> = followers.iter().take(2).collect();
        assert_eq!(kept, [(spot(1), 200.0), (spot(2), 100.0)]);
        assert!(followers.iter().count() <= MOST);
    }

    #[test]
    fn users_have_trails_of_their_own_that_end_with_their_visit() {
        let mut trails = Trails::new();
        let at = |minutes: u64| Now { mono: Instant::from_micros(minutes * 60_000_000), wall: Wall::default() };
        assert_eq!(trails.user(at(1), 5, spot(1)).count(), 0);
        assert_eq!(trails.user(at(1), 6, spot(9)).count(), 0);
        assert_eq!(trails.user(at(2), 5, spot(2)).collect::<Vec<_>>(), [(spot(1), 1.0)]);
        assert_eq!(trails.user(at(40), 5, spot(3)).count(), 0, "the visit is over");
    }

    #[test]
    fn the_stream_counts_each_key_before_as_often_as_it_came() {
        let (mut trails, mut followers) = (Trails::new(), Followers::new());
        for n in 0..4000_u32 {
            for (before, weight) in trails.stream(spot(n % 8)) {
                if before == spot(0) && n % 8 == 1 {
                    followers.count(spot(1), weight);
                }
            }
        }
        let (_, count) = followers.iter().next().unwrap();
        assert!((350.0..650.0).contains(&count), "{count} of 500");
    }

    #[test]
    fn strengths_are_measured_and_not_believed() {
        let mut cues = Cues::new();
        let bucket = Cues::bucket(8.0, 10.0).unwrap();
        assert_eq!(cues.probability(bucket), 0.0);
        for n in 0..1000 {
            cues.score(bucket, if n % 4 == 0 { Came::True } else { Came::False });
        }
        assert!((cues.probability(bucket) - 0.25).abs() < 0.02);
        assert_eq!(Cues::bucket(1.0, 1.0), None, "seen once");
        assert_eq!(Cues::bucket(5.0, 1000.0), None, "too weak");
    }
}
