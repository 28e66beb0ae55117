//! What came out of the ring: counters that the engine's thread keeps and everybody may read.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::foresight::seen::{Gone, Seen, What};
use crate::engine::key::Db;

/// Counters since the module was loaded. Relaxed: each stands for itself, and only the engine's thread writes them.
#[derive(Debug, Default)]
pub struct Tally {
    accesses: AtomicU64,
    elsewhere: AtomicU64,
    misses: AtomicU64,
    told: AtomicU64,
    written: AtomicU64,
    expiring: AtomicU64,
    expired: AtomicU64,
    evicted: AtomicU64,
    deleted: AtomicU64,
}

impl Tally {
    /// Counts one thing that was seen.
    pub fn count(&self, seen: &Seen<'_>) {
        match seen.what {
            What::Read { count, .. } => {
                let count = u64::from(count.max(1));
                add(&self.accesses, count);
                if seen.db != Db(0) {
                    add(&self.elsewhere, count);
                }
            }
            What::Told { count, .. } => add(&self.told, u64::from(count.max(1))),
            What::Missed => add(&self.misses, 1),
            What::Written { expires_at, .. } => {
                add(&self.written, 1);
                add(&self.expiring, u64::from(expires_at.is_some()));
            }
            What::Gone(Gone::Expired) => add(&self.expired, 1),
            What::Gone(Gone::Evicted) => add(&self.evicted, 1),
            What::Gone(Gone::Deleted) => add(&self.deleted, 1),
        }
    }

    /// The counters, by the names under which they are shown.
    pub fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("watch_accesses", &self.accesses),
            ("watch_accesses_elsewhere", &self.elsewhere),
            ("watch_misses", &self.misses),
            ("watch_told", &self.told),
            ("watch_written", &self.written),
            ("watch_written_expiring", &self.expiring),
            ("watch_expired", &self.expired),
            ("watch_evicted", &self.evicted),
            ("watch_deleted", &self.deleted),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

/// One thread writes: a load and a store, no locked instruction.
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).saturating_add(n), Ordering::Relaxed);
}
