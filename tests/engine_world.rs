//! Stories of the engine in its [`World`]: virtual time, scripted origins, an owner that follows the contract.
#![expect(clippy::panic, reason = "a test may fail")]

mod world;

use std::time::Duration;

use redis_warm::engine::jobs::JobState;
use redis_warm::engine::outcome::Role;
use redis_warm::engine::pace::Rate;
use redis_warm::engine::progress::Status;
use redis_warm::engine::request::{Activity, LoaderId, LoaderRules, Plan};
use redis_warm::engine::settings::Settings;
use redis_warm::engine::settlement::DropReason;
use redis_warm::engine::stats::Held;
use world::{Health, Origin, World, key};

const A: LoaderId = LoaderId(1);
const B: LoaderId = LoaderId(2);
const MINUTE: Duration = Duration::from_secs(60);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn rules(id: LoaderId, concurrency: u32, batch: u32) -> LoaderRules {
    LoaderRules { id, concurrency, rate: None, batch, activity: Activity::Working }
}

/// A world with one loader whose origin takes 10 ms.
fn world(concurrency: u32, batch: u32) -> World {
    let mut world = World::new(Settings::default());
    world.loader(rules(A, concurrency, batch), Origin::new(ms(10)));
    world
}

#[test]
fn a_plain_job_warms_its_keys_and_tells_how_it_goes() {
    let mut world = world(10, 1);
    world.origin(A).lacks.insert(key(3).name().to_vec());
    world.cache.insert(key(4));
    let job = world.job(A, 0..100);
    world.run(ms(55));
    let half = world.status(job);
    assert_eq!((half.state, half.counts.total()), (JobState::Running, 100));
    assert!((45..60).contains(&half.counts.settled()), "{half:?}");
    assert!((800.0..1200.0).contains(&half.rate), "{half:?}");
    assert!(half.eta.unwrap() < ms(80), "{half:?}");
    let done = world.finish(job, MINUTE);
    assert_eq!((done.state, done.eta), (JobState::Done, None));
    let counts = done.counts;
    assert_eq!((counts.completed, counts.fresh, counts.dropped, counts.absent, counts.failed), (99, 1, 1, 1, 0));
    assert_eq!((counts.bytes, world.cache.len(), world.busiest), (98 * 1024, 99, 10));
    assert_eq!(done.finished_at, Some(done.started_at.after(ms(100))), "ten at a time, 10 ms each; one is fresh");
    let progress = world.engine.progress(&key(7));
    assert_eq!((progress.status, progress.bytes, progress.attempts), (Status::Completed, Some(1024), 1));
    assert_eq!(progress.started_at, Some(done.started_at));
    world.assert_at_rest();
}

#[test]
fn overlapping_jobs_share_keys_and_each_counts_them() {
    let mut world = world(4, 1);
    let first = world.job(A, 0..60);
    world.run(ms(15));
    let second = world.job(A, 40..100);
    let (first, second) = (world.finish(first, MINUTE), world.finish(second, MINUTE));
    assert_eq!((first.counts.completed, second.counts.completed), (60, 60));
    assert!(world.asked.values().all(|&times| times == 1) && world.asked.len() == 100);
    assert_eq!(world.engine.stats().demand.joined, 20);
    world.assert_at_rest();
}

#[test]
fn an_urgent_job_overtakes_one_that_waits() {
    let mut world = world(2, 1);
    let slow = world.job(A, 0..1000);
    world.run(ms(100));
    let urgent = world.open(900);
    world.fill(urgent, A, 995..1005, Plan::MISSING);
    world.seal(urgent);
    let urgent = world.finish(urgent, MINUTE);
    let span = urgent.finished_at.unwrap().as_millis() - urgent.started_at.as_millis();
    assert!(span <= 100, "ten keys two at a time, behind a pipeline of eight: {span} ms");
    assert!(world.status(slow).counts.left() > 900);
    let slow = world.finish(slow, MINUTE);
    assert_eq!(slow.counts.completed, 1000);
}

#[test]
fn a_cancelled_job_ends_at_once_and_its_batches_write_nothing() {
    let mut world = world(2, 10);
    let (doomed, other) = (world.job(A, 0..500), world.open(100));
    world.fill(other, A, 5..25, Plan::MISSING);
    world.seal(other);
    world.run(ms(5));
    let dropped = world.cancel(doomed);
    assert_eq!(dropped, 480, "all but those that the other job wants");
    let status = world.status(doomed);
    assert_eq!((status.state, status.counts.dropped, status.counts.left()), (JobState::Cancelled, 500, 0));
    assert_eq!(world.ended, [doomed]);
    let other = world.finish(other, MINUTE);
    assert_eq!(other.counts.completed, 20);
    world.run(MINUTE);
    assert_eq!(world.cache.len(), 20);
    assert_eq!(world.engine.progress(&key(0)).status, Status::Dropped);
    world.assert_at_rest();
}

#[test]
fn a_dead_origin_fails_every_key_and_the_job_ends() {
    let mut world = world(8, 25);
    world.origin(A).health = Health::Down;
    let job = world.job(A, 0..1000);
    let status = world.finish(job, MINUTE);
    assert_eq!((status.state, status.counts.failed, status.counts.completed), (JobState::Done, 1000, 0));
    assert_eq!((status.errors.len(), status.errors[0].count), (1, 1000));
    assert_eq!(world.engine.progress(&key(1)).error.as_deref(), Some("connection refused"));
    world.assert_at_rest();
    world.origin(A).health = Health::Up;
    let again = world.job(A, 0..1000);
    assert_eq!(world.finish(again, MINUTE).counts.completed, 1000);
}

#[test]
fn a_paused_loader_keeps_its_keys_and_holds_up_nobody() {
    let mut world = world(4, 1);
    world.loader(rules(B, 4, 1), Origin::new(ms(10)));
    world.set_activity(A, Activity::Paused);
    let (paused, other) = (world.job(A, 0..50), world.job(B, 100..150));
    assert_eq!(world.finish(other, MINUTE).counts.completed, 50);
    assert_eq!(world.status(paused).counts.pending, 50);
    world.set_activity(A, Activity::Working);
    assert_eq!(world.finish(paused, MINUTE).counts.completed, 50);
}

#[test]
fn a_hanging_loader_delays_no_other() {
    let mut world = World::new(Settings::default());
    world.loader(rules(A, 2, 1), Origin::new(Duration::from_secs(30)));
    world.loader(rules(B, 2, 1), Origin::new(ms(10)));
    let job = world.open(500);
    world.fill(job, A, 0..100, Plan::MISSING);
    let quick = world.job(B, 100..200);
    let quick = world.finish(quick, MINUTE);
    assert_eq!(quick.finished_at, Some(quick.started_at.after(ms(500))));
    assert_eq!(world.status(job).counts.warming, 2, "a loader that ends nothing gets no orders ahead");
}

#[test]
fn loaders_take_turns() {
    let mut world = world(4, 1);
    world.loader(rules(B, 4, 1), Origin::new(ms(10)));
    world.engine.pause();
    let (first, second) = (world.open(1000), world.open(1));
    world.fill(first, A, 0..50, Plan::MISSING);
    world.fill(second, B, 100..150, Plan::MISSING);
    world.engine.resume();
    world.run(ms(1));
    let turns: Vec<LoaderId> = world.departures.iter().map(|departure| departure.1).collect();
    assert_eq!(turns, [A, B].repeat(4), "whatever the priority of their keys");
}

#[test]
fn a_rate_is_not_exceeded_in_hours() {
    let mut world = World::new(Settings::default());
    let limited = LoaderRules { rate: Rate::per_second(5.0), ..rules(A, 32, 1) };
    world.loader(limited, Origin::new(ms(80)));
    let job = world.job(A, 0..36_000);
    world.run(MINUTE);
    world.engine.pause();
    world.run(10 * MINUTE);
    world.engine.resume();
    let status = world.finish(job, 150 * MINUTE);
    assert_eq!(status.counts.completed, 36_000);
    let took = status.finished_at.unwrap().as_millis() - status.started_at.as_millis();
    assert!((7_799_000..7_801_000).contains(&took), "two hours and the pause: {took} ms");
    let times: Vec<u64> = world.departures.iter().map(|(at, ..)| at.as_micros()).collect();
    for span in [1usize, 10, 300, 3000] {
        let shortest = times.windows(span + 1).map(|w| w[span] - w[0]).min().unwrap();
        assert!(shortest + 20_000 >= span as u64 * 200_000, "{span} intervals in {shortest} µs");
    }
}

#[test]
fn a_hundred_thousand_keys_in_slices_start_with_the_first_and_are_all_warmed() {
    let mut world = world(64, 100);
    let job = world.open(100);
    for slice in 0..100u32 {
        assert_eq!(world.fill(job, A, slice * 1000..(slice + 1) * 1000, Plan::MISSING), 1000);
        if slice == 20 {
            world.run(ms(50));
            assert!(world.status(job).counts.completed >= 10_000, "warming does not wait for the last slice");
        }
    }
    world.seal(job);
    let status = world.finish(job, MINUTE);
    assert_eq!((status.counts.completed, world.cache.len()), (100_000, 100_000));
    assert_eq!(world.engine.stats().demand.orders, 1000, "every batch was full");
    assert_eq!(world.engine.stats().remembered, 100_000);
    world.assert_at_rest();
}

#[test]
fn a_flush_drops_what_is_in_flight_and_warms_the_rest() {
    let mut world = world(5, 1);
    let job = world.job(A, 0..100);
    world.run(ms(25));
    assert_eq!(world.engine.progress(&key(0)).status, Status::Completed);
    world.flush();
    assert_eq!(world.engine.progress(&key(0)).status, Status::NotScheduled, "it is warm no more");
    let counts = world.finish(job, MINUTE).counts;
    let lost = world.engine.stats().warm.dropped(DropReason::Flushed);
    assert!((5..=20).contains(&lost), "what was on its way: {lost}");
    assert_eq!((counts.dropped, counts.completed), (lost, 100 - lost));
    assert_eq!(world.cache.len() as u64, 100 - lost - 10, "ten were there before the flush");
    world.assert_at_rest();
}

#[test]
fn a_newer_write_wins_over_a_load_in_flight() {
    let mut world = world(5, 1);
    let job = world.job(A, 0..10);
    world.write(2);
    let counts = world.finish(job, MINUTE).counts;
    assert_eq!((counts.completed, counts.dropped), (9, 1));
    assert_eq!(world.engine.stats().warm.dropped(DropReason::Superseded), 1);
}

#[test]
fn a_pause_stands_still_and_a_resume_goes_on() {
    let mut world = world(5, 1);
    let job = world.job(A, 0..100);
    world.run(ms(20));
    world.engine.pause();
    world.run(MINUTE);
    let still = world.status(job).counts;
    assert_eq!((still.warming, still.pending + still.completed), (0, 100), "what was in flight has landed");
    assert!(still.pending > 50);
    assert_eq!(world.engine.stats().held, Held::Paused);
    world.engine.resume();
    assert_eq!(world.finish(job, MINUTE).counts.completed, 100);
}

#[test]
fn the_memory_ceiling_and_a_demotion_hold_orders_back() {
    let mut world = world(5, 1);
    let job = world.job(A, 0..100);
    for (memory, role, held) in [(Some(0.99), Role::Active, Held::Memory), (Some(0.5), Role::Inactive, Held::Inactive)]
    {
        world.engine.set_vitals(memory, role);
        world.run(ms(100));
        let departed = world.departures.len();
        world.run(MINUTE);
        assert_eq!((world.departures.len(), world.engine.stats().held), (departed, held));
    }
    world.engine.set_vitals(Some(0.5), Role::Active);
    assert_eq!(world.finish(job, MINUTE).counts.completed, 100);
}

#[test]
fn a_small_job_on_a_batching_loader_starts_at_once() {
    let mut world = world(4, 100);
    let job = world.job(A, 0..3);
    let status = world.finish(job, MINUTE);
    assert_eq!(status.finished_at, Some(status.started_at.after(ms(10))));
    assert_eq!(world.departures.iter().map(|d| d.2).collect::<Vec<_>>(), [3]);
    let (first, second) = (world.job(A, 10..13), world.job(A, 20..23));
    world.finish(first, MINUTE);
    let status = world.finish(second, MINUTE);
    assert_eq!(status.finished_at, Some(status.started_at.after(ms(15))), "behind others, 5 ms for more keys to come");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = World::new(Settings { seed, ..Settings::default() });
        world.loader(rules(A, 3, 4), Origin::new(ms(7)));
        world.loader(LoaderRules { rate: Rate::per_second(50.0), ..rules(B, 3, 1) }, Origin::new(ms(9)));
        let (a, b) = (world.job(A, 0..333), world.job(B, 1000..1100));
        world.run(ms(30));
        world.cancel(b);
        world.finish(a, MINUTE);
        (world.departures, world.cache, world.ended)
    };
    assert_eq!(run(5), run(5));
}
