//! The only clock: both times of [`Now`], read here and handed to everything below.

use std::sync::OnceLock;
use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Instant, Now, Wall};

static START: OnceLock<Monotonic> = OnceLock::new();

/// The monotonic time since the module's first reading. About 25 ns.
pub fn mono() -> Instant {
    let elapsed = START.get_or_init(Monotonic::now).elapsed();
    Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// The monotonic time since the module's first reading.
pub fn uptime() -> Duration {
    START.get_or_init(Monotonic::now).elapsed()
}

/// As [`uptime`], in nanoseconds: for measuring what something costs.
pub fn nanos() -> u64 {
    u64::try_from(uptime().as_nanos()).unwrap_or(u64::MAX)
}

/// The processor time that the calling thread has used. A system call: some 200 ns. Zero where the system does not tell.
pub fn worked() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a clock of the calling thread and a structure to fill.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Both clocks.
pub fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono: mono(), wall: Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)) }
}
