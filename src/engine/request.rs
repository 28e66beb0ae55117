//! What is asked of the engine: keys to warm, how, for which job, from which loader.

use std::time::Duration;

use super::key::Key;
use super::pace::Rate;

/// A job's number; the owner gives them out, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// A loader's number; the owner gives them out, one for a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LoaderId(pub u32);

/// How urgent a key is: 0..=1000, higher goes first, 100 unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Priority(u16);

impl Priority {
    /// The most urgent.
    pub const MAX: Priority = Priority(1000);

    /// `None` above 1000.
    pub fn new(value: u16) -> Option<Self> {
        (value <= Self::MAX.0).then_some(Priority(value))
    }

    /// The number, 0..=1000.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Priority(100)
    }
}

/// Why a key is to be warmed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Somebody asked for it.
    Request,
    /// It is expected to be asked for.
    Predict,
    /// It is about to expire.
    Refresh,
    /// A schedule fired.
    Schedule,
    /// An event arrived.
    Event,
    /// A related key was asked for.
    Related,
    /// Another region finds it popular.
    Region,
    /// It was lost in a flush or a failover.
    Recover,
}

impl Reason {
    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Request => "request",
            Reason::Predict => "predict",
            Reason::Refresh => "refresh",
            Reason::Schedule => "schedule",
            Reason::Event => "event",
            Reason::Related => "related",
            Reason::Region => "region",
            Reason::Recover => "recover",
        }
    }
}

/// Which keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// Only a key that is missing; one that exists is settled as fresh.
    Missing,
    /// Every key.
    Force,
}

/// What a loaded value may do to a value that exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Replace {
    /// It never replaces one.
    Never,
    /// It may replace one that is not newer than the fetch.
    Older,
}

/// How a key is to be warmed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Plan {
    /// Which keys are fetched.
    pub mode: Mode,
    /// What may be overwritten.
    pub replace: Replace,
    /// The life of the value; the loader's if absent.
    pub ttl: Option<Duration>,
}

impl Plan {
    /// Fetch what is missing, replace what is older, live as the loader says.
    pub const MISSING: Plan = Plan { mode: Mode::Missing, replace: Replace::Older, ttl: None };
    /// As [`Plan::MISSING`], but fetch what exists too.
    pub const FORCE: Plan = Plan { mode: Mode::Force, replace: Replace::Older, ttl: None };

    /// One plan for two wishes: whichever fetches and replaces more; the later wish decides the life, if it names one.
    pub(super) fn merge(self, later: Plan) -> Plan {
        Plan { mode: self.mode.max(later.mode), replace: self.replace.max(later.replace), ttl: later.ttl.or(self.ttl) }
    }
}

/// One key to warm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The key.
    pub key: Key,
    /// Who loads it; the owner matched its pattern.
    pub loader: LoaderId,
    /// How.
    pub plan: Plan,
}

/// What is common to all keys of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobSpec {
    /// How urgent its keys are.
    pub priority: Priority,
    /// Why they are warmed.
    pub reason: Reason,
    /// What the user calls the job.
    pub tag: Option<Tag>,
}

/// A user's name for a job: at most [`Tag::MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tag(Box<[u8]>);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX: usize = 256;

    /// `None` if it is longer than [`Tag::MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= Self::MAX).then(|| Tag(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the engine must know of a loader.
#[derive(Clone, PartialEq, Debug)]
pub struct LoaderRules {
    /// Which loader.
    pub id: LoaderId,
    /// Requests that it makes to its origin at one time.
    pub concurrency: u32,
    /// Requests that it may make per second; `None` is unlimited.
    pub rate: Option<Rate>,
    /// Keys in one order, at most; 0 is taken as 1.
    pub batch: u32,
    /// Whether orders leave for it.
    pub activity: Activity,
}

/// Whether a loader works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Orders leave for it.
    Working,
    /// Its keys wait in the queue.
    Paused,
}
