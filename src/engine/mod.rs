//! The engine: what is warmed, when, and what became of it. Pure rules; no clock, no I/O, no values, no `unsafe`.
//!
//! # The driving contract
//!
//! The engine does nothing by itself. Its owner feeds it inputs, each with the time at which it happened, and then asks
//! what to do. Decisions come back as data; the owner acts. The same inputs with the same
//! [`Settings::seed`] give the same outputs, in a server, in a test and in a replay.
//!
//! **Six inputs**, none of which does any work outside the engine:
//!
//! 1. *Demand*: [`open_job`](Engine::open_job), then any number of [`enqueue`](Engine::enqueue), then
//!    [`seal_job`](Engine::seal_job); or [`want`](Engine::want) for one key without a job;
//!    [`cancel_job`](Engine::cancel_job).
//! 2. *Definitions*: [`set_loaders`](Engine::set_loaders), [`configure`](Engine::configure).
//! 3. *Settlements*: [`settle`](Engine::settle), how the warming of one key ended.
//! 4. *Vitals*: [`set_vitals`](Engine::set_vitals), how the server is; [`pause`](Engine::pause) and
//!    [`resume`](Engine::resume), what its users want.
//! 5. *Upheavals*: [`flushed`](Engine::flushed), what the server lost.
//! 6. *Sightings*: [`see`](Engine::see), what happened to keys: reads, misses, writes, expiries.
//!
//! **Three outputs**:
//!
//! 1. *Orders*: [`poll`](Engine::poll) returns a [`Step`](orders::Step): an [`Order`](orders::Order) to carry out, an instant to ask again at,
//!    or that only an input can change anything.
//! 2. *Ended jobs*: [`ended_jobs`](Engine::ended_jobs), so that those who wait for them can be answered; and the keys to abandon, which
//!    [`cancel_job`](Engine::cancel_job) returns.
//! 3. *Views*: [`job`](Engine::job), [`jobs`](Engine::jobs), [`progress`](Engine::progress),
//!    [`queue_head`](Engine::queue_head), [`stats`](Engine::stats); they change nothing.
//!
//! **Rules for the owner**:
//!
//! * After any input, ask for orders until told to wait; then ask for ended jobs. When the instant of a
//!   [`Step::WaitUntil`](orders::Step::WaitUntil) has come, ask again.
//! * Every key of every order gets exactly one settlement: loaded, failed, or given up. An order whose keys are not all settled occupies
//!   its loader. A settlement that belongs to nothing is counted and otherwise ignored.
//! * An abandoned key is settled too, as [`DropReason::Cancelled`](settlement::DropReason::Cancelled) unless it was
//!   already on its way into the server. Given up teaches nothing about an origin.
//! * `now` never runs backwards; if it does, spans are zero.
//! * A loader's concurrency and rate are kept by its own lane. The engine paces orders by the same rate and keeps a
//!   little more than the concurrency on its way, so that keys wait here, where their order can still be changed.
//!
//! **What the engine promises**: a key is queued or ordered once, whoever wants it; every job ends if its owner seals it and settles its
//! orders; loaders take turns, so that a slow one delays no other; every structure is bounded by [`Settings`].
//!
//! ```
//! use redis_warm::engine::Engine;
//! use redis_warm::engine::key::{Db, Key};
//! use redis_warm::engine::orders::Step;
//! use redis_warm::engine::request::*;
//! use redis_warm::engine::settings::Settings;
//! use redis_warm::engine::settlement::{Settled, Settlement, Source};
//! use redis_warm::engine::time::Now;
//!
//! let (mut engine, now) = (Engine::new(Settings::default()), Now::default());
//! let loader = LoaderId(1);
//! engine.set_loaders(now, [LoaderRules { id: loader, concurrency: 32, rate: None, batch: 1, activity: Activity::Working }]);
//!
//! let job = JobId(1);
//! let spec = JobSpec { priority: Priority::default(), reason: Reason::Request, tag: None };
//! assert_eq!(engine.open_job(now, job, spec), redis_warm::engine::jobs::Opening::Opened);
//! let key = Key::new(Db(0), b"content:7");
//! engine.enqueue(now, job, [Request { key: key.clone(), loader, plan: Plan::MISSING }]);
//! engine.seal_job(now, job);
//!
//! let Step::Order(order) = engine.poll(now) else { panic!("an idle loader gets its order at once") };
//! let settled = Settled::Loaded { bytes: 1024, expires_at: None };
//! engine.settle(now, Settlement { source: Source::Order(order.id), key, loader, settled, attempts: 1 });
//! assert_eq!(engine.ended_jobs(), [job]);
//! assert_eq!(engine.poll(now), Step::Idle);
//! ```
//!
//! # The parts, in reading order
//!
//! The words: [`key`], [`time`], [`settings`], [`request`], [`settlement`]. The rules: `demand` (keys come in), `queue` and
//! `lane` (where they wait), [`orders`] (they leave), `outcome` (they are settled), [`jobs`], [`progress`], [`stats`], `views`.
//! Below them `keyed`, `chain`, `recent`, [`pace`] and `meter`. Beside the engine, for the main thread: [`flights`] (one
//! fetch per key, and its lease) and [`absent`] (what the origin does not have).
#![forbid(unsafe_code)]
// What clippy.toml lists is forbidden here only: clocks, sleeping, and tables whose order differs from run to run.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod absent;
mod chain;
pub mod demand;
pub mod flights;
mod foreseeing;
pub mod foresight;
pub mod jobs;
pub mod key;
mod keyed;
mod lane;
mod meter;
pub mod orders;
pub mod outcome;
pub mod pace;
pub mod pattern;
pub mod progress;
mod queue;
mod recent;
pub mod request;
pub mod routes;
pub mod settings;
pub mod settlement;
pub mod stats;
pub mod time;
pub mod views;

use std::collections::BTreeMap;

use foresight::Foresight;
use jobs::Jobs;
use lane::Lane;
use orders::Out;
use outcome::Vitals;
use progress::Settledness;
use queue::Entries;
use request::LoaderId;
use settings::Settings;
use settlement::OrderId;
use stats::{Demand, Tally};

/// The engine; see the [module's text](self) for how to drive it.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    entries: Entries,
    /// Entries that wait; the others are ordered.
    queued: usize,
    /// Wishes of a job for a key that another job wanted first: they take memory beyond the queue's.
    shared: usize,
    lanes: BTreeMap<LoaderId, Lane>,
    /// The loader whose order left last.
    turn: LoaderId,
    orders: BTreeMap<OrderId, Out>,
    last_order: u64,
    jobs: Jobs,
    settled: Settledness,
    vitals: Vitals,
    demand: Demand,
    warm: Tally,
    live: Tally,
    foresight: Foresight,
}

impl Engine {
    /// An engine that knows no loader and no key.
    pub fn new(settings: Settings) -> Self {
        Engine {
            entries: Entries::new(settings.seed),
            queued: 0,
            shared: 0,
            lanes: BTreeMap::new(),
            turn: LoaderId(0),
            orders: BTreeMap::new(),
            last_order: 0,
            jobs: Jobs::default(),
            settled: Settledness::new(settings.progress_keys, settings.seed.rotate_left(32)),
            vitals: Vitals::default(),
            demand: Demand::default(),
            warm: Tally::default(),
            live: Tally::default(),
            foresight: Foresight::new(&settings),
            settings,
        }
    }

    /// Changes the bounds. What is queued beyond a smaller bound stays until it is warmed; the seed is kept.
    pub fn configure(&mut self, settings: Settings) {
        self.settled.set_limit(settings.progress_keys);
        self.foresight.configure(&settings);
        self.settings = Settings { seed: self.settings.seed, ..settings };
    }
}

#[cfg(test)]
mod tests;
