//! What is sent, and what the good answers become.

use std::time::Duration;

use redis_warm::loader::compress::decompress;
use redis_warm::loader::settings::{Compression, Freshness, Kind, Secret};

use super::origin::{Reply, answer, ok};
use super::*;

#[test]
fn one_connection_serves_one_request_after_the_other() {
    let origin = Origin::start(|asked| ok(&asked.path));
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for id in 0..20 {
        assert_eq!(plain(loading.one(&loader, &format!("item:{id}"))), format!("/{id}"));
    }
    let asked = origin.asked();
    assert_eq!(asked.len(), 20);
    assert!(asked.iter().all(|asked| asked.connection == 0));
    let gauges = loading.runtime.gauges("items").unwrap();
    assert_eq!((gauges.requests.total(), gauges.loaded.total(), gauges.failures.total()), (20, 20, 0));
    assert!(gauges.bytes.total() >= 40 && gauges.latency.percentiles().p50 > 0.0);
    loading.until_idle();
}

#[test]
fn a_connection_survives_answers_without_a_value() {
    let origin = Origin::start(|asked| if asked.number == 3 { ok("x") } else { answer(404, &[], "not here") });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for _ in 0..3 {
        assert!(matches!(loading.one(&loader, "item:1"), Outcome::Absent));
    }
    assert_eq!(plain(loading.one(&loader, "item:1")), "x");
    assert!(origin.asked().iter().all(|asked| asked.connection == 0));
}

#[test]
fn the_request_says_what_the_loader_says() {
    let origin = Origin::start(|_| ok("x"));
    let url = origin.url("/a/{id}?k={key}").replace("http://", "http://user:pass@");
    let loader = define(&url, |settings| settings.headers = vec![("X-Token".into(), "t".into())]);
    let loading = Loading::start();
    loading.one(&loader, "item:a/b c\u{e9}");
    let asked = &origin.asked()[0];
    assert_eq!(asked.path, "/a/a%2Fb%20c%C3%A9?k=item%3Aa%2Fb%20c%C3%A9");
    assert_eq!(asked.header("x-token"), Some("t"));
    assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(asked.header("host"), Some(origin.address().to_string().as_str()));
    assert_eq!(asked.header("accept-encoding"), Some("gzip, br, zstd"));
    assert!(asked.header("user-agent").unwrap().starts_with("redis-warm/"));
}

#[test]
fn gone_and_not_found_are_absent() {
    let origin = Origin::start(|asked| answer(if asked.path == "/1" { 404 } else { 410 }, &[], ""));
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    assert!(matches!(loading.one(&loader, "item:1"), Outcome::Absent));
    assert!(matches!(loading.one(&loader, "item:2"), Outcome::Absent));
    assert_eq!(loading.runtime.gauges("items").unwrap().absent.total(), 2);
}

#[test]
fn an_empty_body_is_an_empty_string_but_no_json() {
    let origin = Origin::start(|_| ok(""));
    let loading = Loading::start();
    assert_eq!(plain(loading.one(&loader(&origin, |_| ()), "item:1")), "");
    for kind in [Kind::Hash, Kind::Json] {
        let loader = loader(&origin, |settings| settings.kind = kind);
        assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::Body);
    }
    let loader = loader(&origin, |settings| settings.body = Some("/a".into()));
    assert_eq!(loading.failure(&loader, "item:1").kind, FailureKind::Body);
}

#[test]
fn a_document_becomes_string_hash_or_json() {
    let origin = Origin::start(|_| ok(r#"{"meta":1,"doc":{"title":"A \"b\"","n":1.50}}"#));
    let loading = Loading::start();
    let body = |kind, pointer: &str| {
        let loader = loader(&origin, |settings| {
            settings.kind = kind;
            settings.body = Some(pointer.to_owned());
        });
        value(loading.one(&loader, "item:1"))
    };
    let text = body(Kind::String, "/doc/title");
    assert_eq!(text.body, Stored::String("A \"b\"".into()));
    assert_eq!(text.permit.unwrap().num_permits(), 5);
    let hash = body(Kind::Hash, "/doc");
    assert_eq!(hash.body, Stored::Hash(vec![("title".into(), "A \"b\"".into()), ("n".into(), "1.50".into())]));
    assert_eq!(hash.plain, r#"{"title":"A \"b\"","n":1.50}"#);
    assert_eq!(body(Kind::Json, "/doc/n").body, Stored::Json("1.50".into()));
}

#[test]
fn packed_values_are_plain_to_clients() {
    let origin = Origin::start(|_| ok("abc".repeat(1000)));
    let loading = Loading::start();
    for compression in [Compression::Zstd, Compression::Gzip] {
        let value = value(loading.one(&loader(&origin, |settings| settings.compress = compression), "item:1"));
        assert_eq!(value.plain.len(), 3000);
        let Stored::String(stored) = value.body else { panic!("not a string") };
        assert!(stored.len() < 200);
        assert_eq!(decompress(&stored, 3000), Some(value.plain));
    }
}

#[test]
fn transfer_encodings_are_undone() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/gzip" => answer(200, &[("content-encoding", "gzip")], packed("gzip")),
        _ => answer(200, &[("Content-Encoding", "ZSTD")], packed("zstd")),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    assert_eq!(plain(loading.one(&loader, "item:gzip")), "hello ".repeat(100));
    assert_eq!(plain(loading.one(&loader, "item:zstd")), "hello ".repeat(100));
}

#[test]
fn the_life_comes_from_the_loader_or_from_the_origin() {
    let origin = Origin::start(|asked| answer(200, &[("cache-control", &asked.path[1..])], "x"));
    let loading = Loading::start();
    let life = |freshness, directive: &str| {
        let loader = loader(&origin, |settings| settings.freshness = freshness);
        value(loading.one(&loader, &format!("item:{directive}"))).ttl
    };
    assert_eq!(life(Freshness::Fixed, "no-store"), Duration::from_secs(3600));
    assert_eq!(life(Freshness::Origin, "no-store"), Duration::ZERO);
    assert_eq!(life(Freshness::Origin, "public"), Duration::from_secs(3600));
}

#[test]
fn a_held_value_is_asked_about_and_only_that_one() {
    let origin = Origin::start(|asked| match asked.header("if-none-match") {
        Some("\"v1\"") => answer(304, &[("cache-control", "max-age=9")], ""),
        _ => answer(200, &[("etag", "\"v1\"")], "body"),
    });
    let loading = Loading::start();
    let loader = loader(&origin, |settings| settings.freshness = Freshness::Origin);
    let ask = |held: Option<&[u8]>| {
        let mut fetch = fetch(1, &loader, &["item:1"], Urgency::Warm);
        fetch.items[0].held = held.map(|value| loading.runtime.digester().digest(value));
        assert!(loading.runtime.submit(vec![fetch]).is_ok());
        only(loading.answer())
    };
    assert_eq!(plain(ask(Some(b"body"))), "body");
    assert!(matches!(ask(Some(b"body")), Outcome::NotModified { ttl } if ttl == Duration::from_secs(9)));
    assert_eq!(plain(ask(Some(b"written by someone else"))), "body");
    assert_eq!(plain(ask(None)), "body");
    let conditional: Vec<bool> = origin.asked().iter().map(|asked| asked.header("if-none-match").is_some()).collect();
    assert_eq!(conditional, [false, true, false, false]);
    assert_eq!(loading.runtime.gauges("items").unwrap().not_modified.total(), 1);
}

#[test]
fn redirects_are_followed_within_the_host() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/1" => answer(302, &[("location", "/moved")], ""),
        "/moved" => answer(308, &[("location", "here?x")], ""),
        "/here?x" => ok("found"),
        "/loop" => answer(301, &[("location", "/loop")], ""),
        "/away" => answer(302, &[("location", "http://other.invalid/")], ""),
        "/port" => answer(302, &[("location", "http://127.0.0.1:1/")], ""),
        _ => answer(307, &[], ""),
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    let answer = loading.load(&loader, &["item:1"]);
    assert_eq!(answer.attempts, 3);
    assert_eq!(plain(only(answer)), "found");
    for id in ["loop", "away", "port", "nowhere"] {
        let failure = loading.failure(&loader, &format!("item:{id}"));
        assert_eq!(failure.kind, FailureKind::Redirect, "{id}");
        assert!(!failure.message.contains("other.invalid"));
    }
    assert_eq!(origin.asked().iter().filter(|asked| asked.path == "/loop").count(), 6);
}

#[test]
fn a_key_that_makes_no_url_fails_without_a_request() {
    let origin = Origin::start(|_| ok("x"));
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for key in [format!("item:{}", "x".repeat(1 << 20)), "other:1".to_owned()] {
        let answer = loading.load(&loader, &[&key]);
        assert_eq!((answer.attempts, answer.latency), (0, Duration::ZERO));
        assert_eq!(failed(only(answer)).kind, FailureKind::Request);
    }
    assert!(origin.asked().is_empty());
}

#[test]
fn a_test_shows_what_one_try_gives() {
    let origin = Origin::start(|asked| match (asked.path.as_str(), asked.header("if-none-match")) {
        ("/s3cret/2", _) => answer(404, &[], ""),
        ("/s3cret/3", _) => answer(500, &[], "oops"),
        (_, Some(_)) => answer(304, &[], ""),
        _ => answer(200, &[("etag", "e")], "hello"),
    });
    let url = origin.url("/s3cret/{id}");
    let loader = define("http://x/", |settings| settings.url = Secret::masked(url, "http://u:pw@x/***/{id}".into()));
    let loading = Loading::start();
    let report = loading.probe(&loader, "item:1");
    assert_eq!((report.status, report.bytes, report.not_modified), (Some(200), 5, false));
    assert_eq!((report.url.as_str(), report.ttl), ("http://u:***@x/***/1", Some(Duration::from_secs(3600))));
    assert_eq!(report.failure, None);
    loading.one(&loader, "item:1");
    let report = loading.probe(&loader, "item:1");
    assert_eq!((report.status, report.bytes, report.not_modified), (Some(304), 0, true));
    let report = loading.probe(&loader, "item:2");
    assert_eq!((report.status, report.ttl, report.failure), (Some(404), None, None));
    let report = loading.probe(&loader, "item:3");
    assert_eq!((report.status, report.failure.unwrap().kind), (Some(500), FailureKind::Status));
    assert_eq!(loading.probe(&loader, "other").failure.unwrap().kind, FailureKind::Request);
    assert_eq!(origin.asked().len(), 5);
}

#[test]
fn a_chunked_body_is_whole_at_its_last_chunk() {
    let origin = Origin::start(|_| {
        let (head, chunk) = origin::chunks("", b"part");
        Reply::Send([&head[..], &chunk, &chunk, b"0\r\n\r\n"].concat())
    });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    for _ in 0..3 {
        let value = value(loading.one(&loader, "item:1"));
        assert_eq!((&value.plain[..], value.permit.unwrap().num_permits()), (&b"partpart"[..], 8));
    }
    assert_eq!(origin.asked()[2].connection, 0);
}

/// A repetitive text in an encoding.
pub(crate) fn packed(encoding: &str) -> Vec<u8> {
    let text = bytes::Bytes::from("hello ".repeat(100));
    let form = if encoding == "gzip" { Compression::Gzip } else { Compression::Zstd };
    redis_warm::loader::compress::compress(&text, form).to_vec()
}
