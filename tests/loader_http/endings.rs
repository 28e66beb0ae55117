//! Stopping, and panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::origin::{Reply, answer, ok};
use super::*;

#[test]
fn stopping_answers_whatever_is_open() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/hang" => Reply::SendAndHang(Vec::new()),
        "/half" => Reply::SendAndHang(origin::head(200, &[], 10)),
        _ => answer(503, &[("retry-after", "30")], ""),
    });
    for threads in [1, 3] {
        let loading = Loading::within(Limits { threads, ..Limits::default() });
        let before = origin.asked().len();
        let names = [("a", "item:hang"), ("b", "item:half"), ("c", "item:later")];
        for (name, key) in names {
            let loader = loader(&origin, |settings| {
                settings.name = name.to_owned();
                settings.concurrency = 4;
            });
            (0..50).for_each(|id| loading.submit(id, &loader, &[key, key], Urgency::Warm));
        }
        let (sender, probed) = channel();
        let hanging = loader(&origin, |_| ());
        let report = Box::new(move |report: ProbeReport| sender.send(report).unwrap());
        loading.runtime.probe(hanging, Key::new(Db(0), b"item:hang"), report);
        origin.until_asked(before + 4 + 4 + 1);
        let Loading { runtime, answers } = loading;
        let began = Instant::now();
        runtime.stop();
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
        let answers: Vec<Answer> = answers.iter().collect();
        assert_eq!(answers.len(), 150);
        for answer in answers {
            assert_eq!(answer.results.len(), 2);
            assert!(answer.results.iter().all(|(_, outcome)| matches!(outcome, Outcome::Cancelled)), "{answer:?}");
        }
        assert_eq!(probed.recv_timeout(DEADLINE).unwrap().failure.unwrap().message, "the loader was stopped");
    }
}

#[test]
fn every_fetch_gets_one_answer_though_listeners_panic() {
    let origin = Origin::start(|asked| ok(&asked.path));
    let heard = Arc::new(AtomicUsize::new(0));
    let listener = Arc::clone(&heard);
    let limits = Limits::default();
    let runtime = Runtime::start(
        limits,
        Arc::new(move |answer: Answer| {
            listener.fetch_add(1, Ordering::AcqRel);
            assert_ne!(answer.id % 2, 0, "every other answer");
        }),
    )
    .unwrap();
    let loader = loader(&origin, |settings| settings.concurrency = 2);
    for id in 0..100 {
        assert!(runtime.submit(vec![fetch(id, &loader, &["item:1"], Urgency::Live)]).is_ok());
    }
    let deadline = Instant::now() + DEADLINE;
    while runtime.open() > 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!((heard.load(Ordering::Acquire), runtime.panics()), (100, 50));
}

#[test]
fn a_runtime_can_be_started_again() {
    let origin = Origin::start(|asked| ok(&asked.path));
    for _ in 0..3 {
        let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
        assert_eq!(plain(loading.one(&loader, "item:1")), "/1");
        loading.runtime.stop();
    }
}
