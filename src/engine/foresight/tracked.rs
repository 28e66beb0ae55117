//! What is known of one tracked key.

use super::forecast::Class;
use super::ladder::Ladder;
use super::profile::Profile;
use super::sequences::Followers;
use crate::engine::time::Instant;

/// One tracked key: about 260 bytes and its name; the parts that few keys have are boxed.
#[derive(Debug)]
pub(super) struct Tracked {
    /// Told apart from other keys that have had the same place.
    pub(super) serial: u32,
    /// Which supply it comes from: its place in the list.
    pub(super) supply: u32,
    /// Decayed counts of its accesses, brought to `seen_at`.
    pub(super) ladder: Ladder,
    /// When it was asked for last.
    pub(super) seen_at: Instant,
    /// When it was asked for first.
    pub(super) first_at: Instant,
    /// The last gaps between accesses, in horizons, newest first; 0: none yet.
    pub(super) gaps: [f32; 3],
    /// Accesses ever, damped ones as what they count.
    pub(super) total: f32,
    /// The copy in the cache.
    pub(super) copy: Copy,
    /// Until when filling on demand alone would hold a copy.
    pub(super) shadow_until: Instant,
    /// Requests in the window that runs.
    pub(super) window: u32,
    /// Requests in the window before.
    pub(super) last_window: u32,
    /// Requests expected in a horizon, as of the last round.
    pub(super) popularity: f32,
    /// The probability to be hot, as of the last round.
    pub(super) hot: f32,
    /// What was foretold for the window that runs: the popularity and `hot` at its start; negative: it was not tracked then.
    pub(super) foretold: [f32; 2],
    /// Its kind of demand, as of the last round.
    pub(super) class: Class,
    /// How hot the server was told that it is.
    pub(super) told_heat: u8,
    /// Whether it is never warmed ahead at present.
    pub(super) held_out: bool,
    /// A sample of a decision whose outcome is awaited: its place plus one.
    pub(super) sample: u32,
    /// A successor's cue whose outcome is awaited: its bucket plus one.
    pub(super) cue: u8,
    /// Until when it is awaited.
    pub(super) cue_until: Instant,
    /// When it is asked for: kept for keys that live longer than a day.
    pub(super) profile: Option<Box<Profile>>,
    /// Which keys are asked for after it.
    pub(super) followers: Option<Box<Followers>>,
    /// What its content promises: the log of the requests in a horizon; NaN: nothing was said.
    pub(super) prior: f32,
}

/// The copy of a key in the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    /// What is known of it.
    pub(super) state: State,
    /// Why it was fetched.
    pub(super) fetch: Fetch,
    /// Since when it is there.
    pub(super) since: Instant,
    /// When it expires; the end of time: never, or unknown.
    pub(super) until: Instant,
    /// Reads of it.
    pub(super) hits: u32,
    /// Copies before it that ended unread, in a row.
    pub(super) idle: u8,
    /// Whether its refresh was asked for and has not come.
    pub(super) renewing: bool,
    /// Whether the server took it for want of room.
    pub(super) evicted: bool,
    /// Whether somebody missed it and it has not come.
    pub(super) awaited: bool,
    /// Its size, in bytes; 0: unknown.
    pub(super) bytes: u32,
}

/// What is known of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nothing.
    Unknown,
    /// There is none.
    Absent,
    /// It is there.
    Held,
}

/// Why a copy was fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fetch {
    /// Somebody asked for it, or wrote it.
    Demand,
    /// The copy before it was about to expire.
    Refresh,
    /// It was expected to be asked for.
    Predict,
}

impl Tracked {
    /// A key that nobody has asked for.
    pub(super) fn new(serial: u32, supply: u32, now: Instant) -> Self {
        Tracked {
            serial,
            supply,
            ladder: Ladder::default(),
            seen_at: now,
            first_at: now,
            gaps: [0.0; 3],
            total: 0.0,
            copy: Copy {
                state: State::Unknown,
                fetch: Fetch::Demand,
                since: now,
                until: Instant::END,
                hits: 0,
                idle: 0,
                renewing: false,
                evicted: false,
                awaited: false,
                bytes: 0,
            },
            shadow_until: Instant::default(),
            window: 0,
            last_window: 0,
            popularity: 0.0,
            hot: 0.0,
            foretold: [-1.0; 2],
            class: Class::Unknown,
            told_heat: 0,
            held_out: false,
            sample: 0,
            cue: 0,
            cue_until: Instant::default(),
            profile: None,
            followers: None,
            prior: f32::NAN,
        }
    }

    /// Whether a copy is in the cache at `now`, as far as is known.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.copy.state == State::Held && self.copy.until > now
    }
}
