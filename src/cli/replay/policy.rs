//! What is compared: a policy decides what a cache holds, and says of each request whether it was served from there.

use std::ops::{AddAssign, Sub};

use super::trace::Request;

/// A cache with its rules. It is shown every request of a trace, in order, and keeps all state it needs; what the clock of
/// the trace brings between two requests (expiries, say) it catches up with at the later one.
pub(crate) trait Policy {
    /// Serves a request.
    fn request(&mut self, at: Request) -> Served;

    /// What the origin was asked so far.
    fn origin(&self) -> Origin;
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Served {
    /// From the cache.
    Hit,
    /// From the origin, and why.
    Miss(Why),
}

/// Why the cache had nothing, which says what would have helped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// Nobody had ever asked for the key: only an event could have announced it.
    FirstEver,
    /// The last copy would still be fresh, but it had to leave, or was not let in: what to keep.
    Evicted,
    /// The last copy ran out less than one TTL ago: one refresh would have been enough.
    ExpiredRecently,
    /// The last copy ran out longer ago: the key had to be warmed anew.
    ExpiredLongAgo,
}

/// What the origin was asked, in requests.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// Because a request missed.
    pub(crate) demand: u64,
    /// To replace a copy that ran out, before anyone asked.
    pub(crate) refresh: u64,
    /// For a key that was absent, before anyone asked.
    pub(crate) warm: u64,
    /// Refreshed copies that were read afterwards.
    pub(crate) refresh_read: u64,
    /// Refreshed copies that ended unread.
    pub(crate) refresh_wasted: u64,
    /// Warmed copies that were read afterwards.
    pub(crate) warm_read: u64,
    /// Warmed copies that ended unread.
    pub(crate) warm_wasted: u64,
}

/// Why a copy was fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fetch {
    /// A request missed.
    Demand,
    /// The copy before it ran out.
    Refresh,
    /// It was absent and is expected.
    Warm,
}

impl Origin {
    /// All requests.
    pub(crate) fn total(&self) -> u64 {
        self.demand + self.refresh + self.warm
    }

    /// Copies fetched ahead that ended unread: they expired, were evicted or were replaced.
    pub(crate) fn wasted(&self) -> u64 {
        self.refresh_wasted + self.warm_wasted
    }

    /// A request to the origin.
    pub(super) fn fetched(&mut self, fetch: Fetch) {
        *match fetch {
            Fetch::Demand => &mut self.demand,
            Fetch::Refresh => &mut self.refresh,
            Fetch::Warm => &mut self.warm,
        } += 1;
    }

    /// A copy was read for the first time.
    pub(super) fn read(&mut self, fetch: Fetch) {
        match fetch {
            Fetch::Demand => {}
            Fetch::Refresh => self.refresh_read += 1,
            Fetch::Warm => self.warm_read += 1,
        }
    }

    /// A copy ended without having been read.
    pub(super) fn wasted_one(&mut self, fetch: Fetch) {
        match fetch {
            Fetch::Demand => {}
            Fetch::Refresh => self.refresh_wasted += 1,
            Fetch::Warm => self.warm_wasted += 1,
        }
    }

    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Origin {
            demand: with(self.demand, other.demand),
            refresh: with(self.refresh, other.refresh),
            warm: with(self.warm, other.warm),
            refresh_read: with(self.refresh_read, other.refresh_read),
            refresh_wasted: with(self.refresh_wasted, other.refresh_wasted),
            warm_read: with(self.warm_read, other.warm_read),
            warm_wasted: with(self.warm_wasted, other.warm_wasted),
        }
    }
}

/// What came since; saturating, as a copy read in one part of a trace may be fetched in the part before.
impl Sub for Origin {
    type Output = Origin;

    fn sub(self, before: Origin) -> Origin {
        self.zip(before, u64::saturating_sub)
    }
}

impl AddAssign for Origin {
    fn add_assign(&mut self, other: Origin) {
        *self = self.zip(other, u64::saturating_add);
    }
}
