//! The directives: one table from which they are registered (`config`) and documented (`redis.conf.example`), and
//! [`Settings`], what the rest of the module reads.
//!
//! A directive's value is an `i64` (a number, a size in bytes, the index of a word, 0 or 1) or a text. The server checks
//! the range; [`Settings::new`] bounds it once more, so a `Settings` cannot be invalid.

use std::path::PathBuf;
use std::time::Duration;

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Its name without `warm.`.
    pub name: &'static str,
    /// What it takes, its range and its default.
    pub kind: Kind,
    /// When it may be changed.
    pub change: Change,
    /// What it does, for operators.
    pub does: &'static str,
    /// What goes wrong when it is too small; empty where that has no meaning.
    pub too_small: &'static str,
    /// What goes wrong when it is too large; empty where that has no meaning.
    pub too_large: &'static str,
}

/// What a directive takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// What is counted.
        unit: &'static str,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
        /// Without a line.
        default: i64,
    },
    /// Bytes; `kb`, `mb` and `gb` are understood.
    Size {
        /// The least, in bytes.
        min: i64,
        /// The most, in bytes.
        max: i64,
        /// Without a line, in bytes.
        default: i64,
    },
    /// A whole number of percent.
    Percent {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
        /// Without a line.
        default: i64,
    },
    /// One of these words; the first is the default.
    Enum(&'static [&'static str]),
    /// `yes` or `no`; `no` is the default.
    Bool,
    /// A text of at most so many bytes; empty is the default.
    Text {
        /// The longest, in bytes.
        longest: usize,
    },
}

/// When a directive may be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// At any time, with `CONFIG SET`.
    AnyTime,
    /// Only in redis.conf or with `MODULE LOADEX`.
    AtLoad,
}

const FILE: usize = 0;
const ENABLE_LOADER_COMMANDS: usize = 1;
const QUEUE_LENGTH: usize = 2;
const MAX_TRACKED_KEYS: usize = 3;
const MAX_MEMORY: usize = 4;
const SLICE_US: usize = 5;
const MAIN_THREAD_SHARE: usize = 6;
const PAUSE_ABOVE_MEMORY: usize = 7;
const THREADS: usize = 8;
const LOG_KEYS: usize = 9;

/// How many directives there are.
pub const COUNT: usize = 10;

/// All directives, in the order of `redis.conf.example`.
pub static TABLE: [Directive; COUNT] = [
    Directive {
        name: "file",
        kind: Kind::Text { longest: 4095 },
        change: Change::AtLoad,
        does: "The warm file: statements such as `LOADER SET articles MATCH ... URL ...`, one a line, read when the \
               module is loaded and on WARM.CONFIG RELOAD. A file that cannot be read, or that has a bad line, \
               defines nothing: at load the log says which line, and the server starts without loaders; RELOAD answers \
               an error and changes nothing. Use an absolute path: a relative one is looked up in the server's working \
               directory (`dir`). Empty: no file.",
        too_small: "",
        too_large: "",
    },
    Directive {
        name: "enable-loader-commands",
        kind: Kind::Enum(&["no", "local", "yes"]),
        change: Change::AtLoad,
        does: "Who may define loaders with WARM.LOADER SET and DEL: nobody (`no`), clients on the loopback interface \
               or a Unix socket (`local`), or every client that the ACL allows (`yes`). A loader makes the server send \
               HTTP requests wherever its URL says: `yes` lets whoever may run the command reach what the server can \
               reach. Loaders of the warm file work with any value.",
        too_small: "",
        too_large: "",
    },
    Directive {
        name: "queue-length",
        kind: Kind::Integer { unit: "keys", min: 1, max: 10_000_000, default: 100_000 },
        change: Change::AnyTime,
        does: "Keys that may wait to be warmed, over all jobs. A waiting key takes about 200 bytes and its name. \
               Lowering it drops nothing that waits already.",
        too_small: "WARM.LOAD rejects keys, or answers QUEUEFULL, while a large job is running.",
        too_large: "a mistaken job of millions of keys takes hundreds of megabytes before it is noticed.",
    },
    Directive {
        name: "max-tracked-keys",
        kind: Kind::Integer { unit: "keys", min: 1, max: 10_000_000, default: 100_000 },
        change: Change::AnyTime,
        does: "Keys whose progress (WARM.PROGRESS) is remembered after their load ended, and as many whose absence at \
               the origin is remembered. A key takes about 130 bytes and its name in either table. The longest-ended \
               are forgotten first.",
        too_small: "WARM.PROGRESS answers not_scheduled for keys that were just loaded, and keys that the origin does \
                    not have are asked for again and again.",
        too_large: "memory is spent on keys nobody asks about.",
    },
    Directive {
        name: "max-memory",
        kind: Kind::Size { min: 8 << 20, max: 1 << 40, default: 64 << 20 },
        change: Change::AtLoad,
        does: "Bytes of fetched values that may be on their way from an origin or wait to be written. They count within the \
               server's `maxmemory`, as all memory of the module does. Fetches wait while it is used up.",
        too_small: "few fetches run at one time, large values fail, and warming is slow.",
        too_large: "a fast origin fills memory that the data needs, and keys are evicted to hold values that are only \
                    waiting.",
    },
    Directive {
        name: "slice-us",
        kind: Kind::Integer { unit: "microseconds", min: 20, max: 1000, default: 100 },
        change: Change::AnyTime,
        does: "The longest that loaded values are written at a stretch before clients are served again. The p99 of \
               other commands grows by about this much while keys are being warmed; use 50 where that matters most. \
               One value is written whole, however large.",
        too_small: "each slice's fixed cost outweighs its work, and warming is slow.",
        too_large: "clients wait: 1000 makes the p99 about four times the idle one.",
    },
    Directive {
        name: "main-thread-share",
        kind: Kind::Percent { min: 1, max: 90, default: 20 },
        change: Change::AnyTime,
        does: "The share of the main thread's time that writing loaded values may take while clients keep the server \
               busy. An idle server gives more by itself.",
        too_small: "values wait in memory, fetches wait for them, and jobs take long.",
        too_large: "clients get less of the server while a job is running.",
    },
    Directive {
        name: "pause-above-memory",
        kind: Kind::Percent { min: 1, max: 100, default: 95 },
        change: Change::AnyTime,
        does: "The share of `maxmemory` in use above which warm loads wait, so that warming does not evict what is \
               there. Reads through (WARM.GET) go on. Without `maxmemory` it has no effect.",
        too_small: "jobs stand still on a server whose cache is full, as a cache usually is.",
        too_large: "keys that are in use are evicted to make room for keys that may never be.",
    },
    Directive {
        name: "threads",
        kind: Kind::Integer { unit: "threads", min: 1, max: 8, default: 1 },
        change: Change::AtLoad,
        does: "Threads that talk to origins. One fetches tens of thousands of values a second over plain HTTP.",
        too_small: "TLS, decompression or large JSON documents keep one thread at 100 % of a core.",
        too_large: "threads take cores from the server and from its neighbours, and gain nothing.",
    },
    Directive {
        name: "log-keys",
        kind: Kind::Bool,
        change: Change::AnyTime,
        does: "Whether lines in the server's log may name keys. Keys often hold names, addresses or session numbers of \
               people; leave it at `no` unless you are looking for a fault.",
        too_small: "",
        too_large: "",
    },
];

impl Kind {
    /// The least and the most its number may be; a text has none.
    pub fn range(&self) -> (i64, i64) {
        match *self {
            Kind::Integer { min, max, .. } | Kind::Size { min, max, .. } | Kind::Percent { min, max, .. } => (min, max),
            Kind::Enum(words) => (0, words.len() as i64 - 1),
            Kind::Bool => (0, 1),
            Kind::Text { .. } => (0, 0),
        }
    }

    /// Its number without a line in redis.conf.
    pub fn default_number(&self) -> i64 {
        match *self {
            Kind::Integer { default, .. } | Kind::Size { default, .. } | Kind::Percent { default, .. } => default,
            Kind::Enum(_) | Kind::Bool | Kind::Text { .. } => 0,
        }
    }

    /// Its default as it is written in redis.conf.
    pub fn default_written(&self) -> String {
        match *self {
            Kind::Integer { default, .. } | Kind::Percent { default, .. } => default.to_string(),
            Kind::Size { default, .. } => size_written(default),
            Kind::Enum(words) => words.first().copied().unwrap_or_default().to_owned(),
            Kind::Bool => "no".to_owned(),
            Kind::Text { .. } => "\"\"".to_owned(),
        }
    }
}

/// A size in the largest unit that writes it whole, as redis.conf takes it.
pub fn size_written(bytes: i64) -> String {
    let units = [(1 << 40, 1 << 10, "gb"), (1 << 30, 1, "gb"), (1 << 20, 1, "mb"), (1 << 10, 1, "kb")];
    match units.iter().find(|(unit, ..)| bytes != 0 && bytes % unit == 0) {
        Some((unit, factor, name)) => format!("{}{name}", bytes / unit * factor),
        None => bytes.to_string(),
    }
}

/// The raw values of all directives, by their place in [`TABLE`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raw {
    /// Numbers, sizes, indices of words; 0 for texts.
    pub numbers: [i64; COUNT],
    /// Texts; empty for all others.
    pub texts: [String; COUNT],
}

impl Default for Raw {
    fn default() -> Self {
        Raw {
            numbers: std::array::from_fn(|i| TABLE[i].kind.default_number()),
            texts: std::array::from_fn(|_| String::new()),
        }
    }
}

/// What the directives say, in the units that the module works with. Valid by construction.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The warm file, if there is one.
    pub file: Option<PathBuf>,
    /// Who may define loaders by command.
    pub loader_commands: LoaderCommands,
    /// Keys that may wait to be warmed; at least 1.
    pub queue_length: u32,
    /// Keys whose progress, and keys whose absence, is remembered; at least 1.
    pub max_tracked_keys: u32,
    /// Bytes of fetched values that wait, and of tables.
    pub max_memory: u64,
    /// The longest slice of the main thread.
    pub slice: Duration,
    /// The share of the main thread for slices while the server is busy; a ratio in 0.01..=0.9.
    pub main_thread_share: f64,
    /// The used share of `maxmemory` above which warm loads wait; a ratio in 0.01..=1.
    pub pause_above_memory: f64,
    /// Threads that talk to origins; 1..=8.
    pub threads: usize,
    /// Whether the log may name keys.
    pub log_keys: LogKeys,
}

/// Who may define loaders by command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoaderCommands {
    /// Nobody.
    Refused,
    /// Clients on the loopback interface or a Unix socket.
    Local,
    /// Every client that the ACL allows.
    Allowed,
}

/// Whether the log may name keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogKeys {
    /// It may not.
    Hidden,
    /// It may.
    Shown,
}

impl Settings {
    /// The settings of these raw values. Numbers outside a directive's range are taken as the nearest within.
    pub fn new(raw: &Raw) -> Settings {
        let number = |place: usize| {
            let (min, max) = TABLE[place].kind.range();
            raw.numbers[place].clamp(min, max)
        };
        let count = |place: usize| u32::try_from(number(place)).unwrap_or(u32::MAX);
        let ratio = |place: usize| f64::from(count(place)) / 100.0;
        let file = &raw.texts[FILE];
        Settings {
            file: (!file.is_empty()).then(|| PathBuf::from(file)),
            loader_commands: match number(ENABLE_LOADER_COMMANDS) {
                1 => LoaderCommands::Local,
                2 => LoaderCommands::Allowed,
                _ => LoaderCommands::Refused,
            },
            queue_length: count(QUEUE_LENGTH),
            max_tracked_keys: count(MAX_TRACKED_KEYS),
            max_memory: number(MAX_MEMORY).unsigned_abs(),
            slice: Duration::from_micros(number(SLICE_US).unsigned_abs()),
            main_thread_share: ratio(MAIN_THREAD_SHARE),
            pause_above_memory: ratio(PAUSE_ABOVE_MEMORY),
            threads: count(THREADS) as usize,
            log_keys: if number(LOG_KEYS) == 1 { LogKeys::Shown } else { LogKeys::Hidden },
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings::new(&Raw::default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_and_names_belong_together() {
        let places = [
            (FILE, "file"),
            (ENABLE_LOADER_COMMANDS, "enable-loader-commands"),
            (QUEUE_LENGTH, "queue-length"),
            (MAX_TRACKED_KEYS, "max-tracked-keys"),
            (MAX_MEMORY, "max-memory"),
            (SLICE_US, "slice-us"),
            (MAIN_THREAD_SHARE, "main-thread-share"),
            (PAUSE_ABOVE_MEMORY, "pause-above-memory"),
            (THREADS, "threads"),
            (LOG_KEYS, "log-keys"),
        ];
        assert_eq!(places.len(), COUNT);
        for (place, name) in places {
            assert_eq!(TABLE[place].name, name);
        }
    }

    #[test]
    fn every_number_says_what_goes_wrong_and_has_its_default_in_range() {
        for directive in &TABLE {
            let (min, max) = directive.kind.range();
            assert!((min..=max).contains(&directive.kind.default_number()), "{}", directive.name);
            let counted = matches!(directive.kind, Kind::Integer { .. } | Kind::Size { .. } | Kind::Percent { .. });
            assert_eq!(counted, !directive.too_small.is_empty(), "{}", directive.name);
            assert_eq!(counted, !directive.too_large.is_empty(), "{}", directive.name);
            assert!(!directive.does.is_empty());
        }
    }

    #[test]
    fn the_defaults_are_sensible() {
        let settings = Settings::default();
        assert_eq!(settings.file, None);
        assert_eq!(settings.loader_commands, LoaderCommands::Refused);
        assert_eq!(settings.slice, Duration::from_micros(100));
        assert_eq!(settings.main_thread_share, 0.2);
        assert_eq!(settings.pause_above_memory, 0.95);
        assert_eq!(settings.max_memory, 64 << 20);
        assert_eq!(settings.threads, 1);
        assert_eq!(settings.log_keys, LogKeys::Hidden);
    }

    #[test]
    fn sizes_are_written_as_redis_reads_them() {
        for (bytes, written) in [(64 << 20, "64mb"), (1 << 40, "1024gb"), (3 << 30, "3gb"), (1025, "1025"), (0, "0")] {
            assert_eq!(size_written(bytes), written);
        }
    }

    proptest! {
        #[test]
        fn no_raw_value_gives_invalid_settings(numbers in proptest::array::uniform10(any::<i64>())) {
            let settings = Settings::new(&Raw { numbers, ..Raw::default() });
            prop_assert!((1..=10_000_000).contains(&settings.queue_length));
            prop_assert!((8 << 20..=1 << 40).contains(&settings.max_memory));
            prop_assert!((20..=1000).contains(&settings.slice.as_micros()));
            prop_assert!((0.01..=0.9).contains(&settings.main_thread_share));
            prop_assert!((0.01..=1.0).contains(&settings.pause_above_memory));
            prop_assert!((1..=8).contains(&settings.threads));
        }
    }
}
