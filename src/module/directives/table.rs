//! The table of directives. A directive's place in it is its number everywhere else.

use super::{Change, Directive, Kind};

/// How many directives there are.
pub const COUNT: usize = 18;

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
        kind: Kind::Enum { words: &["no", "local", "yes"], default: 0 },
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
        does: "Keys whose demand is tracked (WARM.PREDICT), as many whose progress (WARM.PROGRESS) is remembered after \
               their load ended, and as many whose absence at the origin is remembered. A tracked key takes about 250 \
               bytes and its name, in the other tables about 130. Of the tracked keys those that are asked for least \
               give way first, of the others the longest-ended.",
        too_small: "keys that will be asked for are not known, WARM.PROGRESS answers not_scheduled for keys that were just \
                    loaded, and keys that the origin does not have are asked for again and again.",
        too_large: "memory is spent on keys nobody asks about, and each training and ranking takes longer.",
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
        name: "max-memory-percent",
        kind: Kind::Percent { min: 1, max: 90, default: 20 },
        change: Change::AnyTime,
        does: "The share of `maxmemory` that the table of tracked keys may take, if that is less than max-tracked-keys \
               allows. Without `maxmemory` it has no effect.",
        too_small: "on a small server few keys are tracked, and what will be asked for is not known.",
        too_large: "the table takes the room of the data that it is to keep warm.",
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
        name: "predict",
        kind: Kind::Enum { words: &["off", "observe", "on"], default: 2 },
        change: Change::AnyTime,
        does: "What is done with the demand that the server sees: nothing, it is not even watched (`off`); it is watched, \
               learned from and predicted, and the predictions are scored, but nothing is fetched by them (`observe`); \
               or values are also refreshed before they expire and keys fetched before they are asked for (`on`).",
        too_small: "",
        too_large: "",
    },
    Directive {
        name: "horizon",
        kind: Kind::Span { min: 1, max: 7 * 86_400, default: 3600 },
        change: Change::AnyTime,
        does: "How far ahead demand is predicted, and how long the windows are over which predictions are scored and from \
               which models learn. About the life of a typical value.",
        too_small: "counts of so short a time are mostly chance, and models are retrained on noise.",
        too_large: "a model needs several horizons of traffic before it can learn, and what is hot for minutes is missed.",
    },
    Directive {
        name: "hot-percent",
        kind: Kind::Percent { min: 1, max: 50, default: 1 },
        change: Change::AnyTime,
        does: "The share of the tracked keys that is called hot: `hot` in WARM.PREDICT is the probability that a key is \
               among them in the horizon.",
        too_small: "a key that misses the mark by little is called cold.",
        too_large: "hot says little: half of all keys are.",
    },
    Directive {
        name: "train-interval",
        kind: Kind::Span { min: 1, max: 30 * 86_400, default: 6 * 3600 },
        change: Change::AnyTime,
        does: "How often a model is trained, if enough was seen since. A training takes up to about two seconds of one core, \
               on a thread of low priority; WARM.MODEL TRAIN begins one at once.",
        too_small: "a core is busy with models that differ by chance only.",
        too_large: "the model follows changes of the traffic late.",
    },
    Directive {
        name: "refresh-ahead",
        kind: Kind::Bool { default: 1 },
        change: Change::AnyTime,
        does: "Whether values are fetched again shortly before they expire, where that is worth it. A loader's `REFRESH` \
               option says it for its keys. Only with `predict on`.",
        too_small: "",
        too_large: "",
    },
    Directive {
        name: "holdout-percent",
        kind: Kind::Percent { min: 0, max: 50, default: 5 },
        change: Change::AnyTime,
        does: "The share of the keys that is never fetched ahead, so that the gain in WARM.STATS is measured against keys \
               that were left alone. Which keys changes from day to day. 0: the gain is not measured.",
        too_small: "the gain is a figure of few keys, and mostly chance.",
        too_large: "keys that could have been warm are not.",
    },
    Directive {
        name: "eviction-hints",
        kind: Kind::Bool { default: 1 },
        change: Change::AnyTime,
        does: "Whether the server is told which keys will be asked for, so that it evicts others first: under an LFU \
               `maxmemory-policy` by the key's access counter, under an LRU one by its idle time. No effect under other \
               policies.",
        too_small: "",
        too_large: "",
    },
    Directive {
        name: "log-keys",
        kind: Kind::Bool { default: 0 },
        change: Change::AnyTime,
        does: "Whether lines in the server's log may name keys. Keys often hold names, addresses or session numbers of \
               people; leave it at `no` unless you are looking for a fault.",
        too_small: "",
        too_large: "",
    },
];

/// The place of `file`.
pub(super) const FILE: usize = 0;
/// The place of `enable-loader-commands`.
pub(super) const ENABLE_LOADER_COMMANDS: usize = 1;
/// The place of `queue-length`.
pub(super) const QUEUE_LENGTH: usize = 2;
/// The place of `max-tracked-keys`.
pub(super) const MAX_TRACKED_KEYS: usize = 3;
/// The place of `max-memory`.
pub(super) const MAX_MEMORY: usize = 4;
/// The place of `max-memory-percent`.
pub(super) const MAX_MEMORY_PERCENT: usize = 5;
/// The place of `slice-us`.
pub(super) const SLICE_US: usize = 6;
/// The place of `main-thread-share`.
pub(super) const MAIN_THREAD_SHARE: usize = 7;
/// The place of `pause-above-memory`.
pub(super) const PAUSE_ABOVE_MEMORY: usize = 8;
/// The place of `threads`.
pub(super) const THREADS: usize = 9;
/// The place of `predict`.
pub(super) const PREDICT: usize = 10;
/// The place of `horizon`.
pub(super) const HORIZON: usize = 11;
/// The place of `hot-percent`.
pub(super) const HOT_PERCENT: usize = 12;
/// The place of `train-interval`.
pub(super) const TRAIN_INTERVAL: usize = 13;
/// The place of `refresh-ahead`.
pub(super) const REFRESH_AHEAD: usize = 14;
/// The place of `holdout-percent`.
pub(super) const HOLDOUT_PERCENT: usize = 15;
/// The place of `eviction-hints`.
pub(super) const EVICTION_HINTS: usize = 16;
/// The place of `log-keys`.
pub(super) const LOG_KEYS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_names_belong_together() {
        let places = [
            (FILE, "file"),
            (ENABLE_LOADER_COMMANDS, "enable-loader-commands"),
            (QUEUE_LENGTH, "queue-length"),
            (MAX_TRACKED_KEYS, "max-tracked-keys"),
            (MAX_MEMORY, "max-memory"),
            (MAX_MEMORY_PERCENT, "max-memory-percent"),
            (SLICE_US, "slice-us"),
            (MAIN_THREAD_SHARE, "main-thread-share"),
            (PAUSE_ABOVE_MEMORY, "pause-above-memory"),
            (THREADS, "threads"),
            (PREDICT, "predict"),
            (HORIZON, "horizon"),
            (HOT_PERCENT, "hot-percent"),
            (TRAIN_INTERVAL, "train-interval"),
            (REFRESH_AHEAD, "refresh-ahead"),
            (HOLDOUT_PERCENT, "holdout-percent"),
            (EVICTION_HINTS, "eviction-hints"),
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
            let counted = matches!(
                directive.kind,
                Kind::Integer { .. } | Kind::Size { .. } | Kind::Percent { .. } | Kind::Span { .. }
            );
            assert_eq!(counted, !directive.too_small.is_empty(), "{}", directive.name);
            assert_eq!(counted, !directive.too_large.is_empty(), "{}", directive.name);
            assert!(!directive.does.is_empty());
        }
    }
}
