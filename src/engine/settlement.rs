//! What comes back: how the warming of one key ended.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::key::Key;
use super::request::LoaderId;
use super::time::Wall;

/// An order's number; the engine gives them out, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OrderId(pub NonZeroU64);

/// How it ended for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// On whose account.
    pub source: Source,
    /// The key.
    pub key: Key,
    /// Who loaded it.
    pub loader: LoaderId,
    /// What happened.
    pub settled: Settled,
    /// Requests made to the origin, retries included; 0 if it was not asked.
    pub attempts: u32,
}

/// On whose account a key was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// An order of the engine's.
    Order(OrderId),
    /// A client that waited for the key; the engine had no order out for it.
    Live,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// A value was written.
    Loaded {
        /// Its size as stored, in bytes.
        bytes: u64,
        /// When it expires; `None`: never.
        expires_at: Option<Wall>,
    },
    /// The origin confirmed the value that was there; its life was renewed.
    Renewed {
        /// When it expires; `None`: never.
        expires_at: Option<Wall>,
    },
    /// The key existed before anything was fetched, and the plan was [`Mode::Missing`](super::request::Mode::Missing).
    Fresh,
    /// The origin says there is no such key.
    Absent,
    /// The origin failed after all tries, or a key of another type is in the way.
    Failed {
        /// One line for people; never a secret, a key or a body. Cut after [`Settled::MESSAGE_MAX`] bytes.
        message: Arc<str>,
    },
    /// Nothing was written, and nothing is wrong with the origin.
    Dropped(DropReason),
}

impl Settled {
    /// The longest message that is kept, in bytes.
    pub const MESSAGE_MAX: usize = 256;

    /// The failure of this message, cut at a character's border.
    pub fn failed(message: &str) -> Self {
        let mut end = message.len().min(Self::MESSAGE_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        Settled::Failed { message: Arc::from(&message[..end]) }
    }
}

/// Why a key was given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// Somebody else wrote or deleted the key after the fetch began.
    Superseded,
    /// The database was flushed or swapped after the fetch began.
    Flushed,
    /// The job was cancelled, or the fetch was abandoned.
    Cancelled,
    /// No loader is responsible any more.
    NoLoader,
    /// Another master owns the key's slot.
    NotOurs,
    /// The origin forbids to store it.
    NoStore,
    /// The server has no memory for it.
    OutOfMemory,
    /// The server is a replica or is loading.
    Inactive,
    /// It was wished for ahead, and its demand fell before its turn came.
    Retracted,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [DropReason; 9] = [
        DropReason::Superseded,
        DropReason::Flushed,
        DropReason::Cancelled,
        DropReason::NoLoader,
        DropReason::NotOurs,
        DropReason::NoStore,
        DropReason::OutOfMemory,
        DropReason::Inactive,
        DropReason::Retracted,
    ];

    /// The word in statistics.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Superseded => "superseded",
            DropReason::Flushed => "flushed",
            DropReason::Cancelled => "cancelled",
            DropReason::NoLoader => "no_loader",
            DropReason::NotOurs => "not_ours",
            DropReason::NoStore => "no_store",
            DropReason::OutOfMemory => "out_of_memory",
            DropReason::Inactive => "inactive",
            DropReason::Retracted => "retracted",
        }
    }

    /// The sentence in a key's progress.
    pub fn sentence(self) -> &'static str {
        match self {
            DropReason::Superseded => "the key was written by someone else while it was fetched",
            DropReason::Flushed => "the database was flushed or swapped while the key was fetched",
            DropReason::Cancelled => "the job was cancelled",
            DropReason::NoLoader => "the loader was removed",
            DropReason::NotOurs => "the key's slot belongs to another master",
            DropReason::NoStore => "the origin forbids storing the value",
            DropReason::OutOfMemory => "the server has no memory for the value",
            DropReason::Inactive => "the server is a replica or is loading",
            DropReason::Retracted => "its demand fell before its turn came",
        }
    }
}
