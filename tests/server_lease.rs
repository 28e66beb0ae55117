//! `WARM.LEASE` and `WARM.FILL`: applications that fetch themselves, without a stampede and without stale fills.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Answer, Client, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    one_wins_and_the_others_wait,
    a_value_is_a_hit,
    a_fill_is_written_with_its_life,
    a_token_fills_once,
    only_the_token_fills,
    a_fill_after_a_write_is_stale,
    a_fill_after_a_delete_is_stale,
    a_fill_after_a_flush_is_stale,
    a_fill_survives_what_happens_to_other_keys,
    a_lease_expires,
    a_lease_is_of_one_database,
    a_fetch_in_flight_holds_the_lease,
    bad_arguments_change_nothing,
);

/// Wins the lease of a key.
#[track_caller]
fn win(client: &mut Client, key: &str) -> String {
    let lease = client.run(&format!("WARM.LEASE {key}"));
    assert_eq!(lease.field("state"), "won", "{key}");
    assert!(lease.field("value").is_null());
    lease.field("token").text()
}

#[track_caller]
fn assert_stale(client: &mut Client, key: &str, token: &str) {
    let error = client.run(&format!("WARM.FILL {key} {token} stale")).error();
    assert!(error.starts_with("STALETOKEN"), "{error}");
}

fn one_wins_and_the_others_wait(edition: Edition) {
    let server = Server::start(edition);
    let (mut first, mut second) = (server.client(), server.client());
    let token = win(&mut first, "k");
    for client in [&mut second, &mut first] {
        let lease = client.run("WARM.LEASE k");
        assert_eq!(lease.field("state"), "wait");
        assert!(lease.field("value").is_null() && lease.field("token").is_null());
    }
    first.ok(&format!("WARM.FILL k {token} filled"));
    let lease = second.run("WARM.LEASE k");
    assert_eq!((lease.field("state").text(), lease.field("value").text()), ("hit".into(), "filled".into()));
}

fn a_value_is_a_hit(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    client.ok("SET k mine");
    let lease = client.run("WARM.LEASE k");
    assert_eq!(lease.fields(), ["value", "state", "token"]);
    assert_eq!((lease.field("state").text(), lease.field("value").text()), ("hit".into(), "mine".into()));
    assert!(lease.field("token").is_null());
    client.run("RPUSH list a").fine();
    assert!(client.run("WARM.LEASE list").error().starts_with("WRONGTYPE "));
}

fn a_fill_is_written_with_its_life(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let token = win(&mut client, "seconds");
    client.ok(&format!("WARM.FILL seconds {token} v EX 100"));
    let ttl = client.run("PTTL seconds").int();
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
    let token = win(&mut client, "milliseconds");
    client.ok(&format!("WARM.FILL milliseconds {token} v px 100000"));
    let ttl = client.run("PTTL milliseconds").int();
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
    let token = win(&mut client, "forever");
    client.ok(&format!("WARM.FILL forever {token} v"));
    assert_eq!(client.run("PTTL forever"), -1);
}

fn a_token_fills_once(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let token = win(&mut client, "k");
    client.ok(&format!("WARM.FILL k {token} first"));
    assert_stale(&mut client, "k", &token);
    assert_eq!(client.value_of("k").as_deref(), Some("first"));
    client.run("DEL k").fine();
    assert_stale(&mut client, "k", &token);
    assert_ne!(win(&mut client, "k"), token);
}

fn only_the_token_fills(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let token = win(&mut client, "k");
    let other = win(&mut client, "other");
    for wrong in [other.as_str(), "0", "nonsense", "18446744073709551616", "-1"] {
        assert_stale(&mut client, "k", wrong);
    }
    assert_stale(&mut client, "never-leased", &token);
    client.ok(&format!("WARM.FILL k {token} right"));
}

fn a_fill_after_a_write_is_stale(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    other.ok("SET source mine");
    let writes = [
        "SET k mine",
        "SETEX k 100 mine",
        "APPEND k mine",
        "MSET a b k mine",
        "COPY source k",
        "EVAL return(redis.call('SET',KEYS[1],'mine')) 1 k",
    ];
    for write in writes {
        let token = win(&mut client, "k");
        other.run(write).fine();
        assert_stale(&mut client, "k", &token);
        assert_eq!(client.value_of("k").as_deref(), Some("mine"), "{write}");
        other.run("DEL k").fine();
        assert_stale(&mut client, "k", &token);
    }
}

/// A delete is how an application says "what you are fetching is old", also when there is nothing to delete yet.
fn a_fill_after_a_delete_is_stale(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    for delete in ["DEL k", "UNLINK k", "DEL a b k", "EVAL return(redis.call('DEL',KEYS[1])) 1 k"] {
        let token = win(&mut client, "k");
        other.run(delete).fine();
        let error = client.run(&format!("WARM.FILL k {token} stale")).error();
        assert!(error.starts_with("STALETOKEN"), "{delete}: {error}");
        assert_eq!(client.run("EXISTS k"), 0);
    }
}

fn a_fill_after_a_flush_is_stale(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    for flush in ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"] {
        let token = win(&mut client, "k");
        other.ok(flush);
        assert_stale(&mut client, "k", &token);
    }
}

fn a_fill_survives_what_happens_to_other_keys(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    let token = win(&mut client, "k");
    for command in ["SET k2 mine", "DEL k2", "GET k", "EXISTS k", "TTL k", "SELECT 1", "SET k mine", "FLUSHDB"] {
        other.run(command).fine();
    }
    client.ok(&format!("WARM.FILL k {token} filled"));
    assert_eq!(client.value_of("k").as_deref(), Some("filled"));
}

fn a_lease_expires(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    let lease = client.run("WARM.LEASE k TTL 50ms");
    assert_eq!(lease.field("state"), "won");
    let old = lease.field("token").text();
    let mut new = String::new();
    wait_until("the lease has expired", || {
        let lease = other.run("WARM.LEASE k");
        let won = lease.field("state") == "won";
        if won {
            new = lease.field("token").text();
        }
        won
    });
    assert_stale(&mut client, "k", &old);
    other.ok(&format!("WARM.FILL k {new} filled"));
}

fn a_lease_is_of_one_database(edition: Edition) {
    let server = Server::start(edition);
    let (mut client, mut other) = (server.client(), server.client());
    let token = win(&mut client, "k");
    other.ok("SELECT 1");
    assert_stale(&mut other, "k", &token);
    let other_token = win(&mut other, "k");
    client.ok(&format!("WARM.FILL k {token} zero"));
    other.ok(&format!("WARM.FILL k {other_token} one"));
    assert_eq!(client.value_of("k").as_deref(), Some("zero"));
}

fn a_fetch_in_flight_holds_the_lease(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("fetched").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    gate.wait_for(1);
    assert_eq!(client.run("WARM.LEASE content:1").field("state"), "wait", "one fetch per key, whoever asks");
    gate.open();
    assert_eq!(waiting.receive(), "fetched");
    assert_eq!(client.run("WARM.LEASE content:1").field("state"), "hit");
}

fn bad_arguments_change_nothing(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    for (command, named) in [
        ("WARM.LEASE", "arguments"),
        ("WARM.LEASE k TTL", "TTL"),
        ("WARM.LEASE k TTL soon", "soon"),
        ("WARM.LEASE k TTL 0", "TTL"),
        ("WARM.LEASE k TTL -1s", "-1s"),
        ("WARM.LEASE k COLOUR red", "COLOUR"),
    ] {
        let error = client.run(command).error();
        assert!(error.starts_with("ERR ") && error.contains(named), "{command}: {error}");
    }
    let token = win(&mut client, "k");
    for (options, named) in [
        ("v EX", "EX"),
        ("v EX 0", "EX"),
        ("v EX -5", "-5"),
        ("v PX soon", "soon"),
        ("v EX 5 PX 5", "PX"),
        ("v EX 9223372036854775807", "EX"),
        ("v COLOUR red", "COLOUR"),
        ("", "arguments"),
    ] {
        let error = client.run(&format!("WARM.FILL k {token} {options}")).error();
        assert!(error.starts_with("ERR ") && error.contains(named), "{options}: {error}");
    }
    assert_eq!(client.run("EXISTS k"), 0);
    client.ok(&format!("WARM.FILL k {token} v"));
}
