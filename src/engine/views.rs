//! What can be seen of the engine. Nothing here changes it.

use std::cmp::Reverse;

use super::Engine;
use super::jobs::{JobFilter, JobStatus};
use super::key::Key;
use super::keyed::Slot;
use super::progress::Progress;
use super::request::{JobId, LoaderId, Priority, Reason};
use super::stats::Stats;
use super::time::{Now, Wall};

/// A key that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueEntry {
    /// The key.
    pub key: Key,
    /// Who will load it.
    pub loader: LoaderId,
    /// How urgent it is.
    pub priority: Priority,
    /// Why it is warmed.
    pub reason: Reason,
    /// Since when it may be ordered.
    pub due_at: Wall,
}

impl Engine {
    /// How a job does. `None` if it never was or is forgotten.
    pub fn job(&self, now: Now, job: JobId) -> Option<JobStatus> {
        self.jobs.status(now, job, &self.settings)
    }

    /// The newest `count` jobs of a kind, newest first. O(jobs).
    pub fn jobs(&self, now: Now, filter: JobFilter, count: usize) -> Vec<JobStatus> {
        self.jobs.list(now, filter, count, &self.settings)
    }

    /// Where a key stands.
    pub fn progress(&self, key: &Key) -> Progress {
        match self.entries.find(key.db(), key.name()) {
            Some(slot) => Progress::of_entry(self.entries.at(slot)),
            None => self.settled.find(key).unwrap_or_else(Progress::unknown),
        }
    }

    /// The first `count` keys of the queue: by priority, then by age. Loaders take turns and have their own limits, so
    /// the keys of one may overtake those of another. O(loaders × count).
    pub fn queue_head(&self, count: usize) -> Vec<QueueEntry> {
        let mut slots: Vec<Slot> =
            self.lanes.values().flat_map(|lane| lane.waiting.iter(&self.entries).take(count)).collect();
        slots.sort_by_key(|&slot| {
            let entry = self.entries.at(slot);
            (Reverse(entry.priority), entry.scheduled_at)
        });
        slots.truncate(count);
        slots.into_iter().map(|slot| self.queue_entry(slot)).collect()
    }

    /// All figures.
    pub fn stats(&self) -> Stats {
        Stats {
            queued: self.queued,
            warming: self.entries.len() - self.queued,
            orders_out: self.orders.len(),
            remembered: self.settled.len(),
            jobs_running: self.jobs.running(),
            jobs_done: self.jobs.done,
            jobs_cancelled: self.jobs.cancelled,
            demand: self.demand,
            warm: self.warm,
            live: self.live,
            held: self.held(),
            memory: self.memory(),
            foresight: self.foresight.stats(),
        }
    }

    fn memory(&self) -> usize {
        let shared = self.shared * 2 * size_of::<JobId>();
        size_of::<Self>() + self.entries.bytes() + shared + self.settled.bytes() + self.jobs.bytes()
    }

    fn queue_entry(&self, slot: Slot) -> QueueEntry {
        let entry = self.entries.at(slot);
        QueueEntry {
            key: self.entries.key(slot).clone(),
            loader: entry.loader,
            priority: entry.priority,
            reason: entry.reason,
            due_at: entry.scheduled_at,
        }
    }
}
