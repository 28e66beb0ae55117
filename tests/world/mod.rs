//! A small world around the engine: virtual time, scripted origins, a cache, and an owner that follows the driving
//! contract to the letter. It moves from event to event, so hours take milliseconds.
//!
//! It plays the main thread (leases in a flight table, writes to the cache, settlements) and each loader's lane
//! (at most `concurrency` requests at a time, the rest in line). It checks as it goes that every key of every order is
//! settled once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use redis_warm::engine::Engine;
use redis_warm::engine::flights::{Abandoned, Begun, Flights, Owner, Token, Void};
use redis_warm::engine::jobs::{JobStatus, Opening};
use redis_warm::engine::key::{Db, Key};
use redis_warm::engine::orders::{Order, Step};
use redis_warm::engine::progress::Scope;
use redis_warm::engine::request::Mode;
use redis_warm::engine::request::{Activity, JobId, JobSpec, LoaderId, LoaderRules, Plan, Priority, Reason, Request};
use redis_warm::engine::settings::Settings;
use redis_warm::engine::settlement::{DropReason, OrderId, Settled, Settlement, Source};
use redis_warm::engine::time::{Instant, Now, Wall};

/// When the world begins, in Unix milliseconds.
const BEGINNING: u64 = 1_700_000_000_000;

/// What an origin does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// How long it takes.
    pub(crate) latency: Duration,
    /// Whether it answers.
    pub(crate) health: Health,
    /// Names that it does not have.
    pub(crate) lacks: BTreeSet<Vec<u8>>,
}

/// Whether an origin answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    Up,
    /// Every request fails.
    Down,
}

impl Origin {
    pub(crate) fn new(latency: Duration) -> Self {
        Origin { latency, health: Health::Up, lacks: BTreeSet::new() }
    }
}

/// A request that a lane is to make, or makes.
#[derive(Debug)]
struct Fetch {
    order: OrderId,
    keys: Vec<(Key, Token)>,
}

#[derive(Debug)]
struct Lane {
    rules: LoaderRules,
    origin: Origin,
    line: VecDeque<Fetch>,
    busy: u32,
}

/// See the module's text.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    /// When which order left, with how many keys.
    pub(crate) departures: Vec<(Instant, LoaderId, usize)>,
    /// The keys that the cache holds.
    pub(crate) cache: BTreeSet<Key>,
    /// How often each key was asked for at an origin.
    pub(crate) asked: BTreeMap<Key, u32>,
    /// Jobs that the engine reported as ended, in order.
    pub(crate) ended: Vec<JobId>,
    /// The most requests that any lane made at one time.
    pub(crate) busiest: u32,
    flights: Flights<()>,
    lanes: BTreeMap<LoaderId, Lane>,
    landings: BTreeMap<(Instant, u64), (LoaderId, Fetch)>,
    owed: BTreeSet<(OrderId, Key)>,
    serial: u64,
    last_job: u64,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        World {
            flights: Flights::new(100_000, 0, settings.seed),
            engine: Engine::new(settings),
            now: Now { mono: Instant::default(), wall: Wall::from_millis(BEGINNING) },
            departures: Vec::new(),
            cache: BTreeSet::new(),
            asked: BTreeMap::new(),
            ended: Vec::new(),
            busiest: 0,
            lanes: BTreeMap::new(),
            landings: BTreeMap::new(),
            owed: BTreeSet::new(),
            serial: 0,
            last_job: 0,
        }
    }

    /// Defines a loader, or changes its rules; its origin is replaced.
    pub(crate) fn loader(&mut self, rules: LoaderRules, origin: Origin) {
        match self.lanes.get_mut(&rules.id) {
            Some(lane) => (lane.rules, lane.origin) = (rules, origin),
            None => {
                let lane = Lane { rules, origin, line: VecDeque::new(), busy: 0 };
                self.lanes.insert(lane.rules.id, lane);
            }
        }
        self.engine.set_loaders(self.now, self.lanes.values().map(|lane| lane.rules.clone()));
        self.obey();
    }

    pub(crate) fn origin(&mut self, loader: LoaderId) -> &mut Origin {
        &mut self.lanes.get_mut(&loader).expect("a defined loader").origin
    }

    /// Pauses or wakes a loader.
    pub(crate) fn set_activity(&mut self, loader: LoaderId, activity: Activity) {
        let lane = &self.lanes[&loader];
        self.loader(LoaderRules { activity, ..lane.rules.clone() }, lane.origin.clone());
    }

    /// Opens a job; keys come with [`World::fill`].
    pub(crate) fn open(&mut self, priority: u16) -> JobId {
        self.last_job += 1;
        let job = JobId(self.last_job);
        let priority = Priority::new(priority).expect("at most 1000");
        let opening = self.engine.open_job(self.now, job, JobSpec { priority, reason: Reason::Request, tag: None });
        assert_eq!(opening, Opening::Opened);
        job
    }

    /// Adds a slice of keys to a job; returns how many were accepted.
    pub(crate) fn fill(
        &mut self,
        job: JobId,
        loader: LoaderId,
        names: impl IntoIterator<Item = u32>,
        plan: Plan,
    ) -> usize {
        let requests: Vec<_> = names.into_iter().map(|n| Request { key: key(n), loader, plan }).collect();
        let accepted = self.engine.enqueue(self.now, job, requests).accepted;
        self.obey();
        accepted
    }

    pub(crate) fn seal(&mut self, job: JobId) {
        self.engine.seal_job(self.now, job);
        self.obey();
    }

    /// A whole job of missing keys.
    pub(crate) fn job(&mut self, loader: LoaderId, names: impl IntoIterator<Item = u32>) -> JobId {
        let job = self.open(100);
        self.fill(job, loader, names, Plan::MISSING);
        self.seal(job);
        job
    }

    /// Cancels a job and abandons what only it wanted; returns how many keys were dropped.
    pub(crate) fn cancel(&mut self, job: JobId) -> usize {
        let cancelled = self.engine.cancel_job(self.now, job).expect("a running job");
        for (order, key) in &cancelled.abandon {
            assert_eq!(self.flights.abandon(key.db(), key.name(), *order), Abandoned::Void);
        }
        self.obey();
        cancelled.dropped
    }

    pub(crate) fn status(&self, job: JobId) -> JobStatus {
        self.engine.job(self.now, job).expect("a known job")
    }

    /// A client writes a key.
    pub(crate) fn write(&mut self, n: u32) {
        self.flights.void(Db(0), key(n).name(), Void::Written);
        self.cache.insert(key(n));
    }

    /// FLUSHALL.
    pub(crate) fn flush(&mut self) {
        self.cache.clear();
        self.flights.void_all(Scope::All);
        self.engine.flushed(Scope::All);
        self.obey();
    }

    /// Lets time pass until `done`, at most for `limit`; says whether it came to that.
    pub(crate) fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&World) -> bool) -> bool {
        let end = self.now.mono.after(limit);
        loop {
            let wake = self.obey();
            if done(self) {
                return true;
            }
            let landing = self.landings.first_key_value().map(|(&(at, _), _)| at);
            let next = wake.into_iter().chain(landing).min().unwrap_or(end).min(end);
            self.advance(next);
            if next == end && landing != Some(end) {
                self.obey();
                return done(self);
            }
            self.land();
        }
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Lets time pass until a job ends.
    pub(crate) fn finish(&mut self, job: JobId, limit: Duration) -> JobStatus {
        assert!(self.run_until(limit, |world| world.ended.contains(&job)), "{:?}", self.status(job));
        self.status(job)
    }

    /// That nothing is owed, in flight or waiting.
    pub(crate) fn assert_at_rest(&self) {
        assert!(self.owed.is_empty() && self.flights.is_empty() && self.landings.is_empty());
        let stats = self.engine.stats();
        assert_eq!((stats.queued, stats.warming, stats.orders_out, stats.demand.stray), (0, 0, 0, 0));
    }

    /// Carries out orders until told to wait; returns until when.
    fn obey(&mut self) -> Option<Instant> {
        let wake = loop {
            match self.engine.poll(self.now) {
                Step::Order(order) => self.carry_out(order),
                Step::WaitUntil(at) => {
                    assert!(at > self.now.mono, "it waits for the future");
                    break Some(at);
                }
                Step::Idle => break None,
            }
        };
        self.ended.extend(self.engine.ended_jobs());
        wake
    }

    fn carry_out(&mut self, order: Order) {
        self.departures.push((self.now.mono, order.loader, order.keys.len()));
        let mut keys = Vec::new();
        for wanted in order.keys {
            assert!(self.owed.insert((order.id, wanted.key.clone())));
            if wanted.plan.mode == Mode::Missing && self.cache.contains(&wanted.key) {
                self.settle(order.id, order.loader, wanted.key, Settled::Fresh);
                continue;
            }
            match self.flights.begin(wanted.key.clone(), Owner::Loader { fetch: order.id.0.get() }) {
                Begun::Started(token) => {
                    assert!(self.flights.join_order(wanted.key.db(), wanted.key.name(), order.id));
                    keys.push((wanted.key, token));
                }
                other => panic!("the engine orders a key once at a time: {other:?}"),
            }
        }
        if !keys.is_empty() {
            let lane = self.lanes.get_mut(&order.loader).expect("orders are for defined loaders");
            lane.line.push_back(Fetch { order: order.id, keys });
            self.start(order.loader);
        }
    }

    /// Starts what the lane's concurrency allows.
    fn start(&mut self, loader: LoaderId) {
        let lane = self.lanes.get_mut(&loader).expect("a defined loader");
        while lane.busy < lane.rules.concurrency
            && let Some(fetch) = lane.line.pop_front()
        {
            lane.busy += 1;
            self.busiest = self.busiest.max(lane.busy);
            fetch.keys.iter().for_each(|(key, _)| *self.asked.entry(key.clone()).or_default() += 1);
            self.serial += 1;
            self.landings.insert((self.now.mono.after(lane.origin.latency), self.serial), (loader, fetch));
        }
    }

    /// Ends the requests whose time has come.
    fn land(&mut self) {
        while let Some(entry) = self.landings.first_entry().filter(|entry| entry.key().0 <= self.now.mono) {
            let (loader, fetch) = entry.remove();
            let lane = self.lanes.get_mut(&loader).expect("a defined loader");
            lane.busy -= 1;
            let origin = lane.origin.clone();
            for (key, token) in fetch.keys {
                let landed = self.flights.land(key.db(), key.name(), token).expect("a flight lands once");
                let settled = match landed.state.voided {
                    Some(Void::Abandoned) => Settled::Dropped(DropReason::Cancelled),
                    Some(Void::Flushed) => Settled::Dropped(DropReason::Flushed),
                    Some(Void::Written | Void::Outdated) => Settled::Dropped(DropReason::Superseded),
                    None if origin.health == Health::Down => Settled::failed("connection refused"),
                    None if origin.lacks.contains(key.name()) => Settled::Absent,
                    None => {
                        self.cache.insert(key.clone());
                        let expires_at = Some(self.now.wall.after(Duration::from_secs(3600)));
                        Settled::Loaded { bytes: 1024, expires_at }
                    }
                };
                self.settle(fetch.order, loader, key, settled);
            }
            self.start(loader);
        }
    }

    fn settle(&mut self, order: OrderId, loader: LoaderId, key: Key, settled: Settled) {
        assert!(self.owed.remove(&(order, key.clone())), "a key of an order is settled once");
        self.engine.settle(self.now, Settlement { source: Source::Order(order), key, loader, settled, attempts: 1 });
    }

    fn advance(&mut self, to: Instant) {
        self.now.mono = self.now.mono.max(to);
        self.now.wall = Wall::from_millis(BEGINNING + self.now.mono.as_micros() / 1000);
    }
}

/// The key number `n`.
pub(crate) fn key(n: u32) -> Key {
    Key::new(Db(0), format!("content:{n}").as_bytes())
}
