//! Who goes first, and how fast.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::origin::{Reply, answer, ok};
use super::*;

/// The most requests that any second held.
fn most_in_a_second(times: &[Instant]) -> usize {
    let second = Duration::from_secs(1);
    let within = |from: &Instant| times.iter().filter(|at| **at >= *from && **at - *from < second).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[test]
fn no_second_sees_more_requests_than_the_rate_retries_and_redirects_included() {
    let origin = Origin::start(|asked| match asked.number % 4 {
        0 => answer(500, &[], ""),
        1 => answer(302, &[("location", "/moved")], ""),
        _ => ok("x"),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.rate = 50.0));
    let keys: Vec<String> = (0..80).map(|id| format!("item:{id}")).collect();
    for (id, key) in keys.iter().enumerate() {
        loading.submit(id as u64, &loader, &[key], if id % 2 == 0 { Urgency::Live } else { Urgency::Warm });
    }
    let answers = loading.gather(80);
    let times: Vec<Instant> = origin.asked().iter().map(|asked| asked.at).collect();
    assert_eq!(times.len() as u32, answers.values().map(|answer| answer.attempts).sum::<u32>());
    assert!(times.len() > 100);
    // One more than the rate: what was sent evenly may arrive a little unevenly.
    assert!(most_in_a_second(&times) <= 51, "{}", most_in_a_second(&times));
    let least = Duration::from_secs_f64((times.len() - 2) as f64 / 50.0);
    assert!(times[times.len() - 1] - times[0] >= least);
}

#[test]
fn the_rate_holds_when_the_loader_is_defined_anew() {
    let origin = Origin::start(|_| ok("x"));
    let loading = Loading::start();
    for id in 0..40 {
        let loader = loader(&origin, |settings| settings.rate = 40.0);
        loading.submit(id, &loader, &["item:1"], Urgency::Warm);
    }
    loading.gather(40);
    let asked = origin.asked();
    assert!(asked[39].at - asked[0].at >= Duration::from_millis(38 * 25));
}

#[test]
fn live_requests_go_before_warm_ones() {
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |asked| {
        gate.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        ok(&asked.path)
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.concurrency = 1));
    loading.submit(0, &loader, &["item:first"], Urgency::Warm);
    origin.until_asked(1);
    for (id, key) in ["item:w1", "item:w2", "item:w3"].into_iter().enumerate() {
        loading.submit(1 + id as u64, &loader, &[key], Urgency::Warm);
    }
    loading.submit(9, &loader, &["item:live"], Urgency::Live);
    (0..5).for_each(|_| release.send(()).unwrap());
    loading.gather(5);
    let order: Vec<String> = origin.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(order, ["/first", "/live", "/w1", "/w2", "/w3"]);
}

#[test]
fn concurrency_bounds_the_requests_in_flight() {
    let origin = Origin::start(|_| Reply::SendAndHang(Vec::new()));
    let loading = Loading::start();
    let loader = loader(&origin, |settings| settings.concurrency = 3);
    (0..10).for_each(|id| loading.submit(id, &loader, &["item:1"], Urgency::Live));
    origin.until_asked(3);
    let gauges = loading.runtime.gauges("items").unwrap();
    let load = |gauge: &std::sync::atomic::AtomicU32| gauge.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((load(&gauges.in_flight), load(&gauges.limit), load(&gauges.queued)), (3, 3, 7));
    assert_eq!(origin.asked().len(), 3);
}

#[test]
fn a_slow_loader_does_not_block_another() {
    let slow = Origin::start(|_| Reply::SendAndHang(Vec::new()));
    let fast = Origin::start(|asked| ok(&asked.path));
    let loading = Loading::start();
    let (slow_loader, fast_loader) =
        (loader(&slow, |s| s.name = "slow".into()), loader(&fast, |s| s.name = "fast".into()));
    (0..100).for_each(|id| loading.submit(1000 + id, &slow_loader, &["item:1"], Urgency::Live));
    slow.until_asked(32);
    let began = Instant::now();
    for id in 0..50 {
        loading.submit(id, &fast_loader, &["item:1"], Urgency::Warm);
        assert_eq!(loading.answer().id, id);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}
