//! Foresight at work on a real server: what is read often never expires, what is not may; modes, the holdout, and what
//! the figures say.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Answer, Client, Edition, Origin, Server, on_each_server, wait_until};

on_each_server!(
    a_key_that_is_read_is_refreshed_before_it_expires,
    a_key_that_nobody_reads_expires,
    who_observes_fetches_nothing,
    a_loader_may_forbid_refreshes,
    a_dead_origin_does_no_harm,
);

fn figure(client: &mut Client, section: &str, name: &str) -> f64 {
    client.run(&format!("WARM.STATS {section}")).fine().field(name).number()
}

/// Reads `key` through until `done`; how many reads a plain GET found nothing for.
fn read_until(client: &mut Client, key: &str, what: &str, mut done: impl FnMut(&mut Client) -> bool) -> usize {
    let mut missed = 0;
    wait_until(what, || {
        if client.value_of(key).is_none() {
            missed += 1;
            client.run(&format!("WARM.GET {key}")).fine();
        }
        done(client)
    });
    missed
}

fn a_key_that_is_read_is_refreshed_before_it_expires(edition: Edition) {
    let (server, origin) = (Server::start(edition), Origin::start());
    let mut client = server.load_content_from(&origin, "TTL 2s JITTER 0");
    client.ok("CONFIG SET warm.holdout-percent 0");
    let missed = read_until(&mut client, "content:1", "three refreshes came", |_| origin.total() >= 4);
    assert_eq!(missed, 1, "after the first read the key is always there");
    assert!(figure(&mut client, "prediction", "refreshes") >= 3.0);
    let told = client.run("WARM.PREDICT content:1").fine();
    assert!(told.field("popularity").number() > 1.0, "{told:?}");
    assert_eq!(client.run("WARM.TOP 1").fine().texts(), ["content:1"]);
}

fn a_key_that_nobody_reads_expires(edition: Edition) {
    let (server, origin) = (Server::start(edition), Origin::start());
    let mut client = server.load_content_from(&origin, "TTL 1s JITTER 0");
    client.ok("CONFIG SET warm.holdout-percent 0");
    client.run("WARM.GET content:1").fine();
    wait_until("the key is gone", || client.run("EXISTS content:1").int() == 0);
    assert_eq!(figure(&mut client, "prediction", "refreshes"), 0.0);
    assert_eq!(origin.total(), 1);
}

fn who_observes_fetches_nothing(edition: Edition) {
    let (server, origin) = (Server::start(edition), Origin::start());
    let mut client = server.load_content_from(&origin, "TTL 1s JITTER 0");
    client.ok("CONFIG SET warm.predict observe");
    let mut misses = 0;
    read_until(&mut client, "content:1", "it expires twice", |client| {
        misses = origin.total();
        let _ = client;
        misses >= 3
    });
    assert_eq!(figure(&mut client, "prediction", "refreshes"), 0.0);
    wait_until("the reads are counted", || {
        client.run("WARM.STATS hits").fine().field("overall").field("requests").number() > 3.0
    });
}

fn a_loader_may_forbid_refreshes(edition: Edition) {
    let (server, origin) = (Server::start(edition), Origin::start());
    let mut client = server.load_content_from(&origin, "TTL 1s JITTER 0 REFRESH off");
    client.ok("CONFIG SET warm.holdout-percent 0");
    read_until(&mut client, "content:1", "it expires twice", |_| origin.total() >= 3);
    assert_eq!(figure(&mut client, "prediction", "refreshes"), 0.0);
}

fn a_dead_origin_does_no_harm(edition: Edition) {
    let (server, origin) = (Server::start(edition), Origin::start());
    let mut client = server.load_content_from(&origin, "TTL 2s JITTER 0");
    client.ok("CONFIG SET warm.holdout-percent 0");
    client.run("WARM.GET content:1").fine();
    origin.on("/content/1", Answer::status(500));
    wait_until("a refresh was tried", || {
        client.value_of("content:1");
        figure(&mut client, "prediction", "refreshes") >= 1.0
    });
    wait_until("the value expires as it would have", || client.run("EXISTS content:1").int() == 0);
    client.ok("SET content:1 own EX 100");
    assert_eq!(client.value_of("content:1").as_deref(), Some("own"));
}
