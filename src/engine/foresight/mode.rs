//! How far foresight goes.

/// What foresight may do with what it knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Mode {
    /// Nothing is watched, learned or fetched ahead.
    Off,
    /// It watches, learns, predicts and scores itself; it fetches nothing.
    Observe,
    /// It also warms: refreshes before expiry, and fetches what will be asked for.
    #[default]
    On,
}

impl Mode {
    /// The word in directives and replies.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Observe => "observe",
            Mode::On => "on",
        }
    }
}

/// Whether values are fetched again before they expire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RefreshAhead {
    /// They expire.
    Off,
    /// When it is worth it.
    #[default]
    On,
}

/// Whose requests come over one connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Clients {
    /// Those of many users, as of an application's connection pool.
    #[default]
    Shared,
    /// Those of one user.
    Users,
}
