//! Bad input, and faults of the world around the server: each gives a clear error or outcome, and nothing is lost, stuck or
//! half-written.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::origin::content;
use support::{Answer, Client, Edition, Gate, Origin, Reply, Server, on_each_server, wait_until};

on_each_server!(
    bad_arguments_of_reads,
    hostile_arguments_of_every_command,
    enormous_keys,
    a_flush_during_a_job,
    a_full_memory_during_a_job,
    a_save_during_a_job,
    a_reload_during_a_job,
    a_pause_of_clients_during_a_job,
);

/// Checks that the loader still works, and that nothing is in flight.
#[track_caller]
fn assert_well(client: &mut Client) {
    assert_eq!(client.run("WARM.GET content:well TIMEOUT 20s"), "content of well");
    wait_until("nothing is in flight", || client.run("WARM.LOADER GET content").field("in_flight") == 0);
}

fn keys(count: usize) -> String {
    (0..count).map(|id| format!("content:{id}")).collect::<Vec<_>>().join(" ")
}

/// Starts a job of a hundred keys whose first requests wait at a gate.
fn hundred(server: &Server, origin: &Origin, gate: &Gate) -> (Client, i64) {
    for id in 0..100 {
        origin.on(&format!("/content/{id}"), Answer::ok(content(id)).behind(gate));
    }
    let mut client = server.load_content_from(origin, "CONCURRENCY 10");
    let job = client.run(&format!("WARM.LOAD KEYS {}", keys(100))).field("job").int();
    gate.wait_for(10);
    (client, job)
}

/// Waits for a job of a hundred keys; what is in the cache then must be whole.
#[track_caller]
fn assert_ends(client: &mut Client, job: i64) -> Reply {
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!(status.field("state"), "done");
    let sum: i64 = ["completed", "failed", "dropped"].iter().map(|part| status.field(part).int()).sum();
    assert_eq!((sum, status.field("total").int()), (100, 100), "{status:?}");
    for id in 0..100 {
        let value = client.value_of(&format!("content:{id}"));
        assert!(value.is_none() || value == Some(content(id)), "{value:?}");
    }
    status
}

fn bad_arguments_of_reads(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for (command, named) in [
        ("WARM.GET", "arguments"),
        ("WARM.GET content:1 TIMEOUT", "TIMEOUT"),
        ("WARM.GET content:1 TIMEOUT soon", "soon"),
        ("WARM.GET content:1 TIMEOUT -1s", "-1s"),
        ("WARM.GET content:1 TIMEOUT 99999999999999999999s", "TIMEOUT"),
        ("WARM.GET content:1 COLOUR red", "COLOUR"),
        ("WARM.GET content:1 content:2", "content:2"),
        ("WARM.MGET", "arguments"),
        ("WARM.MGET content:1 TIMEOUT soon", "soon"),
    ] {
        let error = client.run(command).error();
        let told = error.to_lowercase().contains(&named.to_lowercase()) || error.contains("wrong number of arguments");
        assert!(error.starts_with("ERR ") && told, "{command}: {error}");
    }
    assert_eq!(origin.total(), 0);
}

/// Every command of the module with every pair of these: whatever the reply, the server and its clients live on.
fn hostile_arguments_of_every_command(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let long = "9".repeat(100_000);
    let hostile: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\xff\xfe",
        b"-1",
        b"18446744073709551616",
        b"1e400",
        b"nan",
        b"{",
        b"KEYS",
        b"LIST",
        b"content:1",
        long.as_bytes(),
    ];
    let commands = client.run("COMMAND LIST FILTERBY MODULE warm").texts();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.iter().filter(|command| !command.contains('|')) {
        client.call(&[command.as_bytes()]);
        let container = commands.iter().any(|other| other.starts_with(&format!("{command}|")));
        for first in hostile {
            // The server itself repeats an unknown subcommand in bytes that are not text.
            if container && std::str::from_utf8(first).is_err() {
                continue;
            }
            client.call(&[command.as_bytes(), first]);
            for second in hostile {
                client.call(&[command.as_bytes(), first, second]);
                client.call(&[command.as_bytes(), first, second, b"1s", second]);
            }
        }
        // Ends a lease that the next command would wait for.
        client.ok("SET content:1 mine");
        client.run("DEL content:1").fine();
    }
    client.ok("WARM.RESUME");
    assert_well(&mut client);
}

/// A name of 64 MiB is refused at once, wherever it is given, and leaves no copies.
fn enormous_keys(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let before = used_memory(&mut client);
    let mut large = server.client();
    let key = [b"content:".to_vec(), vec![b'a'; 64 << 20]].concat();
    for command in [["WARM.GET"].as_slice(), &["WARM.LEASE"], &["WARM.LOAD", "KEYS"]] {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).chain([key.as_slice()]).collect();
        let error = large.call(&words).error();
        assert!(error.len() < 1000, "the name is not repeated: {} bytes", error.len());
    }
    assert!(large.call(&[b"WARM.MGET".as_slice(), &key]).items()[0].is_null(), "a failed element is null");
    large.call(&[b"SADD".as_slice(), b"wanted", &key, b"content:1"]).fine();
    let status = large.run("WARM.LOAD WAIT 20s FROM wanted").fine();
    assert_eq!(status.field("completed"), 1, "{status:?}");
    large.run("DEL wanted").fine();
    drop(large);
    wait_until("the copies are gone", || used_memory(&mut client) < before + (16 << 20));
    assert_eq!(origin.total(), 1);
    let key = format!("content:{}", "b".repeat(4000));
    assert_eq!(client.run(&format!("WARM.GET {key}")), format!("content of {}", "b".repeat(4000)));
}

fn used_memory(client: &mut Client) -> i64 {
    let used = client.info("memory", "used_memory").expect("INFO has used_memory");
    used.parse().expect("used_memory is a number")
}

fn a_flush_during_a_job(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let (mut client, job) = hundred(&server, &origin, &gate);
    client.ok("FLUSHALL");
    gate.open();
    let status = assert_ends(&mut client, job);
    assert!(status.field("dropped").int() >= 10, "{status:?}");
    assert_eq!(client.run("DBSIZE").int(), status.field("completed").int());
}

fn a_full_memory_during_a_job(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let (mut client, job) = hundred(&server, &origin, &gate);
    client.ok("CONFIG SET maxmemory 1");
    // The server looks at its memory when the next command comes.
    assert_eq!(client.run("PING"), "PONG");
    gate.open();
    client.run("WARM.GET content:other TIMEOUT 100ms");
    assert_eq!(client.run("DBSIZE"), 0, "nothing is written over the limit");
    client.ok("CONFIG SET maxmemory 0");
    assert_ends(&mut client, job);
    assert_well(&mut client);
}

fn a_save_during_a_job(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let (mut client, job) = hundred(&server, &origin, &gate);
    client.run("BGSAVE").fine();
    gate.open();
    let status = assert_ends(&mut client, job);
    assert_eq!(status.field("completed"), 100);
    wait_until("the save has ended", || client.info("persistence", "rdb_bgsave_in_progress").as_deref() == Some("0"));
    assert_eq!(client.info("persistence", "rdb_last_bgsave_status").as_deref(), Some("ok"));
    client.run("BGREWRITEAOF").fine();
    assert_well(&mut client);
    // A child that outlives the server would write into a folder that is gone.
    wait_until("the rewrite has ended", || {
        client.info("persistence", "aof_rewrite_in_progress").as_deref() == Some("0")
            && client.info("persistence", "aof_rewrite_scheduled").as_deref() == Some("0")
    });
}

fn a_reload_during_a_job(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let (mut client, job) = hundred(&server, &origin, &gate);
    client.ok("SET content:before mine");
    client.ok("DEBUG RELOAD");
    gate.open();
    assert_ends(&mut client, job);
    assert_eq!(client.value_of("content:before").as_deref(), Some("mine"));
    assert_well(&mut client);
}

fn a_pause_of_clients_during_a_job(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    let (mut client, job) = hundred(&server, &origin, &gate);
    client.ok("CLIENT PAUSE 60000 WRITE");
    gate.open();
    wait_until("the origin has answered", || origin.total() >= 10);
    for _ in 0..50 {
        assert_eq!(client.run("DBSIZE"), 0, "nothing is written while writes are paused");
    }
    client.ok("CLIENT UNPAUSE");
    let status = assert_ends(&mut client, job);
    assert_eq!(status.field("completed"), 100);
}
