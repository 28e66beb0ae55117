//! The engine's figures, all taken at one moment.

use super::foresight::figures::ForesightStats;
use super::settlement::{DropReason, Settled};

/// See the module's text. Counters count since the engine was made and saturate.
#[derive(Clone, PartialEq, Debug)]
pub struct Stats {
    /// Gauge: keys that wait.
    pub queued: usize,
    /// Gauge: keys that an order is out for.
    pub warming: usize,
    /// Gauge: orders with keys that are not settled.
    pub orders_out: usize,
    /// Gauge: settled keys whose progress is remembered.
    pub remembered: usize,
    /// Gauge: jobs that run.
    pub jobs_running: usize,
    /// Counter: jobs that ended by themselves.
    pub jobs_done: u64,
    /// Counter: jobs that were cancelled.
    pub jobs_cancelled: u64,
    /// Counters of what was asked and ordered.
    pub demand: Demand,
    /// Counters of how the keys of orders ended, and of keys that were given up in the queue.
    pub warm: Tally,
    /// Counters of how live loads ended; a key that waited in the queue and was satisfied by one is counted here.
    pub live: Tally,
    /// Why no order leaves.
    pub held: Held,
    /// Gauge: bytes of memory that the engine holds. An estimate.
    pub memory: usize,
    /// What foresight has done.
    pub foresight: ForesightStats,
}

/// What was asked and ordered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Demand {
    /// Keys accepted, joined ones included.
    pub accepted: u64,
    /// Of these: keys that were queued or warming already.
    pub joined: u64,
    /// Keys not accepted.
    pub rejected: u64,
    /// Orders that left.
    pub orders: u64,
    /// Keys that left in orders.
    pub ordered_keys: u64,
    /// Settlements that belonged to nothing: an owner's mistake, or an order from before a restart.
    pub stray: u64,
}

/// How keys ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Values written.
    pub loaded: u64,
    /// Lives renewed without a transfer.
    pub renewed: u64,
    /// Keys that existed.
    pub fresh: u64,
    /// Keys that the origin does not have.
    pub absent: u64,
    /// Keys whose origin failed.
    pub failed: u64,
    /// Bytes written.
    pub bytes: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Tally {
    /// Keys given up for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Keys given up.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Keys that are warm: loaded, renewed or fresh.
    pub fn completed(&self) -> u64 {
        self.loaded + self.renewed + self.fresh
    }

    pub(super) fn add(&mut self, settled: &Settled) {
        match settled {
            Settled::Loaded { bytes, .. } => {
                self.loaded += 1;
                self.bytes = self.bytes.saturating_add(*bytes);
            }
            Settled::Renewed { .. } => self.renewed += 1,
            Settled::Fresh => self.fresh += 1,
            Settled::Absent => self.absent += 1,
            Settled::Failed { .. } => self.failed += 1,
            Settled::Dropped(reason) => self.dropped[*reason as usize] += 1,
        }
    }
}

/// Why no order leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Orders may leave.
    No,
    /// A user paused warming.
    Paused,
    /// The server is a replica or is loading.
    Inactive,
    /// The server's memory is used up to the ceiling.
    Memory,
}

impl Held {
    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            Held::No => "no",
            Held::Paused => "paused",
            Held::Inactive => "inactive",
            Held::Memory => "memory",
        }
    }
}
