//! The only clock: both times of [`Now`], read here and handed to everything below.

use std::sync::OnceLock;
use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Instant, Now, Wall};

static START: OnceLock<Monotonic> = OnceLock::new();

/// The monotonic time since the module's first reading. About 25 ns.
pub fn mono() -> Instant {
    let elapsed = START.get_or_init(Monotonic::now).elapsed();
    Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// Both clocks.
pub fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono: mono(), wall: Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)) }
}
