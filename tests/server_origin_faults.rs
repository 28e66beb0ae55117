//! Faults of origins: each gives a clear error, ends its job, and writes nothing.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Answer, Client, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    an_origin_that_cannot_be_reached,
    an_origin_that_hangs,
    an_origin_that_never_ends,
    an_origin_that_breaks_off,
    an_origin_that_sends_garbage,
    an_origin_that_redirects,
    an_origin_nobody_trusts,
    an_origin_that_asks_for_patience,
    the_limit_of_a_body,
    a_batch_that_changes_its_mind,
);

/// Reads a key whose load must fail; gives the reason.
#[track_caller]
fn failure(client: &mut Client, key: &str) -> String {
    let error = client.run(&format!("WARM.GET {key} TIMEOUT 20s")).error();
    assert!(error.starts_with("LOADFAIL content ") && error.len() > "LOADFAIL content ".len() + 5, "{error}");
    assert!(!error.contains(key), "keys are user data: {error}");
    assert_eq!(client.run(&format!("EXISTS {key}")), 0);
    error
}

/// Checks that the loader still works, and that nothing is in flight.
#[track_caller]
fn assert_well(client: &mut Client) {
    assert_eq!(client.run("WARM.GET content:well TIMEOUT 20s"), "content of well");
    wait_until("nothing is in flight", || client.run("WARM.LOADER GET content").field("in_flight") == 0);
}

fn keys(count: usize) -> String {
    (0..count).map(|id| format!("content:{id}")).collect::<Vec<_>>().join(" ")
}

fn an_origin_that_cannot_be_reached(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let unused = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port");
    for place in [unused.to_string(), "no-such-host.invalid".to_owned(), "no-such-host.invalid:8080".to_owned()] {
        client.ok(&format!(
            "WARM.LOADER SET content MATCH content:{{id}} URL http://{place}/{{id}} RETRIES 1 TIMEOUT 2s"
        ));
        failure(&mut client, "content:1");
        let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys(3))).fine();
        assert_eq!((status.field("state").text(), status.field("failed").int()), ("done".into(), 3), "{place}");
    }
    client.ok("SET content:1 mine");
    assert_eq!(client.run("WARM.GET content:1"), "mine");
}

fn an_origin_that_hangs(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/hang", Answer::ok("never").behind(&gate));
    origin.on("/content/trickle", Answer::trickle());
    let mut client = server.load_content_from(&origin, "TIMEOUT 100ms");
    let start = Instant::now();
    for key in ["content:hang", "content:trickle"] {
        failure(&mut client, key);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "a try has an end: {:?}", start.elapsed());
    assert_well(&mut client);
}

fn an_origin_that_never_ends(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/endless", Answer::endless());
    origin.on("/content/huge", Answer::zeros(10 << 30));
    origin.on("/content/header", Answer::ok("x").header("X-Long", &"x".repeat(8 << 20)));
    let bomb = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..100 {
            encoder.write_all(&[0; 1 << 20]).expect("memory takes all");
        }
        encoder.finish().expect("memory takes all")
    };
    origin.on("/content/bomb", Answer::ok(bomb).header("Content-Encoding", "gzip"));
    let mut client = server.load_content_from(&origin, "MAXBYTES 64kb TIMEOUT 10s");
    for key in ["content:endless", "content:huge", "content:header", "content:bomb"] {
        failure(&mut client, key);
    }
    let used = client.info("memory", "used_memory_peak").expect("INFO has used_memory_peak");
    assert!(used.parse::<i64>().expect("a number") < 64 << 20, "{used} bytes");
    assert_well(&mut client);
}

fn an_origin_that_breaks_off(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/half", Answer::half("only half of this arrives"));
    origin.on("/content/hangup", Answer::hangup());
    origin.on("/content/head", Answer::raw("HTTP/1.1 200 OK\r\nContent-Le"));
    origin.on("/content/chunk", Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"));
    let mut client = server.load_content_from(&origin, "");
    for key in ["content:half", "content:hangup", "content:head", "content:chunk"] {
        failure(&mut client, key);
    }
    assert_well(&mut client);
}

fn an_origin_that_sends_garbage(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    for method in ["gzip", "br", "zstd"] {
        let garbage = Answer::ok("this is not compressed at all").header("Content-Encoding", method);
        origin.on(&format!("/content/{method}"), garbage);
    }
    origin.on("/content/unknown", Answer::ok("x").header("Content-Encoding", "magic"));
    origin.on("/content/raw", Answer::raw("\0\u{1}\u{2} what?\r\n\r\n"));
    origin.on("/content/chunk", Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
    origin.on("/content/status", Answer::raw("HTTP/1.1 999999 OK\r\nContent-Length: 1\r\n\r\nx"));
    let mut client = server.load_content_from(&origin, "TIMEOUT 2s");
    for key in ["gzip", "br", "zstd", "unknown", "raw", "chunk", "status"] {
        failure(&mut client, &format!("content:{key}"));
    }
    assert_well(&mut client);
}

fn an_origin_that_redirects(edition: Edition) {
    let server = Server::start(edition);
    let (origin, elsewhere) = (Origin::start(), Origin::start());
    origin.on("/content/near", Answer::redirect("/content/target"));
    origin.on("/content/absolute", Answer::redirect(&format!("{}/content/target", origin.url())));
    origin.on("/content/away", Answer::redirect(&format!("{}/content/target", elsewhere.url())));
    origin.on("/content/file", Answer::redirect("file:///etc/passwd"));
    origin.on("/content/loop", Answer::redirect("/content/loop"));
    origin.on("/content/nowhere", Answer::status(302));
    origin.on("/content/odd", Answer::redirect("http://[::bad"));
    let mut client = server.load_content_from(&origin, "");
    assert_eq!(client.run("WARM.GET content:near"), "content of target");
    assert_eq!(client.run("WARM.GET content:absolute"), "content of target");
    for key in ["away", "file", "loop", "nowhere", "odd"] {
        failure(&mut client, &format!("content:{key}"));
    }
    assert_eq!(elsewhere.total(), 0, "another host is never asked");
    assert!(origin.requests("/content/loop") <= 25);
    assert_well(&mut client);
}

fn an_origin_nobody_trusts(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start_untrusted();
    let mut client = server.load_content_from(&origin, "TIMEOUT 5s");
    failure(&mut client, "content:1");
    assert_eq!(origin.total(), 0, "not even the request was sent");
    let plain = Origin::start();
    let url = plain.url().replace("http:", "https:");
    client.ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/{{id}} RETRIES 0 TIMEOUT 5s"));
    failure(&mut client, "content:1");
}

fn an_origin_that_asks_for_patience(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let busy = |seconds: &str| Answer::status(503).header("Retry-After", seconds);
    origin.on_each("/content/1", vec![busy("1"), Answer::ok("after a second")]);
    origin.on("/content/2", busy("99999999999999999999"));
    origin.on("/content/3", busy("nonsense"));
    let mut client = server.client();
    let url = origin.url();
    client.ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/content/{{id}} RETRIES 1"));
    let start = Instant::now();
    assert_eq!(client.run("WARM.GET content:1 TIMEOUT 20s"), "after a second");
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    failure(&mut client, "content:2");
    failure(&mut client, "content:3");
}

fn the_limit_of_a_body(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "MAXBYTES 1kb");
    origin.on("/content/1", Answer::ok("x".repeat(1024)));
    origin.on("/content/2", Answer::ok("x".repeat(1025)));
    assert_eq!(client.run("WARM.GET content:1"), "x".repeat(1024));
    failure(&mut client, "content:2");
}

fn a_batch_that_changes_its_mind(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let url = origin.url();
    let all = |version: u32| (0..10).map(|id| (id.to_string(), json!({ "id": id, "version": version }))).collect();
    origin.on_each(
        "/object",
        vec![
            Answer::half(&serde_json::Value::Object(all(1)).to_string()),
            Answer::json(&serde_json::Value::Object(all(2))),
        ],
    );
    let mut client = server.client();
    client.ok(&format!(
        "WARM.LOADER SET content MATCH content:{{id}} URL {url}/document/{{id}} RETRIES 2 BATCH 10 BATCHURL \
         {url}/object?ids={{ids}}"
    ));
    let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys(10))).fine();
    assert_eq!(status.field("completed"), 10, "{status:?}");
    for id in 0..10 {
        let value = client.value_of(&format!("content:{id}")).expect("it was loaded");
        let value: serde_json::Value = serde_json::from_str(&value).expect("it is whole");
        assert_eq!(value, json!({ "id": id, "version": 2 }), "all of one answer");
    }
    assert_eq!(origin.requests("/object"), 2);
}
