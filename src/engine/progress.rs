//! What became of a key: its place in the queue while it is there, and a bounded memory of how it ended.

use std::sync::Arc;

use super::key::{Db, Key};
use super::queue::Entry;
use super::recent::Recent;
use super::request::LoaderId;
use super::settlement::{Settled, Settlement};
use super::time::Wall;

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// Nothing is known of it.
    NotScheduled,
    /// It waits in the queue.
    Pending,
    /// An order is out for it.
    Warming,
    /// It was loaded, renewed or found fresh.
    Completed,
    /// Its origin failed.
    Failed,
    /// It was given up, or its origin does not have it.
    Dropped,
}

impl Status {
    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotScheduled => "not_scheduled",
            Status::Pending => "pending",
            Status::Warming => "warming",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Dropped => "dropped",
        }
    }
}

/// A key's progress; what does not apply is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Where it stands.
    pub status: Status,
    /// Who loads it.
    pub loader: Option<LoaderId>,
    /// Requests made to the origin for it in its last warming.
    pub attempts: u32,
    /// When it was asked for.
    pub scheduled_at: Option<Wall>,
    /// When its order left.
    pub started_at: Option<Wall>,
    /// When it was settled.
    pub completed_at: Option<Wall>,
    /// When its value expires.
    pub expires_at: Option<Wall>,
    /// The size of its value as stored.
    pub bytes: Option<u64>,
    /// What went wrong, or why it was given up.
    pub error: Option<Arc<str>>,
}

impl Progress {
    pub(super) fn unknown() -> Self {
        Progress {
            status: Status::NotScheduled,
            loader: None,
            attempts: 0,
            scheduled_at: None,
            started_at: None,
            completed_at: None,
            expires_at: None,
            bytes: None,
            error: None,
        }
    }

    pub(super) fn of_entry(entry: &Entry) -> Self {
        let ordered = entry.order.is_some();
        Progress {
            status: if ordered { Status::Warming } else { Status::Pending },
            loader: Some(entry.loader),
            scheduled_at: Some(entry.scheduled_at),
            started_at: ordered.then_some(entry.started_at),
            ..Progress::unknown()
        }
    }
}

/// The memory of settled keys.
#[derive(Debug)]
pub(super) struct Settledness {
    records: Recent<Record>,
}

/// A settled key.
#[derive(Debug)]
struct Record {
    settled: Settled,
    loader: LoaderId,
    attempts: u32,
    scheduled_at: Option<Wall>,
    started_at: Option<Wall>,
    completed_at: Wall,
}

impl Settledness {
    pub(super) fn new(limit: u32, seed: u64) -> Self {
        Settledness { records: Recent::new(limit, seed) }
    }

    pub(super) fn set_limit(&mut self, limit: u32) {
        self.records.set_limit(limit);
    }

    /// Remembers how a key ended that had an entry, or none.
    pub(super) fn put(&mut self, now: Wall, settlement: Settlement, entry: Option<&Entry>) {
        let record = Record {
            settled: settlement.settled,
            loader: settlement.loader,
            attempts: settlement.attempts,
            scheduled_at: entry.map(|entry| entry.scheduled_at),
            started_at: entry.and_then(|entry| entry.order.map(|_| entry.started_at)),
            completed_at: now,
        };
        self.records.put(settlement.key, record);
    }

    pub(super) fn find(&self, key: &Key) -> Option<Progress> {
        let record = self.records.find(key.db(), key.name())?;
        let mut progress = Progress {
            status: Status::Completed,
            loader: Some(record.loader),
            attempts: record.attempts,
            scheduled_at: record.scheduled_at,
            started_at: record.started_at,
            completed_at: Some(record.completed_at),
            ..Progress::unknown()
        };
        match &record.settled {
            Settled::Loaded { bytes, expires_at } => {
                progress.bytes = Some(*bytes);
                progress.expires_at = *expires_at;
            }
            Settled::Renewed { expires_at } => progress.expires_at = *expires_at,
            Settled::Fresh => {}
            Settled::Absent => {
                progress.status = Status::Dropped;
                progress.error = Some(Arc::from("the origin has no such key"));
            }
            Settled::Failed { message } => {
                progress.status = Status::Failed;
                progress.error = Some(message.clone());
            }
            Settled::Dropped(reason) => {
                progress.status = Status::Dropped;
                progress.error = Some(Arc::from(reason.sentence()));
            }
        }
        Some(progress)
    }

    /// Forgets what was completed in a database: it is warm no more.
    pub(super) fn flushed(&mut self, scope: Scope) {
        self.records.forget_if(|key, record| {
            let warm = matches!(record.settled, Settled::Loaded { .. } | Settled::Renewed { .. } | Settled::Fresh);
            warm && scope.holds(key.db())
        });
    }

    /// The number of keys remembered.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.records.bytes()
    }
}

/// One database, or all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All databases.
    All,
    /// This one.
    One(Db),
}

impl Scope {
    /// Whether `db` is meant.
    pub fn holds(self, db: Db) -> bool {
        match self {
            Scope::All => true,
            Scope::One(one) => one == db,
        }
    }
}
