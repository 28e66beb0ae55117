//! Bodies that are too large, and memory that is spoken for.

use std::time::Duration;

use super::origin::{Reply, answer, chunks, head, ok};
use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_body() {
    let origin = Origin::start(|_| Reply::SendAndHang(head(200, &[], 10 << 30)));
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.max_bytes = MIB));
    let failure = loading.failure(&loader, "item:1");
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert_eq!(failure.message, "the body is larger than 1048576 bytes");
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn an_endless_body_is_cut_at_the_limit() {
    let origin = Origin::start(|_| {
        let (head, chunk) = chunks("", &[b'x'; 64 << 10]);
        Reply::Endless(head, chunk)
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.max_bytes = MIB));
    assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::TooLarge);
    // What the sockets' buffers swallow comes on top of the limit.
    assert!(origin.sent() < 32 * MIB, "{}", origin.sent());
    let gauges = loading.runtime.gauges("items").unwrap();
    assert!(gauges.bytes.total() < 2 * MIB);
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let bomb = redis_warm::loader::compress::compress(
        &vec![0; 64 << 20].into(),
        redis_warm::loader::settings::Compression::Zstd,
    );
    assert!(bomb.len() < 100 << 10);
    let origin = Origin::start(move |_| answer(200, &[("content-encoding", "zstd")], &bomb));
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.max_bytes = MIB));
    assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::TooLarge);
}

#[test]
fn a_body_of_exactly_the_limit_is_fine() {
    let origin = Origin::start(|asked| if asked.path == "/long" { ok([b'x'; 1001]) } else { ok([b'x'; 1000]) });
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.max_bytes = 1000));
    assert_eq!(plain(loading.one(&loader, "item:1")).len(), 1000);
    assert_eq!(loading.failure(&loader, "item:long").kind, FailureKind::TooLarge);
}

#[test]
fn values_hold_memory_until_they_are_dropped() {
    let origin = Origin::start(|_| ok([b'x'; 600]));
    let loading = Loading::within(Limits { in_flight_bytes: 1000, ..Limits::default() });
    let loader = loader(&origin, |settings| {
        settings.timeout = Duration::from_millis(200);
        settings.retries = 0;
    });
    let first = value(loading.one(&loader, "item:1"));
    let failure = loading.failure(&loader, "item:2");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Memory, "too many bytes are waiting to be written")
    );
    drop(first);
    assert_eq!(plain(loading.one(&loader, "item:2")).len(), 600);
}

#[test]
fn a_body_beyond_the_whole_budget_fails_at_once() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/known" => ok([b'x'; 2000]),
        _ => {
            let (head, chunk) = chunks("", &[b'x'; 2000]);
            Reply::Send([&head[..], &chunk, b"0\r\n\r\n"].concat())
        }
    });
    let loading = Loading::within(Limits { in_flight_bytes: 1000, ..Limits::default() });
    let loader = loader(&origin, |settings| settings.retries = 0);
    for id in ["known", "unknown"] {
        assert_eq!(loading.failure(&loader, &format!("item:{id}")).kind, FailureKind::Memory, "{id}");
    }
}

#[test]
fn fetches_beyond_the_limit_come_back() {
    let origin = Origin::start(|_| Reply::SendAndHang(Vec::new()));
    let loading = Loading::within(Limits { max_fetches: 8, ..Limits::default() });
    let loader = loader(&origin, |_| ());
    let fetches = |urgency, ids: std::ops::Range<u64>| ids.map(|id| fetch(id, &loader, &["item:1"], urgency)).collect();
    let rejected = loading.runtime.submit(fetches(Urgency::Warm, 0..10)).unwrap_err();
    assert_eq!(rejected.iter().map(|fetch| fetch.id).collect::<Vec<_>>(), [6, 7, 8, 9]);
    let rejected = loading.runtime.submit(fetches(Urgency::Live, 10..13)).unwrap_err();
    assert_eq!(rejected.iter().map(|fetch| fetch.id).collect::<Vec<_>>(), [12]);
    let failure = loading.probe(&loader, "item:1").failure.unwrap();
    assert_eq!(failure.message, "too many fetches are open");
    let Loading { runtime, answers } = loading;
    runtime.stop();
    assert_eq!(answers.iter().count(), 8);
}
