//! `cargo bench --bench engine`: what the engine costs by itself. A name is a path; times are medians of several runs;
//! memory is the growth of the process (Linux), beside the engine's own estimate.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use redis_warm::engine::Engine;
use redis_warm::engine::absent::Absent;
use redis_warm::engine::flights::{Begun, Flights, Owner, Void};
use redis_warm::engine::jobs::Opening;
use redis_warm::engine::key::{Db, Key};
use redis_warm::engine::orders::Step;
use redis_warm::engine::request::{Activity, JobId, JobSpec, LoaderId, LoaderRules, Plan, Priority, Reason, Request};
use redis_warm::engine::settings::Settings;
use redis_warm::engine::settlement::{Settled, Settlement, Source};
use redis_warm::engine::time::{Instant, Now};

const KEYS: u32 = 100_000;
const LOADER: LoaderId = LoaderId(1);
const RUNS: usize = 9;

fn main() {
    let growth = resident();
    let mut full = filled(engine(1));
    let growth = resident().saturating_sub(growth);
    let keys = f64::from(KEYS);
    row("engine/queue/memory, process grew", &format!("{:.0} bytes a key", growth as f64 / keys));
    row("engine/queue/memory, own estimate", &format!("{:.0} bytes a key", full.stats().memory as f64 / keys));
    drain(&mut full);
    row("engine/progress/memory, own estimate", &format!("{:.0} bytes a key", full.stats().memory as f64 / keys));
    drop(full);

    each(
        "engine/queue/enqueue",
        KEYS,
        || (requests(), engine(1)),
        |(requests, mut engine)| {
            engine.enqueue(Now::default(), JobId(1), requests);
            engine
        },
    );
    for batch in [1, 100] {
        let name = format!("engine/queue/order-and-settle/batch-{batch}");
        each(
            &name,
            KEYS,
            || filled(engine(batch)),
            |mut engine| {
                drain(&mut engine);
                engine
            },
        );
    }
    each(
        "engine/queue/reprioritise",
        KEYS,
        || (requests(), urgent(filled(engine(1)))),
        |(requests, mut engine)| {
            engine.enqueue(Now::default(), JobId(2), requests);
            engine
        },
    );
    each(
        "engine/queue/cancel",
        1,
        || filled(engine(1)),
        |mut engine| {
            engine.cancel_job(Now::default(), JobId(1));
            engine
        },
    );

    let names: Vec<Vec<u8>> = (0..KEYS).map(name).collect();
    let void = |mut flights: Flights<()>| {
        for name in &names {
            black_box(flights.void(Db(0), name, Void::Written));
        }
        flights
    };
    each("engine/flights/void/nothing-in-flight", KEYS, || flights(0), void);
    each("engine/flights/void/1000-in-flight", KEYS, || flights(1000), void);
    each(
        "engine/flights/begin-and-land",
        KEYS,
        || (flights(0), requests()),
        |(mut flights, requests)| {
            for Request { key, .. } in requests {
                if let Begun::Started(token) = flights.begin(key.clone(), Owner::Loader { fetch: 1 }) {
                    black_box(flights.land(key.db(), key.name(), token));
                }
            }
            flights
        },
    );
    each("engine/flights/release/one-waiter", KEYS, crowd, |(mut flights, mut landed)| {
        while flights.next_waiter(&mut landed).is_some() {}
        (flights, landed)
    });
    let known = || {
        let mut absent = Absent::new(1000, 0);
        (KEYS..KEYS + 1000).for_each(|n| absent.remember(key(n), Instant::from_micros(9)));
        absent
    };
    each("engine/absent/ask/1000-remembered", KEYS, known, |absent| {
        for name in &names {
            black_box(absent.is_absent(Instant::default(), Db(0), name));
        }
        absent
    });
}

/// Times `act` on fresh state; making and dropping the state is not timed.
fn each<S, R>(name: &str, operations: u32, state: impl Fn() -> S, act: impl Fn(S) -> R) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let state = state();
            let start = Clock::now();
            let result = act(state);
            let time = start.elapsed();
            drop(black_box(result));
            time
        })
        .collect();
    times.sort_unstable();
    let median = times[RUNS / 2];
    let nanos = median.as_nanos() as f64 / f64::from(operations);
    row(name, &format!("{nanos:.1} ns each, {:.2} ms for {operations}", median.as_secs_f64() * 1e3));
}

fn row(name: &str, figure: &str) {
    println!("{name:<50} {figure}");
}

fn name(n: u32) -> Vec<u8> {
    format!("content:article-{n:08}").into_bytes()
}

fn key(n: u32) -> Key {
    Key::new(Db(0), &name(n))
}

fn requests() -> Vec<Request> {
    (0..KEYS).map(|n| Request { key: key(n), loader: LOADER, plan: Plan::MISSING }).collect()
}

fn engine(batch: u32) -> Engine {
    let mut engine = Engine::new(Settings::default());
    let rules = LoaderRules { id: LOADER, concurrency: 32, rate: None, batch, activity: Activity::Working };
    engine.set_loaders(Now::default(), [rules]);
    open(&mut engine, 1, Priority::default());
    engine
}

fn open(engine: &mut Engine, job: u64, priority: Priority) {
    let spec = JobSpec { priority, reason: Reason::Request, tag: None };
    assert_eq!(engine.open_job(Now::default(), JobId(job), spec), Opening::Opened);
}

fn filled(mut engine: Engine) -> Engine {
    let each = (0..KEYS).map(|n| Request { key: key(n), loader: LOADER, plan: Plan::MISSING });
    assert_eq!(engine.enqueue(Now::default(), JobId(1), each).accepted, KEYS as usize);
    engine
}

fn urgent(mut engine: Engine) -> Engine {
    open(&mut engine, 2, Priority::MAX);
    engine
}

fn drain(engine: &mut Engine) {
    let settled = Settled::Loaded { bytes: 1024, expires_at: None };
    while let Step::Order(order) = engine.poll(Now::default()) {
        for key in order.keys {
            let source = Source::Order(order.id);
            let settlement = Settlement { source, key: key.key, loader: LOADER, settled: settled.clone(), attempts: 1 };
            engine.settle(Now::default(), settlement);
        }
    }
    assert_eq!(engine.stats().queued, 0);
}

fn flights(count: u32) -> Flights<()> {
    let mut flights = Flights::new(KEYS, KEYS, 0);
    for n in KEYS..KEYS + count {
        assert!(matches!(flights.begin(key(n), Owner::Loader { fetch: 1 }), Begun::Started(_)));
    }
    flights
}

/// As many waiters as there are keys, each with a deadline, on one key that has landed.
fn crowd() -> (Flights<()>, redis_warm::engine::flights::Landed<()>) {
    let mut flights = Flights::new(1, KEYS, 0);
    let Begun::Started(token) = flights.begin(key(0), Owner::Loader { fetch: 1 }) else { panic!("it is empty") };
    for n in 0..KEYS {
        flights.wait(Db(0), &name(0), (), Some(Instant::from_micros(u64::from(n)))).unwrap();
    }
    let landed = flights.land(Db(0), &name(0), token).unwrap();
    (flights, landed)
}

/// Bytes of memory that the process has; 0 where that cannot be read.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
