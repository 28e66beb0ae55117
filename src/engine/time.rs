//! Time as the engine sees it: always an argument, never read from a clock.
//!
//! Two clocks that never mix: [`Instant`] (monotonic) drives behaviour, [`Wall`] (Unix time) is for display and for
//! expiry times that leave the process. All arithmetic saturates.

use std::time::Duration;

/// A monotonic point in time: microseconds since an origin that the owner of the clock chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The end of time.
    pub const END: Instant = Instant(u64::MAX);

    /// The instant `micros` µs after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This instant moved `span` later; saturates at the end of time.
    pub fn after(self, span: Duration) -> Self {
        Instant(self.0.saturating_add(micros(span)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A point in Unix time, in milliseconds. It may jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wall(u64);

impl Wall {
    /// The wall time `millis` ms after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Wall(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time moved `span` later; saturates.
    pub fn after(self, span: Duration) -> Self {
        Wall(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Both clocks, read together by the owner and handed to every input of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Drives behaviour.
    pub mono: Instant,
    /// Is shown to people.
    pub wall: Wall,
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
