//! Rule 2: a warm write never replaces newer data. Whatever anyone does to a key while it is being fetched, the fetched
//! value is dropped, and what they did stays done.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Answer, Edition, Gate, Origin, Reply, Server, on_each_server, wait_until};

on_each_server!(
    writes_to_an_absent_key_void_its_load,
    deletes_of_an_absent_key_void_its_load,
    changes_of_a_present_key_void_a_forced_load,
    flushes_void_every_load,
    what_does_not_concern_the_key_voids_nothing,
    transactions_of_others_void_nothing,
    a_write_voids_a_read_through,
    a_write_between_two_waiters_voids_both,
    a_void_load_leaves_the_key_free_for_the_next,
    another_type_in_the_way_stays,
);

/// What someone does to the key `{k}` while it is being fetched.
struct Deed {
    /// Commands to run before the fetch begins.
    before: &'static [&'static str],
    /// Commands to run while it is in flight.
    during: &'static [&'static str],
    /// What the key must hold at the end.
    after: Option<&'static str>,
}

const fn deed(before: &'static [&'static str], during: &'static [&'static str], after: Option<&'static str>) -> Deed {
    Deed { before, during, after }
}

/// Runs each deed against a load by `load` (a command with `{k}`), and checks that the load was dropped.
#[track_caller]
fn assert_all_void(edition: Edition, load: &str, deeds: &[Deed]) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let mut other = server.client();
    for (number, deed) in deeds.iter().enumerate() {
        let key = format!("content:{number}");
        let gate = Gate::closed();
        origin.on(&format!("/content/{number}"), Answer::ok("stale").behind(&gate));
        for command in deed.before {
            other.run(&command.replace("{k}", &key)).fine();
        }
        let job = client.run(&load.replace("{k}", &key)).fine().field("job").int();
        gate.wait_for(1);
        for command in deed.during {
            other.run(&command.replace("{k}", &key)).fine();
        }
        gate.open();
        let status = ended(client.run(&format!("WARM.JOB WAIT {job} 20s")));
        assert_eq!(client.value_of(&key).as_deref(), deed.after, "after {:?}", deed.during);
        assert_eq!((status.field("completed").int(), status.field("dropped").int()), (0, 1), "{:?}", deed.during);
        assert_eq!(client.run("SELECT 1"), "OK");
        assert_ne!(client.value_of(&key).as_deref(), Some("stale"), "in the other database, after {:?}", deed.during);
        assert_eq!(client.run("SELECT 0"), "OK");
        assert_eq!(origin.requests(&format!("/content/{number}")), 1);
    }
}

#[track_caller]
fn ended(status: Reply) -> Reply {
    let status = status.fine();
    assert_eq!(status.field("state"), "done");
    status
}

fn writes_to_an_absent_key_void_its_load(edition: Edition) {
    let mine = Some("mine");
    let source = &["SET source mine"];
    let deeds = [
        deed(&[], &["SET {k} mine"], mine),
        deed(&[], &["SET {k} mine EX 100"], mine),
        deed(&[], &["SETEX {k} 100 mine"], mine),
        deed(&[], &["SETNX {k} mine"], mine),
        deed(&[], &["MSET a b {k} mine"], mine),
        deed(&[], &["GETSET {k} mine"], mine),
        deed(&[], &["APPEND {k} mine"], mine),
        deed(&[], &["SETRANGE {k} 0 mine"], mine),
        deed(&[], &["INCRBY {k} 17"], Some("17")),
        deed(&[], &["SET {k} mine", "DEL {k}"], None),
        deed(&[], &["SET {k} mine", "GETDEL {k}"], None),
        deed(source, &["RENAME source {k}"], mine),
        deed(source, &["RENAMENX source {k}"], mine),
        deed(source, &["COPY source {k}"], mine),
        deed(source, &["BITOP OR {k} source"], mine),
        deed(source, &["EVAL return(redis.call('RESTORE',KEYS[1],0,redis.call('DUMP',KEYS[2]))) 2 {k} source"], mine),
        deed(&["SELECT 1", "SET {k} mine"], &["MOVE {k} 0", "SELECT 0"], mine),
        deed(
            &["SELECT 1", "SET {k} mine", "SELECT 0"],
            &["SELECT 1", "COPY {k} {k} DB 0", "DEL {k}", "SELECT 0"],
            mine,
        ),
        deed(&[], &["EVAL return(redis.call('SET',KEYS[1],'mine')) 1 {k}"], mine),
        deed(&[], &["MULTI", "SET {k} mine", "EXEC"], mine),
    ];
    assert_all_void(edition, "WARM.LOAD KEYS {k}", &deeds);
    assert_all_void(edition, "WARM.LOAD FORCE KEYS {k}", &deeds);
}

/// A delete is how an application says "what you are fetching is old", also when there is nothing to delete yet.
fn deletes_of_an_absent_key_void_its_load(edition: Edition) {
    let deeds = [
        deed(&[], &["DEL {k}"], None),
        deed(&[], &["UNLINK {k}"], None),
        deed(&[], &["DEL a {k} b"], None),
        deed(&[], &["MULTI", "DEL {k}", "EXEC"], None),
        deed(&[], &["EVAL return(redis.call('DEL',KEYS[1])) 1 {k}"], None),
    ];
    assert_all_void(edition, "WARM.LOAD KEYS {k}", &deeds);
}

fn changes_of_a_present_key_void_a_forced_load(edition: Edition) {
    let old = &["SET {k} old EX 1000"];
    let deeds = [
        deed(old, &["SET {k} mine"], Some("mine")),
        deed(old, &["SET {k} mine KEEPTTL"], Some("mine")),
        deed(old, &["DEL {k}"], None),
        deed(old, &["UNLINK {k}"], None),
        deed(old, &["GETDEL {k}"], None),
        deed(old, &["DEL {k}", "SET {k} old"], Some("old")),
        deed(old, &["APPEND {k} er"], Some("older")),
        deed(old, &["RENAME {k} away"], None),
        deed(old, &["RENAME {k} away", "RENAME away {k}"], Some("old")),
        deed(&["SET {k} old", "SET x mine"], &["RENAME x {k}"], Some("mine")),
        deed(&["SET {k} old", "SET x mine"], &["COPY x {k} REPLACE"], Some("mine")),
        deed(
            &["SET {k} old", "SET x mine"],
            &["EVAL return(redis.call('RESTORE',KEYS[1],0,redis.call('DUMP',KEYS[2]),'REPLACE')) 2 {k} x"],
            Some("mine"),
        ),
        deed(old, &["EXPIRE {k} 500"], Some("old")),
        deed(old, &["PEXPIREAT {k} 99999999999999"], Some("old")),
        deed(old, &["GETEX {k} EX 500"], Some("old")),
        deed(old, &["EXPIRE {k} -1"], None),
        deed(old, &["PERSIST {k}"], Some("old")),
        deed(old, &["MOVE {k} 1"], None),
        deed(old, &["EVAL return(redis.call('SET',KEYS[1],'mine')) 1 {k}"], Some("mine")),
        deed(old, &["MULTI", "SET {k} mine", "EXPIRE {k} 100", "EXEC"], Some("mine")),
        deed(old, &["SETBIT {k} 7 0"], Some("nld")),
    ];
    assert_all_void(edition, "WARM.LOAD FORCE KEYS {k}", &deeds);
}

fn flushes_void_every_load(edition: Edition) {
    let there = &["SELECT 1", "SET {k} mine", "SELECT 0"];
    let deeds = [
        deed(&[], &["FLUSHDB"], None),
        deed(&[], &["FLUSHDB ASYNC"], None),
        deed(&[], &["FLUSHALL"], None),
        deed(&[], &["SELECT 1", "FLUSHALL ASYNC", "SELECT 0"], None),
        deed(&[], &["SWAPDB 0 1"], None),
        deed(&[], &["SWAPDB 1 0"], None),
        deed(there, &["SWAPDB 0 1"], Some("mine")),
        deed(&["FLUSHALL"], &["EVAL return(redis.call('FLUSHDB')) 0"], None),
    ];
    assert_all_void(edition, "WARM.LOAD KEYS {k}", &deeds);
    let old = &["FLUSHALL", "SET {k} old EX 1000"];
    let deeds = [deed(old, &["FLUSHDB"], None), deed(old, &["FLUSHALL"], None), deed(old, &["SWAPDB 0 1"], None)];
    assert_all_void(edition, "WARM.LOAD FORCE KEYS {k}", &deeds);
}

fn what_does_not_concern_the_key_voids_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let mut other = server.client();
    for present in [false, true] {
        let gate = Gate::closed();
        origin.on("/content/1", Answer::ok("new").behind(&gate));
        other.ok("FLUSHALL");
        if present {
            other.ok("SET content:1 old EX 1000");
        }
        let job = client.run("WARM.LOAD FORCE KEYS content:1").field("job").int();
        gate.wait_for(1);
        for command in [
            "GET content:1",
            "EXISTS content:1",
            "TTL content:1",
            "STRLEN content:1",
            "TYPE content:1",
            "TOUCH content:1",
            "WARM.PROGRESS content:1",
            "SET content:11 mine",
            "DEL content:11",
            "RENAME content:11 content:12",
            "SELECT 1",
            "SET content:1 mine",
            "EXPIRE content:1 100",
            "FLUSHDB",
            "SWAPDB 2 3",
            "SELECT 0",
        ] {
            // Errors (there is no content:11 to rename) are as good here as successes.
            other.run(command);
        }
        gate.open();
        let status = ended(client.run(&format!("WARM.JOB WAIT {job} 20s")));
        assert_eq!(status.field("completed"), 1, "{status:?}");
        assert_eq!(client.value_of("content:1").as_deref(), Some("new"));
    }
}

/// Not even after clients have left in the middle of a transaction, and many keys were deleted since.
fn transactions_of_others_void_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("new").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut leaving = server.client();
    leaving.ok("MULTI");
    leaving.run("MULTI").error();
    drop(leaving);
    for id in 0..1000 {
        client.run(&format!("DEL other:{id}")).fine();
    }
    client.run("DEL content:1").fine();
    let job = client.run("WARM.LOAD KEYS content:1").field("job").int();
    gate.wait_for(1);
    client.ok("MULTI");
    assert_eq!(client.run("SET other:1 mine"), "QUEUED");
    client.run("EXEC").fine();
    gate.open();
    let status = ended(client.run(&format!("WARM.JOB WAIT {job} 20s")));
    assert_eq!(status.field("completed"), 1, "{status:?}");
}

fn a_write_voids_a_read_through(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("stale").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    gate.wait_for(1);
    client.ok("SET content:1 mine");
    gate.open();
    waiting.receive().fine();
    assert_eq!(client.value_of("content:1").as_deref(), Some("mine"));
    assert_eq!(waiting.run("WARM.GET content:1"), "mine");
}

fn a_write_between_two_waiters_voids_both(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("stale").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let (mut first, mut second) = (server.client(), server.client());
    first.send("WARM.GET content:1");
    gate.wait_for(1);
    client.ok("SET content:1 mine");
    client.run("DEL content:1").fine();
    origin.on("/content/1", Answer::ok("fresh"));
    second.send("WARM.GET content:1");
    assert_eq!(second.receive(), "fresh", "who asks after the write is not told what was fetched before it");
    gate.open();
    first.receive().fine();
    assert_eq!(client.value_of("content:1").as_deref(), Some("fresh"));
}

fn a_void_load_leaves_the_key_free_for_the_next(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on_each("/content/1", vec![Answer::ok("stale").behind(&gate), Answer::ok("fresh")]);
    let mut client = server.load_content_from(&origin, "");
    let job = client.run("WARM.LOAD KEYS content:1").field("job").int();
    gate.wait_for(1);
    client.ok("SET content:1 mine");
    gate.open();
    ended(client.run(&format!("WARM.JOB WAIT {job} 20s")));
    client.run("DEL content:1").fine();
    let status = ended(client.run("WARM.LOAD WAIT 20s KEYS content:1"));
    assert_eq!(status.field("completed"), 1);
    assert_eq!(client.value_of("content:1").as_deref(), Some("fresh"));
}

fn another_type_in_the_way_stays(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let makers = [
        "RPUSH {k} a",
        "SADD {k} a",
        "ZADD {k} 1 a",
        "HSET {k} f a",
        "XADD {k} * f a",
        "PFADD {k} a",
        "GEOADD {k} 1 1 a",
    ];
    for (number, maker) in makers.iter().enumerate() {
        let key = format!("content:{number}");
        let gate = Gate::closed();
        origin.on(&format!("/content/{number}"), Answer::ok("stale").behind(&gate));
        let job = client.run(&format!("WARM.LOAD KEYS {key}")).field("job").int();
        gate.wait_for(1);
        client.run(&maker.replace("{k}", &key)).fine();
        let dump = client.run(&format!("DUMP {key}"));
        gate.open();
        ended(client.run(&format!("WARM.JOB WAIT {job} 20s")));
        assert_eq!(client.run(&format!("DUMP {key}")), dump, "{maker}");
    }
    wait_until("nothing is in flight", || client.run("WARM.LOADER GET content").field("in_flight") == 0);
}
