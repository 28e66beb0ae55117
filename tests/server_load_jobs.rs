//! `WARM.LOAD` and the jobs it makes: what is taken, in which order, how far it is, and how it ends.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::jobs::{assert_adds_up, finished};
use support::origin::content;
use support::{Answer, Edition, Gate, Origin, Reply, Server, on_each_server, wait_until};

on_each_server!(
    keys_are_sorted_into_accepted_fresh_and_no_loader,
    a_job_is_waited_for,
    the_members_of_collections_are_loaded,
    force_loads_what_is_there,
    noreplace_never_replaces,
    ttl_of_the_load_goes_before_the_loaders,
    failures_are_counted_and_told,
    a_job_is_cancelled,
    a_wait_runs_out,
    jobs_are_listed,
    the_load_stays_in_the_callers_database,
    nothing_blocks_in_a_transaction_or_a_script,
    bad_arguments_change_nothing,
);

fn keys_are_sorted_into_accepted_fresh_and_no_loader(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:3 mine EX 100");
    let reply = client.run("WARM.LOAD KEYS content:1 content:2 content:3 other:1");
    assert_eq!(reply.fields(), ["job", "accepted", "fresh", "no_loader", "rejected"]);
    for (field, count) in [("accepted", 2), ("fresh", 1), ("no_loader", 1), ("rejected", 0)] {
        assert_eq!(reply.field(field), count, "{field} of {reply:?}");
    }
    let status = finished(&mut client, &reply);
    assert_eq!((status.field("completed").int(), status.field("failed").int()), (2, 0));
    assert_eq!(client.run("MGET content:1 content:2 content:3").texts(), ["content of 1", "content of 2", "mine"]);
    assert_eq!(origin.total(), 2);
}

fn a_job_is_waited_for(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let keys: Vec<String> = (0..50).map(|id| format!("content:{id}")).collect();
    let status = client.run(&format!("WARM.LOAD WAIT 20s KEYS {}", keys.join(" "))).fine();
    assert_eq!(status.field("state"), "done");
    for (field, count) in [("total", 50), ("completed", 50), ("pending", 0), ("warming", 0), ("failed", 0)] {
        assert_eq!(status.field(field), count, "{field} of {status:?}");
    }
    let bytes: usize = (0..50).map(|id| content(id).len()).sum();
    assert_eq!(status.field("bytes"), bytes as i64);
    let (start, end) = (status.field("started_at").int(), status.field("finished_at").int());
    let now = client.run("TIME").texts()[0].parse::<i64>().expect("seconds") * 1000;
    assert!(start <= end && (now - 60_000..now + 2_000).contains(&start), "{start} {end} {now}");
    assert_eq!(client.run("DBSIZE"), 50);
    let empty = client.run("WARM.LOAD WAIT 20s KEYS other:1").fine();
    assert_eq!((empty.field("state").text(), empty.field("total").int()), ("done".into(), 0));
}

fn the_members_of_collections_are_loaded(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    let collections = [
        ("SADD set content:1 content:2 content:3", "set", None),
        ("ZADD zset 1 content:1 3 content:3 2 content:2", "zset", Some([3, 2, 1])),
        ("RPUSH list content:2 content:1 content:3", "list", Some([2, 1, 3])),
    ];
    for (command, name, order) in collections {
        client.run(command).fine();
        let before = origin.total();
        let status = client.run(&format!("WARM.LOAD WAIT 20s FROM {name}")).fine();
        assert_eq!(status.field("completed"), 3, "{name}");
        let paths: Vec<String> = origin.history()[before..].iter().map(|request| request.path.clone()).collect();
        if let Some(order) = order {
            assert_eq!(paths, order.map(|id| format!("/content/{id}")), "{name}");
        }
        client.run("DEL content:1 content:2 content:3").fine();
    }
    let none = client.run("WARM.LOAD FROM missing").fine();
    assert_eq!(none.field("accepted"), 0);
    client.ok("SET text mine");
    assert!(client.run("WARM.LOAD FROM text").error().starts_with("WRONGTYPE "));
    client.run("HSET hash f v").fine();
    assert!(client.run("WARM.LOAD FROM hash").error().starts_with("WRONGTYPE "));
}

fn force_loads_what_is_there(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:1 old EX 100");
    assert_eq!(client.run("WARM.LOAD KEYS content:1").field("fresh"), 1);
    let status = client.run("WARM.LOAD FORCE WAIT 20s KEYS content:1").fine();
    assert_eq!(status.field("completed"), 1);
    assert_eq!(client.value_of("content:1").as_deref(), Some("content of 1"));
    assert_eq!(origin.total(), 1);
}

fn noreplace_never_replaces(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:1 mine");
    let status = client.run("WARM.LOAD NOREPLACE WAIT 20s KEYS content:1 content:2").fine();
    assert_eq!(status.field("state"), "done");
    assert_eq!(client.run("MGET content:1 content:2").texts(), ["mine", "content of 2"]);
    assert_eq!(client.run("PTTL content:1"), -1);
}

fn ttl_of_the_load_goes_before_the_loaders(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TTL 1h");
    client.run("WARM.LOAD TTL 100s WAIT 20s KEYS content:1").fine();
    let ttl = client.run("PTTL content:1").int();
    assert!((80_000..=100_000).contains(&ttl), "{ttl}");
}

fn failures_are_counted_and_told(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/broken", Answer::status(500));
    origin.on("/content/none", Answer::status(404));
    let mut client = server.load_content_from(&origin, "");
    let reply = client.run("WARM.LOAD KEYS content:broken content:none content:1").fine();
    let status = finished(&mut client, &reply);
    assert_eq!((status.field("total").int(), status.field("failed").int()), (3, 1), "{status:?}");
    let errors = format!("{:?}", status.field("errors"));
    assert!(errors.contains("500"), "{errors}");
    assert_eq!(client.run("DBSIZE"), 1);
    let progress = client.run("WARM.PROGRESS content:broken");
    assert_eq!(progress.field("status"), "failed");
    assert!(progress.field("error").text().contains("500"));
}

fn a_job_is_cancelled(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    for id in 0..10 {
        origin.on(&format!("/content/{id}"), Answer::ok("abandoned").behind(&gate));
    }
    let mut client = server.load_content_from(&origin, "CONCURRENCY 2");
    let keys: Vec<String> = (0..10).map(|id| format!("content:{id}")).collect();
    let job = client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).field("job").int();
    gate.wait_for(2);
    let mut waiting = server.client();
    waiting.send(&format!("WARM.JOB WAIT {job} 20s"));
    server.wait_for_blocked(1);

    assert_eq!(client.run(&format!("WARM.JOB CANCEL {job}")), 10, "the queued ones and those in flight");
    assert_eq!(waiting.receive().field("state"), "cancelled", "who waits is told");
    let status = client.run(&format!("WARM.JOB STATUS {job}"));
    assert_eq!((status.field("state").text(), status.field("dropped").int()), ("cancelled".into(), 10));
    assert_adds_up(&status);
    gate.open();
    assert_eq!(client.run("WARM.GET content:after TIMEOUT 20s"), "content of after");
    assert_eq!(client.run("KEYS *").texts(), ["content:after"], "nothing of the job was written");
    assert_eq!(client.run(&format!("WARM.JOB CANCEL {job}")), 0);
}

fn a_wait_runs_out(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    assert!(client.run("WARM.LOAD WAIT 50ms KEYS content:1").error().starts_with("TIMEOUT "));
    let jobs = client.run("WARM.JOB LIST STATE running").items();
    let job = jobs[0].field("job").int();
    assert!(client.run(&format!("WARM.JOB WAIT {job} 50ms")).error().starts_with("TIMEOUT "));
    gate.open();
    finished(&mut client, &jobs[0]);
    assert_eq!(client.value_of("content:1").as_deref(), Some("late"));
}

fn jobs_are_listed(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/stuck", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut done: Vec<i64> =
        (0..3).map(|id| client.run(&format!("WARM.LOAD WAIT 20s KEYS content:{id}")).field("job").int()).collect();
    let stuck = client.run("WARM.LOAD KEYS content:stuck").field("job").int();
    let ids = |reply: Reply| {
        let mut ids: Vec<i64> = reply.items().iter().map(|job| job.field("job").int()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(client.run("WARM.JOB LIST STATE done")), done);
    assert_eq!(ids(client.run("WARM.JOB LIST STATE running")), [stuck]);
    assert!(ids(client.run("WARM.JOB LIST STATE cancelled")).is_empty());
    assert_eq!(client.run("WARM.JOB LIST COUNT 2").items().len(), 2);
    done.push(stuck);
    assert_eq!(ids(client.run("WARM.JOB LIST")), done);
    gate.open();
}

fn the_load_stays_in_the_callers_database(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SELECT 5");
    client.run("SADD wanted content:1").fine();
    client.run("WARM.LOAD WAIT 20s FROM wanted").fine();
    client.run("WARM.LOAD WAIT 20s KEYS content:2").fine();
    assert_eq!(client.run("MGET content:1 content:2").texts(), ["content of 1", "content of 2"]);
    assert_eq!(client.run("WARM.PROGRESS content:1").field("status"), "completed");
    client.ok("SELECT 0");
    assert_eq!(client.run("DBSIZE"), 0);
}

fn bad_arguments_change_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for (command, named) in [
        ("WARM.LOAD", "arguments"),
        ("WARM.LOAD KEYS", "KEYS"),
        ("WARM.LOAD FROM", "FROM"),
        ("WARM.LOAD FROM a b", "b"),
        ("WARM.LOAD content:1", "content:1"),
        ("WARM.LOAD PRIORITY 1001 KEYS content:1", "1001"),
        ("WARM.LOAD PRIORITY -1 KEYS content:1", "-1"),
        ("WARM.LOAD PRIORITY high KEYS content:1", "high"),
        ("WARM.LOAD TTL soon KEYS content:1", "soon"),
        ("WARM.LOAD TTL 0 KEYS content:1", "TTL"),
        ("WARM.LOAD TTL -5s KEYS content:1", "-5s"),
        ("WARM.LOAD TTL 99999999999999999999d KEYS content:1", "TTL"),
        ("WARM.LOAD WAIT never KEYS content:1", "never"),
        ("WARM.LOAD TTL KEYS content:1", "TTL"),
        ("WARM.LOAD COLOUR red KEYS content:1", "COLOUR"),
        ("WARM.JOB", "arguments"),
        ("WARM.JOB STATUS", "STATUS"),
        ("WARM.JOB STATUS 999", "999"),
        ("WARM.JOB STATUS abc", "abc"),
        ("WARM.JOB CANCEL 999", "999"),
        ("WARM.JOB WAIT 999 1s", "999"),
        ("WARM.JOB FLY 1", "FLY"),
        ("WARM.JOB LIST STATE asleep", "asleep"),
        ("WARM.JOB LIST COUNT -1", "-1"),
        ("WARM.QUEUE COUNT x", "x"),
        ("WARM.PROGRESS", "arguments"),
        ("WARM.PAUSE now", "arguments"),
    ] {
        let error = client.run(command).error();
        let told = error.to_lowercase().contains(&named.to_lowercase()) || error.contains("wrong number of arguments");
        assert!(error.starts_with("ERR ") && told, "{command}: {error}");
    }
    assert!(client.run("WARM.JOB LIST").items().is_empty());
    assert_eq!((client.run("DBSIZE").int(), origin.total()), (0, 0));
}

fn nothing_blocks_in_a_transaction_or_a_script(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/stuck", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let stuck = client.run("WARM.LOAD KEYS content:stuck").field("job").int();
    let wait = format!("WARM.JOB WAIT {stuck} 20s");
    let status = format!("WARM.JOB STATUS {stuck}");
    let commands = [
        "WARM.LOAD KEYS content:1",
        "WARM.LOAD WAIT 20s KEYS content:2",
        &wait,
        &status,
        "WARM.JOB LIST",
        "WARM.PROGRESS content:1",
        "WARM.QUEUE",
        "WARM.STATS",
        "WARM.LOADER GET content",
        "WARM.LOADER TEST content content:1",
        "WARM.LEASE mine",
        "WARM.HELP",
    ];
    client.ok("MULTI");
    for command in commands {
        assert_eq!(client.run(command), "QUEUED");
    }
    let replies = client.run("EXEC").items();
    assert_eq!(replies.len(), commands.len());
    assert_eq!(replies[0].field("accepted"), 1);
    assert_eq!(replies[10].field("state"), "won");
    let script = "return redis.call('WARM.LOAD', 'KEYS', KEYS[1])";
    client.call(&["EVAL", script, "1", "content:3"]).fine();
    for id in [1, 3] {
        wait_until("the load has ended", || client.value_of(&format!("content:{id}")) == Some(content(id)));
    }
    gate.open();
    client.run(&wait).fine();
}
