//! Origins that fail, and what is tried against it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::origin::{Reply, answer, head, ok};
use super::requests::packed;
use super::*;

#[test]
fn server_errors_are_tried_again_after_a_backoff() {
    let origin =
        Origin::start(|asked| if asked.number < 2 { answer(500 + asked.number as u16, &[], "oops") } else { ok("x") });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    let began = Instant::now();
    let answer = loading.load(&loader, &["item:1"]);
    assert_eq!(answer.attempts, 3);
    assert!(answer.latency <= began.elapsed());
    assert_eq!(plain(only(answer)), "x");
    let asked = origin.asked();
    // Backoffs of at most 50 and 100 ms, and room for a busy machine.
    assert!(asked[2].at - asked[0].at < Duration::from_millis(150 + 500));
    let gauges = loading.runtime.gauges("items").unwrap();
    assert_eq!((gauges.requests.total(), gauges.failures.total(), gauges.retries.total()), (3, 2, 2));
}

#[test]
fn tries_end_after_the_retries() {
    let origin = Origin::start(|_| answer(503, &[], ""));
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.retries = 3));
    let answer = loading.load(&loader, &["item:1"]);
    assert_eq!(answer.attempts, 4);
    let failure = failed(only(answer));
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Status, "answered 503"));
    assert_eq!(origin.asked().len(), 4);
    assert_eq!(loading.runtime.gauges("items").unwrap().failed.total(), 1);
}

#[test]
fn other_statuses_are_not_tried_again() {
    let origin = Origin::start(|asked| answer(asked.path[1..].parse().unwrap(), &[], ""));
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for status in [400, 401, 403, 405, 418, 204, 206, 300, 304] {
        let failure = loading.failure(&loader, &format!("item:{status}"));
        assert_eq!(failure.kind, FailureKind::Status, "{status}");
        assert!(failure.message.contains(&status.to_string()), "{}", failure.message);
    }
    assert_eq!(origin.asked().len(), 9);
}

#[test]
fn retry_after_is_honoured_and_warm_work_is_held_back() {
    let origin = Origin::start(|asked| match asked.number {
        0 => answer(429, &[("retry-after", "1")], ""),
        _ => ok("x"),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    loading.submit(1, &loader, &["item:1"], Urgency::Warm);
    origin.until_asked(1);
    let gauges = loading.runtime.gauges("items").unwrap();
    let deadline = Instant::now() + DEADLINE;
    while gauges.retries.total() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    loading.submit(2, &loader, &["item:2"], Urgency::Warm);
    loading.submit(3, &loader, &["item:3"], Urgency::Live);
    let live = loading.answer();
    assert_eq!(live.id, 3);
    let answers = loading.gather(2);
    assert_eq!(answers[&1].attempts, 2);
    let asked = origin.asked();
    assert_eq!(asked[1].path, "/3");
    let held: Vec<Duration> = asked[2..].iter().map(|later| later.at - asked[0].at).collect();
    assert!(held.iter().all(|held| *held >= Duration::from_secs(1)), "{held:?}");
}

#[test]
fn a_waiting_client_is_not_made_to_wait_for_minutes() {
    let origin = Origin::start(|_| answer(503, &[("retry-after", "120")], ""));
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    let began = Instant::now();
    assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::Status);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn half_a_body_is_no_value() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/length" => Reply::SendAndClose([head(200, &[], 100), vec![b'x'; 50]].concat()),
        _ => Reply::SendAndClose(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec()),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.retries = 1));
    for id in ["length", "chunks"] {
        let answer = loading.load(&loader, &[&format!("item:{id}")]);
        assert_eq!(answer.attempts, 2, "{id}");
        let failure = failed(only(answer));
        assert_eq!(failure.kind, FailureKind::Body, "{id}");
        assert!(failure.message.starts_with("the body was cut short"), "{}", failure.message);
    }
}

#[test]
fn damaged_encodings_are_no_value() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/garbage" => answer(200, &[("content-encoding", "gzip")], "garbage that is no gzip"),
        "/cut" => answer(200, &[("content-encoding", "gzip")], &packed("gzip")[..20]),
        "/cut-zstd" => answer(200, &[("content-encoding", "zstd")], &packed("zstd")[..10]),
        _ => answer(200, &[("content-encoding", "compress")], "x"),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for id in ["garbage", "cut", "cut-zstd", "unknown"] {
        let failure = loading.failure(&loader, &format!("item:{id}"));
        assert_eq!(failure.kind, FailureKind::Body, "{id}");
        assert!(failure.message.contains("Content-Encoding"), "{}", failure.message);
    }
    assert_eq!(origin.asked().len(), 4);
}

#[test]
fn what_is_not_http_is_no_value() {
    let origin = Origin::start(|_| Reply::SendAndClose(b"+PONG\r\n".to_vec()));
    let (loading, loader) = (Loading::start(), loader(&origin, |settings| settings.retries = 0));
    assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::Body);
}

#[test]
fn a_hanging_origin_runs_into_the_timeout() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/silent" => Reply::SendAndHang(Vec::new()),
        "/head" => Reply::SendAndHang(head(200, &[], 10)),
        _ => Reply::SendAndHang([head(200, &[], 10), b"hello".to_vec()].concat()),
    });
    let (loading, loader) = (
        Loading::start(),
        loader(&origin, |settings| {
            settings.timeout = Duration::from_millis(100);
            settings.retries = 1;
        }),
    );
    for id in ["silent", "head", "body"] {
        let began = Instant::now();
        let answer = loading.load(&loader, &[&format!("item:{id}")]);
        assert!((200..2000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_eq!(answer.attempts, 2);
        let failure = failed(only(answer));
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Timeout, "no whole answer within 100 ms"));
    }
}

#[test]
fn a_refused_connection_says_so_without_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:s3cret@{}/{{id}}", listener.local_addr().unwrap());
    drop(listener);
    let loading = Loading::start();
    let answer = loading.load(&define(&url, |_| ()), &["item:1"]);
    assert_eq!(answer.attempts, 3);
    let failure = failed(only(answer));
    assert_eq!(failure.kind, FailureKind::Connect);
    assert!(failure.message.contains("refused") && !failure.message.contains("127.0.0.1"), "{}", failure.message);
}

#[test]
fn a_name_that_does_not_resolve_says_so() {
    let loading = Loading::start();
    let loader = define("http://origin.invalid/{id}", |settings| settings.retries = 0);
    let failure = loading.failure(&loader, "item:1");
    assert!(matches!(failure.kind, FailureKind::Connect | FailureKind::Timeout), "{failure:?}");
    assert!(!failure.message.contains("origin.invalid"));
}
