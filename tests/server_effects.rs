//! What a load leaves behind: plain effects with an absolute end of life, on replicas, in the AOF and in the RDB, that
//! a server without the module understands.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use support::origin::content;
use support::{Answer, Client, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    a_replica_receives_plain_effects_once,
    a_replica_fetches_nothing_until_it_is_promoted,
    a_load_in_flight_does_not_outlive_a_demotion,
    the_aof_holds_plain_effects,
    the_rdb_knows_nothing_of_the_module,
    a_fill_is_an_effect_too,
    lives_are_spread_within_the_jitter,
    a_life_may_come_from_the_origin,
    hashes_are_written_whole,
    what_is_no_flat_object_is_no_hash,
    json_needs_the_servers_json,
    unchanged_content_is_not_moved_again,
    a_value_changed_by_others_is_not_revalidated,
    a_write_is_announced_as_a_set,
);

/// Loads a string by a read, two by a job, and a hash.
fn load_some(client: &mut Client, origin: &Origin) {
    let url = origin.url();
    client.ok(&format!("WARM.LOADER SET documents MATCH document:{{id}} URL {url}/document/{{id}} TYPE hash TTL 100s"));
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
    let status = client.run("WARM.LOAD WAIT 20s KEYS content:2 content:3 document:1").fine();
    assert_eq!(status.field("completed"), 3, "{status:?}");
}

#[track_caller]
fn assert_loaded(client: &mut Client) {
    for id in 1..=3 {
        let key = format!("content:{id}");
        assert_eq!(client.value_of(&key), Some(content(id)));
        assert!((1..=100_000).contains(&client.run(&format!("PTTL {key}")).int()));
    }
    assert_eq!(hash(client, "document:1")["title"], "title of 1");
    assert!((1..=100_000).contains(&client.run("PTTL document:1").int()));
    assert_eq!(client.run("DBSIZE"), 4);
}

fn hash(client: &mut Client, key: &str) -> BTreeMap<String, String> {
    let all = client.run(&format!("HGETALL {key}")).fine();
    all.fields().into_iter().map(|field| (field.clone(), all.field(&field).text())).collect()
}

fn a_replica_receives_plain_effects_once(edition: Edition) {
    let master = Server::setup(edition).with_port().start();
    let replica = Server::setup(edition).plain().replica_of(&master).start();
    replica.wait_for_sync();
    let mut monitor = replica.resp2_client();
    monitor.ok("MONITOR");
    let origin = Origin::start();
    let mut client = master.load_content_from(&origin, "TTL 100s");
    load_some(&mut client, &origin);
    client.ok("SET the-end 1");

    let mut commands = Vec::new();
    while !commands.last().is_some_and(|command: &String| command.contains("the-end")) {
        commands.push(monitor.receive().text());
    }
    let of = |key: &str| commands.iter().filter(|command| command.contains(&format!("\"{key}\""))).collect::<Vec<_>>();
    for id in 1..=3 {
        let effects = of(&format!("content:{id}"));
        assert_eq!(effects.len(), 1, "{commands:?}");
        let effect = effects[0].to_uppercase();
        assert!(effect.contains("\"SET\"") && effect.contains("\"PXAT\""), "{effect}");
    }
    let effects = of("document:1").iter().map(|command| command.to_uppercase()).collect::<String>();
    assert!(effects.contains("\"HSET\"") && effects.contains("\"PEXPIREAT\""), "{effects}");
    assert!(!commands.iter().any(|command| command.to_uppercase().contains("WARM")), "{commands:?}");

    let mut copy = replica.client();
    for key in ["content:1", "content:2", "content:3", "document:1"] {
        let command = format!("PEXPIRETIME {key}");
        assert_eq!(copy.run(&command), client.run(&command), "the same end of life to the millisecond");
    }
    client.run("DEL the-end").fine();
    wait_until("the replica has caught up", || copy.run("EXISTS the-end") == 0);
    assert_loaded(&mut copy);
}

fn a_replica_fetches_nothing_until_it_is_promoted(edition: Edition) {
    let master = Server::setup(edition).with_port().start();
    let replica = Server::start(edition);
    let origin = Origin::start();
    let mut client = replica.load_content_from(&origin, "");
    client.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.wait_for_sync();
    master.client().ok("SET content:0 mine");
    wait_until("the replica has caught up", || client.value_of("content:0").is_some());

    assert_eq!(client.run("WARM.GET content:0"), "mine");
    let miss = client.run("WARM.GET content:1");
    assert!(miss.is_null() || miss.error().starts_with("READONLY "), "{miss:?}");
    assert!(client.run("WARM.LOAD KEYS content:1").error().starts_with("READONLY "));
    assert!(client.run("WARM.LEASE content:1").error().starts_with("READONLY "));
    assert!(client.run("WARM.FILL content:1 1 v").error().starts_with("READONLY "));
    assert_eq!(origin.total(), 0);

    client.ok("REPLICAOF NO ONE");
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
}

fn a_load_in_flight_does_not_outlive_a_demotion(edition: Edition) {
    let master = Server::setup(edition).with_port().start();
    let replica = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = replica.load_content_from(&origin, "");
    let job = client.run("WARM.LOAD KEYS content:1 content:2").field("job").int();
    gate.wait_for(1);
    client.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.wait_for_sync();
    gate.open();
    wait_until("the job has ended", || client.run(&format!("WARM.JOB STATUS {job}")).field("state") != "running");
    assert_eq!(client.run("DBSIZE"), 0, "a replica holds what its master holds");
}

fn the_aof_holds_plain_effects(edition: Edition) {
    let server = Server::setup(edition).line("appendonly yes").start();
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TTL 100s");
    load_some(&mut client, &origin);
    let text = String::from_utf8_lossy(&read_all(&server.folder().join("appendonlydir"))).to_uppercase();
    assert!(text.contains("CONTENT:2") && text.contains("PXAT") && text.contains("PEXPIREAT"), "{text}");
    assert!(!text.contains("WARM"), "{text}");

    let server = server.restart_plain();
    assert_loaded(&mut server.client());
}

fn the_rdb_knows_nothing_of_the_module(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TTL 100s");
    load_some(&mut client, &origin);
    client.run("WARM.LEASE leased").fine();
    client.ok("SAVE");
    let rdb = std::fs::read(server.folder().join("dump.rdb")).expect("the server has saved");
    let text = String::from_utf8_lossy(&rdb).to_lowercase();
    assert!(text.contains("content:1") && !text.contains("warm"), "{text}");

    let server = server.restart_plain();
    assert_loaded(&mut server.client());
}

fn read_all(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    files.flat_map(|file| std::fs::read(file.expect("it can be listed").path()).expect("it can be read")).collect()
}

fn a_fill_is_an_effect_too(edition: Edition) {
    let server = Server::setup(edition).line("appendonly yes").start();
    let mut client = server.client();
    for options in ["EX 100", "PX 100000", ""] {
        let token = client.run("WARM.LEASE k").field("token").text();
        client.ok(&format!("WARM.FILL k {token} filled {options}"));
        if options.is_empty() {
            break;
        }
        client.run("DEL k").fine();
    }
    let text = String::from_utf8_lossy(&read_all(&server.folder().join("appendonlydir"))).to_uppercase();
    assert!(text.contains("PXAT") && !text.contains("WARM"), "{text}");
    let server = server.restart_plain();
    assert_eq!(server.client().value_of("k").as_deref(), Some("filled"));
}

fn lives_are_spread_within_the_jitter(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    for (jitter, least) in [(0, 100_000), (20, 80_000), (100, 1)] {
        let mut client = server.load_content_from(&origin, &format!("TTL 100s JITTER {jitter}"));
        client.ok("FLUSHALL");
        let keys: Vec<String> = (0..60).map(|id| format!("content:{id}")).collect();
        let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys.join(" "))).fine();
        let (start, end) = (status.field("started_at").int(), status.field("finished_at").int());
        let ends = keys.iter().map(|key| client.run(&format!("PEXPIRETIME {key}")).int()).filter(|end| *end > 0);
        let ends: Vec<i64> = ends.collect();
        let (first, last) = (ends.iter().min().expect("keys"), ends.iter().max().expect("keys"));
        assert!(*first >= start + least && *last <= end + 100_000, "JITTER {jitter}: {first}..{last}");
        let spread = last - first;
        match jitter {
            0 => assert!(spread <= end - start, "{spread}"),
            _ => assert!(spread > 5_000, "JITTER {jitter}: 60 lives within {spread} ms"),
        }
    }
}

fn a_life_may_come_from_the_origin(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let with = |value: &str| Answer::ok("body").header("Cache-Control", value);
    origin.on("/content/short", with("public, max-age=60"));
    origin.on("/content/long", with("max-age=99999"));
    origin.on("/content/never", with("no-store"));
    origin.on("/content/odd", with("max-age=-5, max-age=nonsense, =,,"));
    origin.on("/content/past", Answer::ok("body").header("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"));
    let mut client = server.load_content_from(&origin, "TTL 100s JITTER 0 FRESHNESS origin");
    for (id, least, most) in [("short", 55_000, 60_000), ("long", 95_000, 100_000), ("none", 95_000, 100_000)] {
        client.run(&format!("WARM.GET content:{id}")).fine();
        let ttl = client.run(&format!("PTTL content:{id}")).int();
        assert!((least..=most).contains(&ttl), "{id}: {ttl}");
    }
    for id in ["never", "past"] {
        assert_eq!(client.run(&format!("WARM.GET content:{id}")), "body", "{id} is handed out");
        assert_eq!(client.run(&format!("EXISTS content:{id}")), 0, "{id} is not stored");
    }
    assert_eq!(client.run("WARM.GET content:odd"), "body");
}

fn hashes_are_written_whole(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TYPE hash TTL 100s");
    origin.on("/content/1", Answer::json(&json!({ "a": "text", "b": 7, "c": 2.5, "d": true, "gone": "x" })));
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    let fields = hash(&mut client, "content:1");
    for (field, value) in [("a", "text"), ("b", "7"), ("c", "2.5"), ("d", "true"), ("gone", "x")] {
        assert_eq!(fields[field], value);
    }
    origin.on("/content/1", Answer::json(&json!({ "a": "new" })));
    client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    let fields = hash(&mut client, "content:1");
    assert_eq!(fields, BTreeMap::from([("a".to_owned(), "new".to_owned())]), "nothing of the old one is left");
    assert!((85_000..=100_000).contains(&client.run("PTTL content:1").int()));
}

fn what_is_no_flat_object_is_no_hash(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TYPE hash");
    for body in ["[1,2]", "7", "\"text\"", "{\"a\":", "nonsense", "", "null", "{}"] {
        origin.on("/content/1", Answer::ok(body));
        let status = client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
        assert_eq!(status.field("completed"), 0, "{body}: {status:?}");
        assert_eq!(client.run("EXISTS content:1"), 0, "{body}");
    }
}

fn json_needs_the_servers_json(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    assert!(client.run("COMMAND INFO JSON.SET").items()[0].is_null(), "no server under test has JSON.SET");
    let set = "WARM.LOADER SET documents MATCH document:{id} URL http://127.0.0.1:9/document/{id} TYPE json";
    let error = client.run(set).error();
    assert!(error.contains("TYPE 'json'") && error.contains("JSON.SET"), "{error}");
    assert!(client.run("WARM.LOADER LIST").items().is_empty());
}

fn unchanged_content_is_not_moved_again(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.script("/content/1", |request| match request.headers.get("if-none-match").map(String::as_str) {
        Some("\"v1\"") => Answer::status(304).header("ETag", "\"v1\""),
        _ => Answer::ok("body").header("ETag", "\"v1\""),
    });
    let mut client = server.load_content_from(&origin, "TTL 100s JITTER 0");
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    client.run("WARM.LOAD TTL 10s FORCE WAIT 20s KEYS content:1").fine();
    assert!(client.run("PTTL content:1").int() <= 10_000);
    let status = client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    assert_eq!(status.field("completed"), 1, "{status:?}");
    assert!(client.run("PTTL content:1").int() > 90_000, "its life is renewed");
    assert_eq!(client.value_of("content:1").as_deref(), Some("body"));
    let asked: Vec<bool> =
        origin.history().iter().map(|request| request.headers.contains_key("if-none-match")).collect();
    assert_eq!(asked, [false, true, true]);
}

/// A validator belongs to the value that the origin gave, not to what a client has put there since.
fn a_value_changed_by_others_is_not_revalidated(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.script("/content/1", |request| match request.headers.get("if-none-match") {
        Some(_) => Answer::status(304),
        None => Answer::ok("body").header("ETag", "\"v1\""),
    });
    let mut client = server.load_content_from(&origin, "TTL 100s");
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    client.ok("SET content:1 mine EX 100");
    client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    assert_eq!(client.value_of("content:1").as_deref(), Some("body"));
    client.run("DEL content:1").fine();
    assert_eq!(client.run("WARM.GET content:1"), "body", "what is gone is fetched whole");
}

fn a_write_is_announced_as_a_set(edition: Edition) {
    let server = Server::setup(edition).line("notify-keyspace-events KEA").start();
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let mut listener = server.resp2_client();
    listener.run("SUBSCRIBE __keyspace@0__:content:1").fine();
    client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    assert_eq!(listener.receive().texts()[2], "set");
}
