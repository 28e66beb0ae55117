//! The engine's foresight on virtual time: what it is shown, when it is woken, and when it learns.
//!
//! It is woken at every instant that it asks for, between the requests, so that decisions fall where they would on a server. What
//! a server teaches on another thread is learned here at once, until the moment that training ends.

use std::time::Duration;

use crate::engine::foresight::Foresight;
use crate::engine::foresight::lessons::Occasion;
use crate::engine::foresight::mode::{Clients, Mode};
use crate::engine::foresight::seen::{Seen, What};
use crate::engine::foresight::supply::{Refresh, Supply};
use crate::engine::key::Db;
use crate::engine::pattern::Pattern;
use crate::engine::request::LoaderId;
use crate::engine::settings::Settings;
use crate::engine::time::{Instant, Now, Wall};

use super::setting::Setting;
use super::trace::{Request, Trace};

/// The database of all keys.
pub(super) const DB: Db = Db(0);

/// Lessons in the part of the trace that may teach.
const LESSONS: u32 = 12;

/// See the module's text.
pub(super) struct Driven<'a> {
    /// The foresight.
    pub(super) foresight: Foresight,
    trace: &'a Trace,
    setting: &'a Setting,
    /// The next round; decisions are asked for apart.
    round_at: Instant,
    /// When training ends, in milliseconds.
    train_until_ms: u64,
}

/// Whether it learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Learning {
    /// Until the moment that the setting says.
    On,
    /// Never.
    Off,
}

impl<'a> Driven<'a> {
    /// Foresight that has seen nothing, over a trace.
    pub(super) fn new(trace: &'a Trace, setting: &'a Setting, mode: Mode, learning: Learning) -> Self {
        let (first_ms, last_ms) = trace.span();
        let train_until_ms = match learning {
            Learning::On => trace.times.get(setting.train_until).copied().unwrap_or(last_ms),
            Learning::Off => first_ms,
        };
        let settings = Settings {
            predict: mode,
            tracked_keys: setting.tracked_keys,
            tracked_bytes: u64::MAX,
            horizon: Duration::from_millis(setting.window_ms),
            hot_share: setting.hot_share,
            train_interval: Duration::from_millis(train_until_ms - first_ms) / LESSONS,
            holdout_percent: 0,
            origin_budget: setting.budget,
            clients: Clients::Users,
            seed: setting.seed,
            ..Settings::default()
        };
        let mut foresight = Foresight::new(&settings);
        let everything = Pattern::parse(b"{key}").expect("a pattern of one capture");
        let supply = Supply {
            loader: LoaderId(1),
            pattern: everything,
            ttl: Duration::from_millis(setting.ttl_ms),
            cost: 1.0,
            refresh: Refresh::Auto,
            lead: Duration::ZERO,
        };
        foresight.set_supplies(now_at(first_ms), vec![supply]);
        Driven { foresight, trace, setting, round_at: instant(first_ms), train_until_ms }
    }

    /// The next instant at or before `until_ms` at which there is something to do, in milliseconds.
    pub(super) fn next(&self, until_ms: u64) -> Option<u64> {
        let next = self.foresight.next_decision().map_or(self.round_at, |at| at.min(self.round_at));
        (next <= instant(until_ms)).then(|| next.as_micros() / 1000)
    }

    /// Wakes it at an instant that it asked for, and lets it learn if it is time.
    pub(super) fn wake(&mut self, at_ms: u64) {
        let now = now_at(at_ms);
        if let Some(next) = self.foresight.turn(now, usize::MAX)
            && instant(at_ms) >= self.round_at
        {
            // A decision that comes earlier is asked for apart; a round is never sooner than the next millisecond.
            self.round_at = self.foresight.next_round().unwrap_or(next).max(instant(at_ms + 1));
            self.learn(now);
        }
    }

    /// Shows it a request.
    pub(super) fn see(&mut self, request: &Request) {
        let what = What::Read { count: 1, client: request.user.map(u64::from) };
        self.tell(request.ts_ms, request.key, what);
    }

    /// Tells it that something happened to a key.
    pub(super) fn tell(&mut self, at_ms: u64, key: u32, what: What<'_>) {
        self.foresight.see(now_at(at_ms), Seen { db: DB, name: self.trace.names.name(key), what });
    }

    /// When a copy fetched now runs out.
    pub(super) fn expiry(&self, at_ms: u64) -> Wall {
        Wall::from_millis(at_ms.saturating_add(self.setting.ttl_ms))
    }

    fn learn(&mut self, now: Now) {
        if now.wall.as_millis() >= self.train_until_ms {
            return;
        }
        if let Some(lesson) = self.foresight.lesson(now, Occasion::Due) {
            self.foresight.learned(now, lesson.learn(), Duration::ZERO);
        }
    }
}

/// Both clocks at a time of the trace.
pub(super) fn now_at(ms: u64) -> Now {
    Now { mono: instant(ms), wall: Wall::from_millis(ms) }
}

fn instant(ms: u64) -> Instant {
    Instant::from_micros(ms.saturating_mul(1000))
}
