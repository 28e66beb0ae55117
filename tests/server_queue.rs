//! The queue between a job and the origin: its order, its head, how far a key is, and holding it up.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::time::{Duration, Instant};

use support::jobs::finished;
use support::origin::content;
use support::{Answer, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    higher_priority_goes_first,
    one_key_in_two_jobs_is_fetched_once,
    a_queued_key_is_raised_to_a_higher_priority,
    progress_of_a_key,
    pause_and_resume,
    never_more_at_once_than_the_loader_allows,
    never_faster_than_the_loader_allows,
);

fn higher_priority_goes_first(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/first", Answer::ok("x").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    client.run("WARM.LOAD KEYS content:first").fine();
    gate.wait_for(1);
    let low = client.run("WARM.LOAD PRIORITY 10 TAG night KEYS content:low").fine();
    client.run("WARM.LOAD KEYS content:middle").fine();
    client.run("WARM.LOAD PRIORITY 1000 KEYS content:high").fine();

    wait_until("all are queued", || client.run("WARM.QUEUE COUNT 1").items()[0].field("key") == "content:high");
    let queue = client.run("WARM.QUEUE COUNT 2").items();
    assert_eq!(queue.len(), 2);
    assert_eq!(queue[0].fields(), ["key", "priority", "reason", "due_at", "deadline"]);
    assert_eq!((queue[0].field("priority").number(), queue[1].field("priority").number()), (1000.0, 100.0));
    assert_eq!(queue[0].field("reason"), "request");
    gate.open();
    finished(&mut client, &low);
    let paths: Vec<String> = origin.history().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/content/first", "/content/high", "/content/middle", "/content/low"]);
}

fn one_key_in_two_jobs_is_fetched_once(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("shared").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    let first = client.run("WARM.LOAD KEYS content:1 content:2").fine();
    gate.wait_for(1);
    let second = client.run("WARM.LOAD KEYS content:1 content:2 content:2").fine();
    assert_ne!(first.field("job"), second.field("job"));
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    server.wait_for_blocked(1);
    gate.open();
    finished(&mut client, &first);
    finished(&mut client, &second);
    assert_eq!(waiting.receive(), "shared");
    assert_eq!((origin.requests("/content/1"), origin.requests("/content/2")), (1, 1));
}

fn a_queued_key_is_raised_to_a_higher_priority(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/first", Answer::ok("x").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    client.run("WARM.LOAD KEYS content:first").fine();
    gate.wait_for(1);
    let job = client.run("WARM.LOAD KEYS content:1 content:2 content:3").fine();
    client.run("WARM.LOAD PRIORITY 600 KEYS content:3").fine();
    wait_until("the key has moved to the front", || {
        client.run("WARM.QUEUE").items().first().is_some_and(|head| head.field("key") == "content:3")
    });
    gate.open();
    finished(&mut client, &job);
    let paths: Vec<String> = origin.history().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/content/first", "/content/3", "/content/1", "/content/2"]);
}

fn progress_of_a_key(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1 TTL 100s");
    let unknown = client.run("WARM.PROGRESS content:9");
    assert_eq!(
        (unknown.field("key").text(), unknown.field("status").text()),
        ("content:9".into(), "not_scheduled".into())
    );
    assert!(unknown.field("started_at").is_null() && unknown.field("error").is_null());

    let keys: Vec<String> = (1..=20).map(|id| format!("content:{id}")).collect();
    let job = client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).fine();
    gate.wait_for(1);
    wait_until("the first is on its way", || client.run("WARM.PROGRESS content:1").field("status") == "warming");
    assert_eq!(client.run("WARM.PROGRESS content:20").field("status"), "pending");
    gate.open();
    finished(&mut client, &job);
    let progress = client.run("WARM.PROGRESS content:1");
    assert_eq!(
        (progress.field("status").text(), progress.field("loader").text()),
        ("completed".into(), "content".into())
    );
    assert_eq!((progress.field("attempts").int(), progress.field("bytes").int()), (1, 4));
    let moment = |field: &str| progress.field(field).int();
    assert!(moment("scheduled_at") <= moment("started_at") && moment("started_at") <= moment("completed_at"));
    let life = moment("expires_at") - moment("completed_at");
    assert!((85_000..=100_500).contains(&life), "{life}");
    assert_eq!(client.run("PEXPIRETIME content:1").int(), moment("expires_at"));
}

fn pause_and_resume(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("WARM.PAUSE");
    let job = client.run("WARM.LOAD KEYS content:1 content:2").fine();
    wait_until("both are queued", || client.run("WARM.QUEUE").items().len() == 2);
    assert_eq!(client.run("WARM.PROGRESS content:1").field("status"), "pending");
    assert_eq!(client.run("WARM.GET content:3"), "content of 3", "readers are served all the same");
    assert_eq!(origin.total(), 1, "and nothing is warmed");
    client.ok("WARM.PAUSE");
    client.ok("WARM.RESUME");
    finished(&mut client, &job);
    assert_eq!(origin.total(), 3);
    client.ok("WARM.RESUME");
}

fn never_more_at_once_than_the_loader_allows(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    for id in 0..30 {
        origin.on(&format!("/content/{id}"), Answer::ok(content(id)).behind(&gate));
    }
    let mut client = server.load_content_from(&origin, "CONCURRENCY 3");
    let keys: Vec<String> = (0..30).map(|id| format!("content:{id}")).collect();
    let job = client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).fine();
    gate.wait_for(3);
    assert_eq!(client.run("WARM.LOADER GET content").field("in_flight"), 3);
    gate.open();
    let status = finished(&mut client, &job);
    assert_eq!((status.field("completed").int(), origin.most_at_once()), (30, 3));
    assert!(origin.connections() <= 6, "connections are kept: {}", origin.connections());
}

/// Retries count, too: every third request fails and is made again.
fn never_faster_than_the_loader_allows(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    for id in (0..30).step_by(3) {
        origin.on_each(&format!("/content/{id}"), vec![Answer::status(500), Answer::ok("x")]);
    }
    let mut client = server.client();
    let url = origin.url();
    client.ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/content/{{id}} RATE 30 RETRIES 2"));
    let keys: Vec<String> = (0..30).map(|id| format!("content:{id}")).collect();
    let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys.join(" "))).fine();
    assert_eq!((status.field("completed").int(), origin.total()), (30, 40), "{status:?}");
    let times: Vec<Instant> = origin.history().iter().map(|request| request.at).collect();
    for (early, late) in times.iter().zip(&times[31..]) {
        let span = late.duration_since(*early);
        assert!(span > Duration::from_millis(900), "32 requests within {span:?}");
    }
}
