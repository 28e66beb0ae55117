//! Replays a trace through one policy and counts what came of it, from some request on.

use std::time::Instant;

use super::classes::{self, Class};
use super::policy::{Origin, Policy, Served, Why};
use super::trace::Trace;

/// What one policy did over the reported part of a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// By class; the place is the class's number.
    pub(crate) classes: Vec<Share>,
    /// Why requests missed.
    pub(crate) misses: Misses,
    /// What the origin was asked.
    pub(crate) origin: Origin,
    /// Requests a second over the whole trace: the policy's speed, not the trace's.
    pub(crate) speed: f64,
}

/// Requests, and those of them that hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// All.
    pub(crate) requests: u64,
    /// From the cache.
    pub(crate) hits: u64,
}

/// Misses by what would have helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Misses {
    /// See [`Why::FirstEver`].
    pub(crate) first_ever: u64,
    /// See [`Why::Evicted`].
    pub(crate) evicted: u64,
    /// See [`Why::ExpiredRecently`].
    pub(crate) expired_recently: u64,
    /// See [`Why::ExpiredLongAgo`].
    pub(crate) expired_long_ago: u64,
}

/// Replays the requests before `until`, and tallies those from `from` on. What the cache holds at `from` stays.
pub(crate) fn replay(
    trace: &Trace,
    classes: &[Class],
    from: usize,
    until: usize,
    policy: &mut (impl Policy + ?Sized),
) -> Tally {
    let mut tally = Tally { classes: vec![Share::default(); classes::NAMES.len()], ..Tally::default() };
    let begin = Instant::now();
    for request in trace.requests(0..from) {
        policy.request(request);
    }
    let before = policy.origin();
    for request in trace.requests(from..until) {
        let served = policy.request(request);
        let class = classes.get(request.index).copied().unwrap_or_default();
        if let Some(share) = tally.classes.get_mut(usize::from(class)) {
            share.requests += 1;
            share.hits += u64::from(served == Served::Hit);
        }
        if let Served::Miss(why) = served {
            tally.misses.count(why);
        }
    }
    tally.origin = policy.origin() - before;
    tally.speed = until as f64 / begin.elapsed().as_secs_f64().max(1e-9);
    tally
}

impl Tally {
    /// All classes together.
    pub(crate) fn overall(&self) -> Share {
        self.classes.iter().fold(Share::default(), |sum, share| Share {
            requests: sum.requests + share.requests,
            hits: sum.hits + share.hits,
        })
    }

    /// Origin requests as a multiple of those of `baseline`.
    pub(crate) fn load(&self, baseline: &Tally) -> Option<f64> {
        let demand = baseline.origin.total();
        (demand > 0).then(|| self.origin.total() as f64 / demand as f64)
    }
}

impl Share {
    /// Hits of requests, in 0..=1; none for no requests.
    pub(crate) fn ratio(self) -> Option<f64> {
        (self.requests > 0).then(|| self.hits as f64 / self.requests as f64)
    }
}

impl Misses {
    /// All.
    pub(crate) fn total(self) -> u64 {
        self.first_ever + self.evicted + self.expired_recently + self.expired_long_ago
    }

    fn count(&mut self, why: Why) {
        *match why {
            Why::FirstEver => &mut self.first_ever,
            Why::Evicted => &mut self.evicted,
            Why::ExpiredRecently => &mut self.expired_recently,
            Why::ExpiredLongAgo => &mut self.expired_long_ago,
        } += 1;
    }
}
