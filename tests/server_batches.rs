//! Batches: many keys by one request, in three formats, from origins that answer with less, more, or something else.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use serde_json::{Value, json};
use support::origin::document;
use support::{Answer, Client, Edition, Gate, Origin, Reply, Server, on_each_server, wait_until};

on_each_server!(
    every_format_is_understood,
    array_items_go_by_position_without_an_id,
    reordered_and_unwanted_items_do_no_harm,
    missing_items_are_absent,
    a_broken_batch_fails_its_keys,
    part_of_each_document_is_cached,
    a_key_written_meanwhile_is_left_out,
    a_cancelled_batch_writes_nothing,
    a_large_collection_is_taken_in_slices,
    a_full_queue_rejects,
);

const FIVE: &str = "content:1 content:2 content:3 content:4 content:5";

/// Defines a loader of `content:{id}` in batches of five from `path`.
fn load_batches(server: &Server, origin: &Origin, path: &str, options: &str) -> Client {
    let url = origin.url();
    server.load_content_from(origin, &format!("BATCH 5 BATCHURL {url}{path}?ids={{ids}} {options}"))
}

fn load_five(client: &mut Client) -> Reply {
    client.run(&format!("WARM.LOAD WAIT 20s KEYS {FIVE}")).fine()
}

fn stored(client: &mut Client, id: u32) -> Option<Value> {
    let text = client.value_of(&format!("content:{id}"))?;
    Some(serde_json::from_str(&text).expect("the value is JSON"))
}

#[track_caller]
fn assert_five_documents(client: &mut Client) {
    for id in 1..=5 {
        assert_eq!(stored(client, id), Some(document(id)), "content:{id}");
    }
}

fn every_format_is_understood(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    for (format, options) in [
        ("object", "BATCHFORMAT object"),
        ("array", "BATCHFORMAT array BATCHID /id"),
        ("ndjson", "BATCHFORMAT ndjson BATCHID /id"),
    ] {
        let path = format!("/{format}");
        let mut client = load_batches(&server, &origin, &path, options);
        client.ok("FLUSHALL");
        let keys: Vec<String> = (1..=10).map(|id| format!("content:{id}")).collect();
        let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys.join(" "))).fine();
        assert_eq!(status.field("completed"), 10, "{format}: {status:?}");
        assert_five_documents(&mut client);
        assert_eq!(origin.requests(&path), 2, "{format}: ten keys by five");
    }
    assert_eq!(origin.total(), 6);
}

fn array_items_go_by_position_without_an_id(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = load_batches(&server, &origin, "/array", "BATCHFORMAT array");
    assert_eq!(load_five(&mut client).field("completed"), 5);
    assert_five_documents(&mut client);
    client.ok("FLUSHALL");
    origin.on("/array", Answer::json(&json!([document(1), document(2)])));
    let status = load_five(&mut client);
    assert_eq!(status.field("completed"), 0, "two items for five ids cannot be told apart: {status:?}");
    assert_eq!(client.run("DBSIZE"), 0);
}

fn reordered_and_unwanted_items_do_no_harm(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let documents: Vec<Value> = [9, 5, 3, 1, 2, 7, 4, 3].map(document).to_vec();
    let object = documents.iter().map(|document| (document["id"].as_str().unwrap_or("").to_owned(), document.clone()));
    origin.on("/object", Answer::json(&object.collect()));
    let lines: String = documents.iter().map(|document| format!("{document}\r\n\n")).collect();
    origin.on("/ndjson", Answer::ok(lines));
    origin.on("/array", Answer::json(&Value::Array(documents)));
    for (path, options) in [
        ("/object", "BATCHFORMAT object"),
        ("/array", "BATCHFORMAT array BATCHID /id"),
        ("/ndjson", "BATCHFORMAT ndjson BATCHID /id"),
    ] {
        let mut client = load_batches(&server, &origin, path, options);
        client.ok("FLUSHALL");
        let status = load_five(&mut client);
        assert_eq!(status.field("completed"), 5, "{path}: {status:?}");
        assert_five_documents(&mut client);
        assert_eq!(client.run("DBSIZE"), 5, "{path}: what nobody asked for is not written");
    }
}

fn missing_items_are_absent(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/object", Answer::json(&json!({ "1": document(1), "3": document(3), "5": null })));
    let mut client = load_batches(&server, &origin, "/object", "NEGATIVE 1h");
    let status = load_five(&mut client);
    assert_eq!((status.field("state").text(), status.field("failed").int()), ("done".into(), 0), "{status:?}");
    assert_eq!((stored(&mut client, 1), stored(&mut client, 3)), (Some(document(1)), Some(document(3))));
    assert!(client.run("WARM.GET content:2").is_null(), "the origin has said that there is none");
    assert!(client.run("WARM.GET content:4").is_null());
    assert_eq!(origin.total(), 1);
}

fn a_broken_batch_fails_its_keys(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = load_batches(&server, &origin, "/object", "");
    for answer in [
        Answer::ok("{\"1\": {\"id\": "),
        Answer::ok("[]"),
        Answer::ok("null"),
        Answer::ok(""),
        Answer::ok("\u{0}\u{1}"),
        Answer::ok("[".repeat(100_000)),
        Answer::status(500),
        Answer::half(&json!({ "1": document(1), "2": document(2) }).to_string()),
        Answer::hangup(),
    ] {
        origin.on("/object", answer);
        let status = load_five(&mut client);
        assert_eq!((status.field("state").text(), status.field("failed").int()), ("done".into(), 5), "{status:?}");
        assert_eq!(client.run("DBSIZE"), 0);
    }
    for (format, answer) in [("array", "{}"), ("ndjson", "{\"id\":\"1\"}\nnonsense\n")] {
        origin.on("/object", Answer::ok(answer));
        let mut client = load_batches(&server, &origin, "/object", &format!("BATCHFORMAT {format} BATCHID /id"));
        let status = load_five(&mut client);
        assert!(status.field("failed").int() >= 4, "{format}: {status:?}");
    }
}

fn part_of_each_document_is_cached(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let wrapped = |id: u32| json!({ "meta": { "id": id }, "data": { "attributes": document(id) } });
    origin.on("/array", Answer::json(&(1..=5).map(wrapped).collect()));
    origin.on("/document/6", Answer::json(&wrapped(6)));
    let options = "BATCHFORMAT array BATCHID /meta/id BODY /data/attributes";
    let mut client = load_batches(&server, &origin, "/array", options);
    assert_eq!(load_five(&mut client).field("completed"), 5, "numbers are ids, too");
    assert_five_documents(&mut client);
    let url = origin.url();
    client
        .ok(&format!("WARM.LOADER SET one MATCH one:{{id}} URL {url}/document/{{id}} RETRIES 0 BODY /data/attributes"));
    let value: Value = serde_json::from_str(&client.run("WARM.GET one:6").text()).expect("the part is JSON");
    assert_eq!(value, document(6));
    origin.on("/document/7", Answer::json(&json!({ "data": {} })));
    let error = client.run("WARM.GET one:7").error();
    assert!(error.starts_with("LOADFAIL one ") && error.contains("BODY"), "{error}");
}

fn a_key_written_meanwhile_is_left_out(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let all = (1..=5).map(|id| (id.to_string(), document(id))).collect();
    origin.on("/object", Answer::json(&all).behind(&gate));
    let mut client = load_batches(&server, &origin, "/object", "");
    let job = client.run(&format!("WARM.LOAD KEYS {FIVE}")).field("job").int();
    gate.wait_for(1);
    client.ok("SET content:2 mine");
    gate.open();
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s"));
    assert_eq!((status.field("completed").int(), status.field("dropped").int()), (4, 1));
    assert_eq!(client.value_of("content:2").as_deref(), Some("mine"));
    assert_eq!(stored(&mut client, 3), Some(document(3)));
}

fn a_cancelled_batch_writes_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let all = (1..=5).map(|id| (id.to_string(), document(id))).collect();
    origin.on("/object", Answer::json(&all).behind(&gate));
    let mut client = load_batches(&server, &origin, "/object", "");
    let job = client.run(&format!("WARM.LOAD KEYS {FIVE}")).field("job").int();
    gate.wait_for(1);
    assert_eq!(client.run(&format!("WARM.JOB CANCEL {job}")), 5);
    gate.open();
    wait_until("nothing is in flight", || client.run("WARM.LOADER GET content").field("in_flight") == 0);
    assert!(!client.run("WARM.GET content:2").fine().is_null(), "the key is free for others");
    assert_eq!(client.run("EXISTS content:1 content:3 content:4 content:5"), 0);
}

/// A collection of 50,000 members is read a part at a time; the job knows all of them in the end, and can be given up.
fn a_large_collection_is_taken_in_slices(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = load_batches(&server, &origin, "/object", "");
    let ids: Vec<String> = (0..50_000).map(|id| format!("content:{id}")).collect();
    for part in ids.chunks(10_000) {
        client.run(&format!("SADD wanted {}", part.join(" "))).fine();
        client.run(&format!("RPUSH ordered {}", part.join(" "))).fine();
    }
    client.ok("WARM.PAUSE");
    client.ok("CONFIG SET slowlog-log-slower-than 100000");
    client.ok("SLOWLOG RESET");
    for collection in ["wanted", "ordered"] {
        let mut loading = server.client();
        loading.send(&format!("WARM.LOAD FROM {collection}"));
        for _ in 0..100 {
            assert_eq!(client.run("PING"), "PONG");
        }
        let reply = loading.receive().fine();
        assert_eq!(reply.field("accepted"), 50_000, "{reply:?}");
        let job = reply.field("job").int();
        assert_eq!(client.run(&format!("WARM.JOB STATUS {job}")).field("total"), 50_000);
        assert_eq!(client.run(&format!("WARM.JOB CANCEL {job}")), 50_000);
    }
    let slow = client.run("SLOWLOG GET").items();
    assert!(slow.is_empty(), "no command held the others up for 100 ms: {slow:?}");
    assert_eq!(origin.total(), 0);
}

fn a_full_queue_rejects(edition: Edition) {
    let server = Server::setup(edition).line("warm.queue-length 1000").start();
    let origin = Origin::start();
    let mut client = load_batches(&server, &origin, "/object", "");
    client.ok("WARM.PAUSE");
    let keys: Vec<String> = (0..1500).map(|id| format!("content:{id}")).collect();
    let reply = client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).fine();
    assert_eq!((reply.field("accepted").int(), reply.field("rejected").int()), (1000, 500), "{reply:?}");
    let job = reply.field("job").int();
    assert_eq!(client.run(&format!("WARM.JOB STATUS {job}")).field("total"), 1000);
    assert!(!client.run("WARM.GET content:2000").fine().is_null(), "readers do not stand in that queue");
}
