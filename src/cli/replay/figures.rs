//! What a replay found, as one object: JSON for scripts, and what the text for people (`explained`) is made of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::classes;
use super::policies::Choice;
use super::setting::{Room, Setting};
use super::tally::{Share, Tally};
use super::trace::Trace;

/// The findings of a run.
#[derive(Serialize, Debug)]
pub(crate) struct Findings {
    /// What was assumed.
    pub(crate) settings: Settings,
    /// Demand fill with LRU in the same room: what load and misses cut are relative to.
    pub(crate) baseline: Figures,
    /// In the order in which they were asked for.
    pub(crate) policies: Vec<Figures>,
}

/// What was assumed, with everything that was left to a default.
#[derive(Serialize, Debug)]
pub(crate) struct Settings {
    /// In the trace.
    pub(crate) requests: usize,
    /// In the trace.
    pub(crate) distinct_keys: usize,
    /// Of the trace's first request.
    pub(crate) first_ms: u64,
    /// Of the trace's last request.
    pub(crate) last_ms: u64,
    /// Times count requests.
    pub(crate) order_only: bool,
    /// Rows that had to be sorted.
    pub(crate) out_of_order: u64,
    /// A copy's life.
    pub(crate) ttl_ms: u64,
    /// How many keys fit; null: no such limit.
    pub(crate) capacity_keys: Option<u64>,
    /// How many bytes fit; null: no such limit.
    pub(crate) capacity_bytes: Option<u64>,
    /// Allowed load.
    pub(crate) budget: f64,
    /// How far predictions look.
    pub(crate) window_ms: u64,
    /// The first request that nothing may be chosen or trained on.
    pub(crate) train_until: usize,
    /// The first request that is tallied.
    pub(crate) report_from: usize,
    /// The share of keys that counts as popular, in percent.
    pub(crate) hot_percent: f64,
    /// Of what draws random numbers.
    pub(crate) seed: u64,
}

/// What one policy did over the reported part.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Figures {
    /// Its name.
    pub(crate) policy: String,
    /// What it does.
    #[serde(skip)]
    pub(crate) meaning: &'static str,
    /// What was chosen for it, if anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// All requests, and those that hit.
    #[serde(flatten)]
    pub(crate) overall: Ratio,
    /// The same for each class.
    pub(crate) by_class: BTreeMap<&'static str, Ratio>,
    /// The share of demand fill's misses that are none here; null if it had none.
    pub(crate) misses_cut: Option<f64>,
    /// Why requests missed; not for those that know the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) misses: Option<Misses>,
    /// What it cost.
    pub(crate) origin: Cost,
    /// The policy's speed over the whole trace.
    pub(crate) requests_per_second: f64,
}

/// Hits of requests.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ratio {
    /// All.
    pub(crate) requests: u64,
    /// From the cache.
    pub(crate) hits: u64,
    /// In 0..=1; null for no requests.
    pub(crate) hit_ratio: Option<f64>,
}

/// Misses by what would have helped.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Misses {
    /// Nobody had asked before.
    pub(crate) first_ever: u64,
    /// The copy had to leave while it was fresh.
    pub(crate) evicted: u64,
    /// The copy ran out less than a TTL ago.
    pub(crate) expired_recently: u64,
    /// The copy ran out longer ago.
    pub(crate) expired_long_ago: u64,
}

/// Requests to the origin.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Cost {
    /// For misses.
    pub(crate) demand: u64,
    /// To replace what ran out.
    pub(crate) refresh: u64,
    /// For what was absent.
    pub(crate) warm: u64,
    /// All three.
    pub(crate) total: u64,
    /// Refreshed or warmed copies that ended unread.
    pub(crate) wasted: u64,
    /// Total as a multiple of the baseline's; null if that made none.
    pub(crate) load: Option<f64>,
    /// Load is not above the budget.
    pub(crate) within_budget: bool,
    /// Refreshed copies that were read, of those whose fate is known; null for none.
    pub(crate) useful_share: Option<f64>,
    /// The same for warmed copies.
    pub(crate) warm_useful_share: Option<f64>,
}

impl Findings {
    /// Of a run without policies so far.
    pub(crate) fn new(trace: &Trace, setting: &Setting, baseline: &Tally) -> Self {
        let baseline = Figures::new(Choice::Lru, None, baseline, baseline, setting.budget);
        Findings { settings: Settings::new(trace, setting), baseline, policies: Vec::new() }
    }

    /// As one line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("plain fields with names as keys can always be written")
    }
}

impl Settings {
    fn new(trace: &Trace, setting: &Setting) -> Self {
        let (first_ms, last_ms) = trace.span();
        let (capacity_keys, capacity_bytes) = match setting.room {
            Room::Unlimited => (None, None),
            Room::Keys(keys) => (Some(keys), None),
            Room::Bytes(bytes) => (None, Some(bytes)),
        };
        Settings {
            requests: trace.len(),
            distinct_keys: trace.distinct(),
            first_ms,
            last_ms,
            order_only: trace.is_order_only(),
            out_of_order: trace.disordered,
            ttl_ms: setting.ttl_ms,
            capacity_keys,
            capacity_bytes,
            budget: setting.budget,
            window_ms: setting.window_ms,
            train_until: setting.train_until,
            report_from: setting.report_from,
            hot_percent: setting.hot_share * 100.0,
            seed: setting.seed,
        }
    }
}

impl Figures {
    /// What a policy's tally says beside the baseline's.
    pub(crate) fn new(choice: Choice, note: Option<String>, tally: &Tally, baseline: &Tally, budget: f64) -> Self {
        let (misses, misses_before) = (tally.misses, baseline.misses.total());
        let decomposed = Misses {
            first_ever: misses.first_ever,
            evicted: misses.evicted,
            expired_recently: misses.expired_recently,
            expired_long_ago: misses.expired_long_ago,
        };
        Figures {
            policy: choice.to_string(),
            meaning: choice.meaning(),
            note,
            overall: Ratio::from(tally.overall()),
            by_class: classes::NAMES.iter().copied().zip(tally.classes.iter().copied().map(Ratio::from)).collect(),
            misses_cut: (misses_before > 0).then(|| 1.0 - misses.total() as f64 / misses_before as f64),
            misses: (!choice.is_bound()).then_some(decomposed),
            origin: Cost::new(tally, baseline, budget),
            requests_per_second: tally.speed.round(),
        }
    }
}

impl Cost {
    fn new(tally: &Tally, baseline: &Tally, budget: f64) -> Self {
        let (origin, load) = (tally.origin, tally.load(baseline));
        let useful = |read: u64, wasted: u64| Share { requests: read + wasted, hits: read }.ratio();
        Cost {
            demand: origin.demand,
            refresh: origin.refresh,
            warm: origin.warm,
            total: origin.total(),
            wasted: origin.wasted(),
            load,
            within_budget: load.is_none_or(|load| load <= budget),
            useful_share: useful(origin.refresh_read, origin.refresh_wasted),
            warm_useful_share: useful(origin.warm_read, origin.warm_wasted),
        }
    }
}

impl From<Share> for Ratio {
    fn from(share: Share) -> Self {
        Ratio { requests: share.requests, hits: share.hits, hit_ratio: share.ratio() }
    }
}
