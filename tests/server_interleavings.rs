//! Commands that meet a load at its worst moment: what is told, written and kept then.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::collections::BTreeMap;

use serde_json::json;

use support::{Answer, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    a_refused_refresh_leaves_the_hash_as_it_was,
    a_value_that_may_not_be_kept_longer_keeps_its_life,
    waiters_of_a_void_lease_are_served_by_the_loader,
    a_cancelled_key_that_is_wanted_again_is_loaded,
    a_flushed_key_that_is_wanted_again_is_loaded,
    a_deletion_queued_before_the_load_voids_it_when_executed,
    what_a_client_filled_is_absent_no_more,
    many_misses_of_one_command_are_not_slow,
    a_load_by_force_is_fetched_anew,
);

fn a_refused_refresh_leaves_the_hash_as_it_was(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TYPE hash TTL 100s");
    origin.on("/content/1", Answer::json(&json!({ "a": "old", "b": "old" })));
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::json(&json!({ "a": "new" })).behind(&gate));
    let job = client.run("WARM.LOAD FORCE KEYS content:1").field("job").int();
    gate.wait_for(1);
    client.ok("CONFIG SET maxmemory 100kb");
    // The server learns of its limit with the next command that may need memory.
    wait_until("the server is out of memory", || client.run("SET x y").as_error().is_some());
    gate.open();
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!(status.field("completed"), 0, "{status:?}");
    let fields = client.run("HGETALL content:1").fine();
    let fields: BTreeMap<String, String> =
        ["a", "b"].map(|field| (field.to_owned(), fields.field(field).text())).into();
    assert_eq!(fields.into_values().collect::<Vec<_>>(), ["old", "old"]);
}

fn a_value_that_may_not_be_kept_longer_keeps_its_life(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.script("/content/1", |request| match request.headers.get("if-none-match") {
        Some(_) => Answer::status(304).header("ETag", "\"v1\"").header("Cache-Control", "no-cache"),
        None => Answer::ok("body").header("ETag", "\"v1\"").header("Cache-Control", "max-age=60"),
    });
    let mut client = server.load_content_from(&origin, "TTL 100s JITTER 0 FRESHNESS origin");
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    assert_eq!(origin.requests("/content/1"), 2);
    assert_eq!(client.value_of("content:1").as_deref(), Some("body"));
    assert!(client.run("PTTL content:1").int() > 50_000);
}

fn waiters_of_a_void_lease_are_served_by_the_loader(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    assert_eq!(client.run("WARM.LEASE content:1 TTL 1h").field("state"), "won");
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    server.wait_for_blocked(1);
    assert_eq!(origin.total(), 0, "the holder of the lease fetches");
    client.run("DEL content:1").fine();
    assert_eq!(waiting.receive(), "content of 1");
}

fn a_cancelled_key_that_is_wanted_again_is_loaded(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("one").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let first = client.run("WARM.LOAD KEYS content:1").field("job").int();
    gate.wait_for(1);
    assert_eq!(client.run(&format!("WARM.JOB CANCEL {first}")), 1);
    let second = client.run("WARM.LOAD KEYS content:1").field("job").int();
    wait_until("the second load is under way or waits", || {
        client.run(&format!("WARM.JOB STATUS {second}")).field("total") == 1
    });
    gate.open();
    let status = client.run(&format!("WARM.JOB WAIT {second} 20s")).fine();
    assert_eq!(status.field("completed"), 1, "{status:?}");
    assert_eq!(client.value_of("content:1").as_deref(), Some("one"));
}

fn a_flushed_key_that_is_wanted_again_is_loaded(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("one").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    client.run("WARM.LOAD KEYS content:1").fine();
    gate.wait_for(1);
    client.ok("FLUSHALL");
    let job = client.run("WARM.LOAD KEYS content:1").field("job").int();
    gate.open();
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!(status.field("completed"), 1, "{status:?}");
    assert_eq!(client.value_of("content:1").as_deref(), Some("one"));
}

/// Redis 7.0 does not tell which client sent a command; there the deletion is seen only if the load had begun when it was
/// queued, which `server_rule2` tests.
fn a_deletion_queued_before_the_load_voids_it_when_executed(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("stale").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    if edition != Edition::Redis70 {
        client.ok("MULTI");
        assert_eq!(client.run("DEL content:1"), "QUEUED");
    }
    let mut reading = server.client();
    reading.send("WARM.GET content:1");
    gate.wait_for(1);
    if edition == Edition::Redis70 {
        client.ok("MULTI");
        assert_eq!(client.run("DEL content:1"), "QUEUED");
    }
    client.run("EXEC").fine();
    origin.on("/content/1", Answer::ok("fresh"));
    gate.open();
    assert_eq!(reading.receive(), "fresh");
    assert_eq!(client.value_of("content:1").as_deref(), Some("fresh"));
}

fn what_a_client_filled_is_absent_no_more(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/1", Answer::status(404));
    let mut client = server.load_content_from(&origin, "NEGATIVE 1h");
    assert!(client.run("WARM.GET content:1").fine().is_null());
    let token = client.run("WARM.LEASE content:1").field("token").text();
    client.ok(&format!("WARM.FILL content:1 {token} filled PX 20"));
    wait_until("the value has expired", || client.run("EXISTS content:1") == 0);
    origin.on("/content/1", Answer::ok("there"));
    assert_eq!(client.run("WARM.GET content:1"), "there");
}

fn many_misses_of_one_command_are_not_slow(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    for id in 0..6000 {
        origin.on(&format!("/content/{id}"), Answer::ok("x").behind(&gate));
    }
    let mut client = server.load_content_from(&origin, "");
    let keys: Vec<String> = (0..6000).map(|id| format!("content:{id}")).collect();
    let mut reading = server.client();
    reading.send(&format!("WARM.MGET {}", keys.join(" ")));
    gate.wait_for(1);
    assert_eq!(client.run("PING"), "PONG");
    gate.open();
    let values = reading.receive().fine().items();
    assert_eq!((values.len(), values.iter().filter(|value| **value == "x").count()), (6000, 6000));
}

fn a_load_by_force_is_fetched_anew(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("older").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut reading = server.client();
    reading.send("WARM.GET content:1");
    gate.wait_for(1);
    origin.on("/content/1", Answer::ok("newer"));
    let status = client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    assert_eq!(status.field("completed"), 1, "{status:?}");
    gate.open();
    assert_eq!(reading.receive(), "newer");
    assert_eq!(client.value_of("content:1").as_deref(), Some("newer"));
}
