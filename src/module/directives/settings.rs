//! What the directives say, in the units that the module works with.

use std::path::PathBuf;
use std::time::Duration;

use super::Raw;
use super::table::{
    ENABLE_LOADER_COMMANDS, EVICTION_HINTS, FILE, HOLDOUT_PERCENT, HORIZON, HOT_PERCENT, LOG_KEYS, MAIN_THREAD_SHARE,
    MAX_MEMORY, MAX_MEMORY_PERCENT, MAX_TRACKED_KEYS, PAUSE_ABOVE_MEMORY, PREDICT, QUEUE_LENGTH, REFRESH_AHEAD,
    SLICE_US, TABLE, THREADS, TRAIN_INTERVAL,
};
use crate::engine;
use crate::engine::foresight::mode::{Mode, RefreshAhead};

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
    /// How far foresight goes.
    pub predict: Mode,
    /// How far ahead demand is predicted; at least a second.
    pub horizon: Duration,
    /// The share of the tracked keys that is called hot; a ratio in 0.01..=0.5.
    pub hot_share: f64,
    /// How often a model is trained; at least a second.
    pub train_interval: Duration,
    /// Whether values are fetched again before they expire.
    pub refresh_ahead: RefreshAhead,
    /// Percent of the keys that are never warmed ahead; 0..=50.
    pub holdout_percent: u32,
    /// The share of `maxmemory` that the table of tracked keys may take; a ratio in 0.01..=0.9.
    pub tracked_share: f64,
    /// Whether the server is told which keys will be asked for.
    pub eviction_hints: EvictionHints,
    /// Whether the log may name keys.
    pub log_keys: LogKeys,
}

/// Whether the server is told which keys will be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvictionHints {
    /// It is not.
    Off,
    /// Where its policy can make use of it.
    Given,
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
        let span = |place: usize| Duration::from_secs(number(place).unsigned_abs());
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
            predict: match number(PREDICT) {
                0 => Mode::Off,
                1 => Mode::Observe,
                _ => Mode::On,
            },
            horizon: span(HORIZON),
            hot_share: ratio(HOT_PERCENT),
            train_interval: span(TRAIN_INTERVAL),
            refresh_ahead: if number(REFRESH_AHEAD) == 1 { RefreshAhead::On } else { RefreshAhead::Off },
            holdout_percent: count(HOLDOUT_PERCENT),
            tracked_share: ratio(MAX_MEMORY_PERCENT),
            eviction_hints: if number(EVICTION_HINTS) == 1 { EvictionHints::Given } else { EvictionHints::Off },
            log_keys: if number(LOG_KEYS) == 1 { LogKeys::Shown } else { LogKeys::Hidden },
        }
    }
}

impl Settings {
    /// What the engine is told, on a server with this `maxmemory` in bytes (`None`: no limit).
    pub fn engine(&self, seed: u64, memory_limit: Option<u64>) -> engine::settings::Settings {
        let tracked_bytes = memory_limit.map_or(u64::MAX, |limit| (limit as f64 * self.tracked_share) as u64);
        engine::settings::Settings {
            queue_length: self.queue_length,
            progress_keys: self.max_tracked_keys,
            pause_above_memory: self.pause_above_memory,
            job_ttl: Duration::from_secs(3600),
            predict: self.predict,
            refresh_ahead: self.refresh_ahead,
            tracked_keys: self.max_tracked_keys,
            tracked_bytes,
            horizon: self.horizon,
            hot_share: self.hot_share,
            train_interval: self.train_interval,
            holdout_percent: self.holdout_percent,
            seed,
            ..engine::settings::Settings::default()
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
        assert_eq!((settings.predict, settings.refresh_ahead), (Mode::On, RefreshAhead::On));
        assert_eq!(
            (settings.horizon, settings.train_interval),
            (Duration::from_secs(3600), Duration::from_secs(21_600))
        );
        assert_eq!((settings.hot_share, settings.holdout_percent, settings.tracked_share), (0.01, 5, 0.2));
        assert_eq!(settings.eviction_hints, EvictionHints::Given);
    }

    #[test]
    fn the_table_of_keys_is_bounded_by_maxmemory_if_there_is_one() {
        let settings = Settings::default();
        assert_eq!(settings.engine(7, None).tracked_bytes, u64::MAX);
        let engine = settings.engine(7, Some(100 << 20));
        assert_eq!((engine.tracked_bytes, engine.seed), (20 << 20, 7));
    }

    proptest! {
        #[test]
        fn no_raw_value_gives_invalid_settings(numbers in proptest::array::uniform18(any::<i64>())) {
            let settings = Settings::new(&Raw { numbers, ..Raw::default() });
            prop_assert!((1..=10_000_000).contains(&settings.queue_length));
            prop_assert!((8 << 20..=1 << 40).contains(&settings.max_memory));
            prop_assert!((20..=1000).contains(&settings.slice.as_micros()));
            prop_assert!((0.01..=0.9).contains(&settings.main_thread_share));
            prop_assert!((0.01..=1.0).contains(&settings.pause_above_memory));
            prop_assert!((1..=8).contains(&settings.threads));
            prop_assert!((0.01..=0.5).contains(&settings.hot_share));
            prop_assert!((1..=604_800).contains(&settings.horizon.as_secs()));
            prop_assert!((1..=2_592_000).contains(&settings.train_interval.as_secs()));
            prop_assert!((0..=50).contains(&settings.holdout_percent));
            prop_assert!((0.01..=0.9).contains(&settings.tracked_share));
        }
    }
}
