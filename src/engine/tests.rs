//! Laws of the whole engine: any sequence of inputs leaves it consistent, and every job ends.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::demand::{Accepted, Admission};
use super::jobs::{JobFilter, JobState, Opening};
use super::key::{Db, Key};
use super::orders::{Order, Step};
use super::outcome::Role;
use super::progress::{Scope, Status};
use super::request::*;
use super::settlement::{DropReason, Settled, Settlement, Source};
use super::stats::Held;
use super::time::{Instant, Now, Wall};
use super::*;

impl Engine {
    /// Checks that every index, count and chain agrees with the entries.
    fn validate(&self) {
        self.entries.validate();
        let waiting: usize = self.lanes.values().map(|lane| lane.waiting.len()).sum();
        assert_eq!(waiting, self.queued);
        for (id, lane) in &self.lanes {
            let mut last = Priority::MAX;
            assert_eq!(lane.waiting.iter(&self.entries).count(), lane.waiting.len());
            for slot in lane.waiting.iter(&self.entries) {
                let entry = self.entries.at(slot);
                assert!(entry.order.is_none() && entry.loader == *id && entry.priority <= last);
                last = entry.priority;
            }
            let out = self.orders.values().filter(|out| out.loader == *id).count();
            assert_eq!(lane.outstanding as usize, out);
        }
        let mut ordered: BTreeMap<OrderId, usize> = BTreeMap::new();
        let mut jobs: BTreeMap<JobId, (u64, u64)> = self.jobs.validate().into_keys().map(|id| (id, (0, 0))).collect();
        let mut shared = 0;
        for (_, _, entry) in self.entries.iter() {
            entry.order.into_iter().for_each(|order| *ordered.entry(order).or_default() += 1);
            shared += entry.wanted.jobs().len().saturating_sub(1);
            for job in entry.wanted.jobs() {
                let (pending, warming) = jobs.get_mut(job).expect("a wanting job exists");
                *(if entry.order.is_some() { warming } else { pending }) += 1;
            }
            if entry.order.is_none() {
                assert!(!entry.wanted.is_nobody(), "what waits is wanted");
            }
        }
        assert_eq!(shared, self.shared);
        assert_eq!(ordered, self.orders.iter().map(|(&id, out)| (id, out.left)).collect());
        assert_eq!(jobs, self.jobs.validate());
    }
}

fn now(micros: u64) -> Now {
    Now { mono: Instant::from_micros(micros), wall: Wall::from_millis(1_000 + micros / 1000) }
}

fn key(k: u8) -> Key {
    Key::new(Db(u32::from(k % 2)), &[b'k', k])
}

fn loader(id: u32, batch: u32) -> LoaderRules {
    LoaderRules { id: LoaderId(id), concurrency: 2, rate: None, batch, activity: Activity::Working }
}

fn spec(priority: u16) -> JobSpec {
    JobSpec { priority: Priority::new(priority).unwrap(), reason: Reason::Request, tag: None }
}

fn request(k: u8, plan: Plan) -> Request {
    Request { key: key(k), loader: LoaderId(u32::from(k % 3)), plan }
}

fn engine() -> Engine {
    let settings =
        Settings { queue_length: 12, progress_keys: 6, jobs_running: 4, jobs_kept: 3, ..Settings::default() };
    let mut engine = Engine::new(settings);
    engine.set_loaders(now(0), [loader(0, 1), loader(1, 4)]);
    engine
}

fn opened(engine: &mut Engine, id: u64, priority: u16) -> JobId {
    assert_eq!(engine.open_job(now(0), JobId(id), spec(priority)), Opening::Opened);
    JobId(id)
}

fn order(engine: &mut Engine, at: Now) -> Order {
    match engine.poll(at) {
        Step::Order(order) => order,
        other => panic!("{other:?}"),
    }
}

fn settle(engine: &mut Engine, at: Now, order: &Order, settled: &Settled) {
    for key in &order.keys {
        let (source, key, loader) = (Source::Order(order.id), key.key.clone(), order.loader);
        engine.settle(at, Settlement { source, key, loader, settled: settled.clone(), attempts: 1 });
    }
}

const LOADED: Settled = Settled::Loaded { bytes: 10, expires_at: None };

#[test]
fn a_forced_key_is_ordered_again_if_its_first_order_found_it_fresh() {
    let mut engine = engine();
    let (first, second) = (opened(&mut engine, 1, 100), opened(&mut engine, 2, 100));
    engine.enqueue(now(0), first, [request(0, Plan::MISSING)]);
    let early = order(&mut engine, now(1));
    engine.enqueue(now(2), second, [request(0, Plan::FORCE)]);
    settle(&mut engine, now(3), &early, &Settled::Fresh);
    let late = order(&mut engine, now(4));
    assert_eq!((&late.keys[0].key, late.keys[0].plan.mode), (&key(0), Mode::Force));
    settle(&mut engine, now(5), &late, &LOADED);
    for job in [first, second] {
        engine.seal_job(now(6), job);
        assert_eq!(engine.job(now(6), job).unwrap().counts.completed, 1);
    }
    engine.validate();
}

#[test]
fn a_key_wanted_again_after_it_was_abandoned_is_ordered_again() {
    let mut engine = engine();
    let first = opened(&mut engine, 1, 100);
    engine.enqueue(now(0), first, [request(0, Plan::MISSING)]);
    let early = order(&mut engine, now(1));
    let cancelled = engine.cancel_job(now(2), first).unwrap();
    assert_eq!(cancelled.abandon, [(early.id, key(0))]);
    let second = opened(&mut engine, 2, 100);
    engine.enqueue(now(3), second, [request(0, Plan::MISSING)]);
    engine.seal_job(now(3), second);
    settle(&mut engine, now(4), &early, &Settled::Dropped(DropReason::Cancelled));
    let late = order(&mut engine, now(5));
    settle(&mut engine, now(6), &late, &LOADED);
    assert_eq!(engine.job(now(6), first).unwrap().counts.dropped, 1);
    assert_eq!(engine.job(now(6), second).unwrap().counts.completed, 1);
    assert_eq!(engine.ended_jobs(), [first, second]);
}

#[test]
fn a_live_load_satisfies_what_waits_unless_more_was_asked() {
    let mut engine = engine();
    engine.pause();
    let job = opened(&mut engine, 1, 100);
    let own_life = Plan { ttl: Some(Duration::from_secs(9)), ..Plan::FORCE };
    engine.enqueue(now(0), job, [request(0, Plan::MISSING), request(1, own_life), request(3, Plan::MISSING)]);
    let live = |k: u8, settled: Settled| {
        let loader = LoaderId(u32::from(k % 3));
        Settlement { source: Source::Live, key: key(k), loader, settled, attempts: 1 }
    };
    engine.settle(now(1), live(0, LOADED));
    engine.settle(now(1), live(1, LOADED));
    engine.settle(now(1), live(3, Settled::failed("no")));
    engine.settle(now(1), live(4, Settled::Absent));
    let counts = engine.job(now(2), job).unwrap().counts;
    assert_eq!((counts.completed, counts.pending), (1, 2));
    assert_eq!(engine.progress(&key(1)).status, Status::Pending);
    let absent = engine.progress(&key(4));
    assert_eq!((absent.status, absent.error.as_deref()), (Status::Dropped, Some("the origin has no such key")));
    engine.validate();
}

#[test]
fn the_queue_is_full_at_its_length_and_joining_still_works() {
    let mut engine = engine();
    engine.pause();
    let (first, second) = (opened(&mut engine, 1, 100), opened(&mut engine, 2, 900));
    let keys = |from: u8| (from..from + 14).map(|k| Request { loader: LoaderId(0), ..request(k, Plan::MISSING) });
    let accepted = engine.enqueue(now(0), first, keys(0));
    assert_eq!(accepted, Accepted { accepted: 12, rejected: 2, ..Accepted::default() });
    let accepted = engine.enqueue(now(0), second, keys(10));
    assert_eq!(accepted, Accepted { accepted: 2, joined: 2, rejected: 12, ..Accepted::default() });
    assert_eq!(engine.enqueue(now(0), second, [request(11, Plan::MISSING)]).repeated, 1);
    let head: Vec<_> = engine.queue_head(3).into_iter().map(|entry| entry.key).collect();
    assert_eq!(head, [key(10), key(11), key(0)], "joining raises the priority");
    assert_eq!(engine.want(now(0), request(99, Plan::MISSING), Priority::MAX, Reason::Event), Admission::Rejected);
    assert_eq!(engine.job(now(0), second).unwrap().counts.rejected, 12);
    engine.validate();
}

#[test]
fn ended_jobs_are_kept_to_a_number_and_a_time() {
    let mut engine = engine();
    for id in 1..=6 {
        let job = opened(&mut engine, id, 100);
        engine.seal_job(now(id), job);
    }
    let kept =
        |engine: &Engine, at| engine.jobs(at, JobFilter::Any, 10).into_iter().map(|j| j.job.0).collect::<Vec<_>>();
    opened(&mut engine, 7, 1);
    assert_eq!(kept(&engine, now(10)), [7, 6, 5, 4]);
    assert_eq!(engine.jobs(now(10), JobFilter::In(JobState::Done), 2).len(), 2);
    assert_eq!(kept(&engine, now(3_600_000_004)), [7, 6, 5], "one is an hour old");
    for id in 8..=10 {
        opened(&mut engine, id, 1);
    }
    assert_eq!(engine.open_job(now(11), JobId(11), spec(1)), Opening::Refused);
    assert_eq!(engine.ended_jobs().len(), 6);
}

#[test]
fn errors_are_gathered_by_message_and_bounded() {
    let mut engine = engine();
    let job = opened(&mut engine, 1, 100);
    for k in 0..12u8 {
        engine.enqueue(now(0), job, [Request { loader: LoaderId(0), ..request(k, Plan::MISSING) }]);
        let order = order(&mut engine, now(1));
        let message = if k < 3 { "the same".to_owned() } else { format!("ü{}", "x".repeat(300 + usize::from(k))) };
        let settled = Settled::Failed { message: format!("{k:02}{message}")[if k < 3 { 2 } else { 0 }..].into() };
        settle(&mut engine, now(2), &order, &settled);
    }
    let status = engine.job(now(3), job).unwrap();
    assert_eq!((status.errors.len(), status.errors[0].count, status.other_errors), (8, 3, 2));
    assert!(status.errors.iter().all(|error| error.message.len() <= Settled::MESSAGE_MAX));
    assert_eq!(status.counts.failed, 12);
}

#[test]
fn a_removed_loader_drops_what_waits_and_settles_what_is_out() {
    let mut engine = engine();
    let job = opened(&mut engine, 1, 100);
    engine.enqueue(now(0), job, (0..10).map(|k| Request { loader: LoaderId(0), ..request(k, Plan::MISSING) }));
    engine.seal_job(now(0), job);
    let out: Vec<Order> = std::iter::from_fn(|| match engine.poll(now(1)) {
        Step::Order(order) => Some(order),
        Step::WaitUntil(_) | Step::Idle => None,
    })
    .collect();
    assert_eq!(out.len(), 2, "as many as the loader fetches at once, while it has shown nothing");
    engine.set_loaders(now(2), [loader(1, 4)]);
    assert_eq!(engine.stats().warm.dropped(DropReason::NoLoader), 8);
    assert_eq!(engine.progress(&key(9)).error.as_deref(), Some("the loader was removed"));
    engine.set_loaders(now(3), [loader(0, 1), loader(1, 4)]);
    engine.validate();
    out.iter().for_each(|order| settle(&mut engine, now(4), order, &LOADED));
    assert_eq!(engine.ended_jobs(), [job]);
    engine.validate();
}

#[test]
fn a_standing_wish_outlives_a_cancelled_job() {
    let mut engine = engine();
    engine.pause();
    let job = opened(&mut engine, 1, 100);
    engine.enqueue(now(0), job, [request(0, Plan::MISSING), request(1, Plan::MISSING)]);
    assert_eq!(engine.want(now(0), request(0, Plan::MISSING), Priority::default(), Reason::Predict), Admission::Joined);
    assert_eq!(
        engine.want(now(0), request(0, Plan::MISSING), Priority::default(), Reason::Predict),
        Admission::Repeated
    );
    let cancelled = engine.cancel_job(now(1), job).unwrap();
    assert_eq!((cancelled.dropped, engine.stats().queued, engine.held()), (1, 1, Held::Paused));
    assert_eq!(engine.cancel_job(now(1), job), None);
    engine.validate();
}

#[derive(Clone, Debug)]
enum Act {
    Open(u64, u16),
    Enqueue(u64, Vec<(u8, bool)>),
    Want(u8, u16),
    Seal(u64),
    Cancel(u64),
    Loaders(u8),
    Poll,
    Settle(usize, u8),
    Live(u8, u8),
    Pause(bool),
    Flush,
    Advance(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let keys = || prop::collection::vec((0..20u8, any::<bool>()), 1..6);
    prop_oneof![
        2 => (0..8u64, 0..4u16).prop_map(|(j, p)| Act::Open(j, p)),
        4 => (0..8u64, keys()).prop_map(|(j, k)| Act::Enqueue(j, k)),
        1 => (0..20u8, 0..6u16).prop_map(|(k, p)| Act::Want(k, p)),
        2 => (0..8u64).prop_map(Act::Seal),
        1 => (0..8u64).prop_map(Act::Cancel),
        1 => (0..8u8).prop_map(Act::Loaders),
        6 => Just(Act::Poll),
        6 => (any::<usize>(), 0..6u8).prop_map(|(at, s)| Act::Settle(at, s)),
        1 => (0..20u8, 0..6u8).prop_map(|(k, s)| Act::Live(k, s)),
        1 => any::<bool>().prop_map(Act::Pause),
        1 => Just(Act::Flush),
        2 => (0..10_000u64).prop_map(Act::Advance),
    ]
}

fn ended(how: u8) -> Settled {
    match how {
        0 => LOADED,
        1 => Settled::Renewed { expires_at: None },
        2 => Settled::Fresh,
        3 => Settled::Absent,
        4 => Settled::failed("down"),
        _ => Settled::Dropped(DropReason::Cancelled),
    }
}

proptest! {
    /// Whatever comes in, the engine stays consistent and bounded; and once the owner seals every job and settles
    /// every order, every job has ended.
    #[test]
    fn any_inputs_leave_it_consistent_and_every_job_ends(acts in prop::collection::vec(act(), 0..150)) {
        let mut engine = engine();
        let mut out: Vec<(Order, usize)> = Vec::new();
        let mut time = 0u64;
        for act in acts {
            match act {
                Act::Open(job, priority) => drop(engine.open_job(now(time), JobId(job), spec(priority))),
                Act::Enqueue(job, keys) => {
                    let plan = |force| if force { Plan::FORCE } else { Plan::MISSING };
                    let count = keys.len();
                    let a = engine.enqueue(now(time), JobId(job), keys.into_iter().map(|(k, f)| request(k, plan(f))));
                    prop_assert_eq!(a.accepted + a.repeated + a.rejected, count);
                }
                Act::Want(k, p) => {
                    engine.want(now(time), request(k, Plan::MISSING), Priority::new(p).unwrap(), Reason::Predict);
                }
                Act::Seal(job) => engine.seal_job(now(time), JobId(job)),
                Act::Cancel(job) => drop(engine.cancel_job(now(time), JobId(job))),
                Act::Loaders(bits) => {
                    let chosen = (0..3).filter(|id| bits >> id & 1 == 1);
                    engine.set_loaders(now(time), chosen.map(|id| loader(id, id * 2)));
                }
                Act::Poll => {
                    if let Step::Order(order) = engine.poll(now(time)) {
                        prop_assert!(!order.keys.is_empty() && order.keys.len() <= 4);
                        out.push((order, 0));
                    }
                }
                Act::Settle(at, how) if !out.is_empty() => {
                    let at = at % out.len();
                    let (order, done) = &mut out[at];
                    let key = order.keys[*done].key.clone();
                    let (source, loader) = (Source::Order(order.id), order.loader);
                    engine.settle(now(time), Settlement { source, key, loader, settled: ended(how), attempts: 1 });
                    *done += 1;
                    if *done == order.keys.len() {
                        out.remove(at);
                    }
                }
                Act::Settle(..) => {}
                Act::Live(k, how) => {
                    let loader = LoaderId(u32::from(k % 3));
                    let settled = ended(how);
                    engine.settle(now(time), Settlement { source: Source::Live, key: key(k), loader, settled, attempts: 1 });
                }
                Act::Pause(true) => engine.pause(),
                Act::Pause(false) => engine.resume(),
                Act::Flush => engine.flushed(Scope::One(Db(0))),
                Act::Advance(micros) => time += micros,
            }
            engine.validate();
            let stats = engine.stats();
            prop_assert!(stats.remembered <= 6 && stats.jobs_running <= 4);
            prop_assert_eq!(stats.demand.stray, 0);
        }
        engine.resume();
        (0..8).for_each(|job| engine.seal_job(now(time), JobId(job)));
        let mut rounds = 0;
        loop {
            while let Step::Order(order) = engine.poll(now(time)) {
                out.push((order, 0));
            }
            if out.is_empty() && engine.stats().queued == 0 {
                break;
            }
            for (order, done) in out.drain(..) {
                for key in &order.keys[done..] {
                    let (source, key, loader) = (Source::Order(order.id), key.key.clone(), order.loader);
                    engine.settle(now(time), Settlement { source, key, loader, settled: LOADED, attempts: 1 });
                }
            }
            time += 10_000;
            rounds += 1;
            prop_assert!(rounds < 100, "it comes to rest");
        }
        engine.validate();
        prop_assert!(engine.jobs(now(time), JobFilter::In(JobState::Running), 10).is_empty());
        prop_assert_eq!((engine.entries.len(), engine.orders.len(), engine.shared), (0, 0, 0));
    }
}

#[test]
fn the_memory_ceiling_and_the_role_hold_orders_back() {
    let mut engine = engine();
    engine.want(now(0), request(0, Plan::MISSING), Priority::default(), Reason::Predict);
    for (memory, role, held) in [
        (Some(0.96), Role::Active, Held::Memory),
        (None, Role::Inactive, Held::Inactive),
        (Some(f64::NAN), Role::Inactive, Held::Inactive),
    ] {
        engine.set_vitals(memory, role);
        assert_eq!((engine.held(), engine.poll(now(1))), (held, Step::Idle));
    }
    engine.set_vitals(Some(0.95), Role::Active);
    assert!(matches!(engine.poll(now(1)), Step::Order(_)));
}
