//! What will be asked for, as clients ask: WARM.PREDICT, WARM.TOP, WARM.ENQUEUE, the targets MATCH and TOP, the directives.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use support::jobs::finished;
use support::origin::content;
use support::{Answer, Client, Edition, Gate, Origin, Reply, Server, on_each_server, wait_until};

on_each_server!(
    a_prediction_is_a_record_for_any_key,
    wrong_arguments_are_named_and_change_nothing,
    transactions_and_scripts_are_answered_at_once,
    a_replica_predicts_but_queues_nothing,
    an_enqueued_key_is_fetched,
    of_two_keys_the_higher_base_goes_first,
    a_ranking_is_an_array_with_or_without_scores,
    a_pattern_means_the_keys_that_exist,
    a_pattern_means_at_most_so_many_keys,
    keys_that_the_caller_did_not_name_are_checked_one_by_one,
    the_best_keys_are_a_target,
    loaders_say_how_they_are_refreshed_and_described,
    directives_change_under_load,
    spans_are_shown_in_seconds,
);

const CLASSES: [&str; 6] = ["popular", "trending", "seasonal", "normal", "cold", "unknown"];

#[track_caller]
fn assert_prediction(told: &Reply, key: &[u8]) {
    assert_eq!(told.fields(), ["key", "popularity", "hot", "confidence", "class", "features", "model", "at"]);
    assert_eq!(told.field("key"), key);
    assert!(told.field("popularity").number() >= 0.0, "{told:?}");
    assert!((0.0..=1.0).contains(&told.field("hot").number()), "{told:?}");
    assert!((0.5..=1.0).contains(&told.field("confidence").number()), "{told:?}");
    assert!(CLASSES.contains(&told.field("class").text().as_str()), "{told:?}");
    assert!(told.field("model").int() >= 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    assert!((now - 60_000..=now).contains(&told.field("at").int()), "{told:?} at {now}");
}

fn a_prediction_is_a_record_for_any_key(edition: Edition) {
    let server = Server::start(edition);
    let (mut new, mut old) = (server.client(), server.resp2_client());
    for command in [
        "WARM.PREDICT content:1",
        "WARM.PREDICT content:1 HORIZON 5m",
        "WARM.PREDICT content:1 features 2 age -1.5 kind:news 1e3 horizon 30d",
        "WARM.PREDICT content:1 FEATURES 0",
    ] {
        let (new, old) = (new.run(command).fine(), old.run(command).fine());
        assert!(new.is_map() && new.field("features").is_map() && !old.is_map(), "{command}");
        assert_prediction(&new, b"content:1");
        assert_prediction(&old, b"content:1");
    }
    let bytes = new.call(&[b"WARM.PREDICT".as_slice(), b"\xff\0\r\n"]).fine();
    assert_prediction(&bytes, b"\xff\0\r\n");
    let unknown = new.run("WARM.PREDICT never-seen");
    assert_eq!(unknown.field("class"), "unknown");
}

fn wrong_arguments_are_named_and_change_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let many = format!("FEATURES 65 {}", "a 1 ".repeat(65));
    for (command, named) in [
        ("WARM.PREDICT content:1 HORIZON 0", "HORIZON '0'"),
        ("WARM.PREDICT content:1 HORIZON 31d", "HORIZON '31d'"),
        ("WARM.PREDICT content:1 HORIZON soon", "HORIZON 'soon'"),
        ("WARM.PREDICT content:1 HORIZON", "HORIZON is missing"),
        ("WARM.PREDICT content:1 REGION eu", "unknown region 'eu'"),
        ("WARM.PREDICT content:1 FEATURES", "FEATURES is missing"),
        ("WARM.PREDICT content:1 FEATURES 1 a", "value of feature 'a' is missing"),
        ("WARM.PREDICT content:1 FEATURES 2 a 1", "feature name is missing"),
        ("WARM.PREDICT content:1 FEATURES x a 1", "FEATURES 'x'"),
        ("WARM.PREDICT content:1 FEATURES -1 a 1", "FEATURES '-1'"),
        (&format!("WARM.PREDICT content:1 {many}"), "FEATURES '65'"),
        ("WARM.PREDICT content:1 FEATURES 1 a NaN", "'NaN' must be a finite number"),
        ("WARM.PREDICT content:1 FEATURES 1 a inf", "'inf' must be a finite number"),
        ("WARM.PREDICT content:1 FEATURES 1 a -Infinity", "'-Infinity' must be a finite number"),
        ("WARM.PREDICT content:1 FEATURES 1 a 1e999", "'1e999' must be a finite number"),
        ("WARM.PREDICT content:1 FEATURES 1 a one", "'one' must be a finite number"),
        ("WARM.PREDICT content:1 FEATURES 1 a 1 b 2", "unknown option 'b'"),
        ("WARM.PREDICT content:1 LATER", "unknown option 'LATER'"),
        ("WARM.ENQUEUE content:1 PRIORITY 1001", "PRIORITY '1001'"),
        ("WARM.ENQUEUE content:1 PRIORITY -1", "PRIORITY '-1'"),
        ("WARM.ENQUEUE content:1 FEATURES 1 a nan", "'nan' must be a finite number"),
        ("WARM.ENQUEUE content:1 NOW", "unknown option 'NOW'"),
        ("WARM.TOP 0", "count '0'"),
        ("WARM.TOP -5", "count '-5'"),
        ("WARM.TOP 100001", "count '100001'"),
        ("WARM.TOP ten", "count 'ten'"),
        ("WARM.TOP 10 CLASS cold", "CLASS 'cold'"),
        ("WARM.TOP 10 REGION eu", "unknown region 'eu'"),
        ("WARM.TOP 10 SCORES", "unknown option 'SCORES'"),
        ("WARM.LOAD MATCH content:{id", "pattern 'content:{id'"),
        ("WARM.LOAD MATCH content:{id} LIMIT 0", "LIMIT '0'"),
        ("WARM.LOAD TOP 0", "TOP '0'"),
        ("WARM.LOAD TOP 10 CLASS cold", "CLASS 'cold'"),
        ("WARM.LOAD TOP 10 REGION eu", "unknown region 'eu'"),
    ] {
        let error = client.run(command).error();
        assert!(error.starts_with("ERR ") && error.contains(named), "{command}: {error}");
    }
    let long = "k".repeat(8193);
    for command in ["WARM.PREDICT", "WARM.ENQUEUE"] {
        assert!(client.call(&[command, &long]).error().contains("8193 bytes"), "{command}");
    }
    assert_eq!((origin.total(), client.run("DBSIZE").int()), (0, 0));
}

fn transactions_and_scripts_are_answered_at_once(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("MULTI");
    for command in
        ["WARM.PREDICT content:1 HORIZON 1h", "WARM.TOP 10 WITHSCORES", "WARM.ENQUEUE content:1", "WARM.ENQUEUE x"]
    {
        assert_eq!(client.run(command), "QUEUED");
    }
    let replies = client.run("EXEC").items();
    assert_prediction(&replies[0], b"content:1");
    assert!(replies[1].items().is_empty());
    assert_eq!((replies[2].field("queued").int(), replies[2].field("priority").int()), (1, 50));
    assert!(replies[3].error().starts_with("NOLOADER "));
    wait_until("the key is fetched", || client.value_of("content:1").as_deref() == Some(&content(1)));

    let script = "return {redis.call('WARM.PREDICT', KEYS[1]), redis.call('WARM.TOP', '5')}";
    let told = client.call(&["EVAL", script, "1", "content:1"]).fine().items();
    assert_prediction(&told[0], b"content:1");
    assert!(told[1].items().iter().all(|key| key.bytes().is_some()));
    let error = client.call(&["EVAL", "return redis.call('WARM.LOAD', 'MATCH', 'content:{id}')", "0"]).error();
    assert!(error.contains("at most 1000 KEYS"), "{error}");
}

fn a_replica_predicts_but_queues_nothing(edition: Edition) {
    let master = Server::setup(edition).with_port().start();
    let origin = Origin::start();
    let replica = Server::setup(edition).replica_of(&master).start();
    replica.wait_for_sync();
    let mut client = replica.load_content_from(&origin, "");
    assert_prediction(&client.run("WARM.PREDICT content:1").fine(), b"content:1");
    client.run("WARM.TOP 10").fine();
    client.run("WARM.MODEL INFO").fine();
    assert!(client.run("WARM.ENQUEUE content:1").error().starts_with("READONLY "));
    assert_eq!(origin.total(), 0);
}

fn an_enqueued_key_is_fetched(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let (mut client, mut old) = (server.load_content_from(&origin, ""), server.resp2_client());
    let queued = client.run("WARM.ENQUEUE content:1 PRIORITY 200 FEATURES 1 age 3").fine();
    assert!(queued.is_map());
    assert_eq!(queued.fields(), ["priority", "popularity", "confidence", "queued"]);
    assert!((100..=300).contains(&queued.field("priority").int()), "{queued:?}");
    assert!((0.5..=1.0).contains(&queued.field("confidence").number()));
    assert_eq!(queued.field("queued"), 1);
    wait_until("it is there", || client.value_of("content:1").as_deref() == Some(&content(1)));
    wait_until("it is settled", || client.run("WARM.PROGRESS content:1").field("status") == "completed");

    let again = old.run("WARM.ENQUEUE content:1").fine();
    assert_eq!((again.field("queued").int(), again.fields()), (0, queued.fields()));
    assert!(client.run("WARM.ENQUEUE other:1").error().starts_with("NOLOADER "));
    assert_eq!(origin.total(), 1);
    client.ok("WARM.LOADER PAUSE content");
    assert_eq!(client.run("WARM.ENQUEUE content:2").field("queued"), 1);
    wait_until("it waits", || client.run("WARM.PROGRESS content:2").field("status") == "pending");
    client.ok("WARM.LOADER RESUME content");
    wait_until("it is there", || client.value_of("content:2").is_some());

    client.ok("ACL SETUSER reader reset on >password ~content:* +@all");
    client.ok("AUTH reader password");
    assert!(client.run("WARM.ENQUEUE other:1").error().starts_with("NOPERM "));
    assert!(client.run("WARM.PREDICT other:1").error().starts_with("NOPERM "));
}

fn of_two_keys_the_higher_base_goes_first(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    client.ok("WARM.PAUSE");
    for (key, base) in [("content:1", 10), ("content:2", 1000), ("content:3", 500)] {
        let reply = client.run(&format!("WARM.ENQUEUE {key} PRIORITY {base}")).fine();
        let priority = reply.field("priority").int();
        assert!((base / 2..=(base * 3 / 2).min(1000)).contains(&priority), "{base}: {reply:?}");
    }
    let queue = client.run("WARM.QUEUE").items();
    let keys: Vec<String> = queue.iter().map(|entry| entry.field("key").text()).collect();
    assert_eq!(keys, ["content:2", "content:3", "content:1"]);
    assert!(queue.iter().all(|entry| entry.field("reason") == "request"));
    client.ok("CONFIG SET warm.queue-length 3");
    let mut id = 3;
    wait_until("the queue is full", || {
        id += 1;
        client.run(&format!("WARM.ENQUEUE content:{id}")).as_error().is_some()
    });
    assert!(client.run("WARM.ENQUEUE content:0").error().starts_with("QUEUEFULL "));
    client.ok("WARM.RESUME");
    wait_until("all are there", || client.run("EXISTS content:1 content:2 content:3") == 3);
}

fn a_ranking_is_an_array_with_or_without_scores(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let (mut new, mut old) = (server.load_content_from(&origin, ""), server.resp2_client());
    for class in ["", "CLASS popular", "CLASS TRENDING", "CLASS seasonal HORIZON 5m"] {
        for client in [&mut new, &mut old] {
            let keys = client.run(&format!("WARM.TOP 100000 {class}")).fine();
            assert!(keys.items().iter().all(|key| key.bytes().is_some()), "{keys:?}");
        }
        let pairs = new.run(&format!("WARM.TOP 10 WITHSCORES {class}")).fine().items();
        assert!(pairs.iter().all(|pair| pair.items().len() == 2 && pair.items()[1].number() >= 0.0), "{pairs:?}");
        let flat = old.run(&format!("WARM.TOP 10 {class} WITHSCORES")).fine().items();
        assert_eq!(flat.len() % 2, 0, "{flat:?}");
        assert!(flat.chunks(2).all(|pair| pair[1].number() >= 0.0), "{flat:?}");
    }
}

fn a_pattern_means_the_keys_that_exist(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SELECT 3");
    client.ok("SET content:9 elsewhere");
    client.ok("SELECT 0");
    for id in 0..300 {
        client.ok(&format!("SET content:{id} old"));
        client.ok(&format!("SET [content]:{id} other"));
    }
    let reply = client.run("WARM.LOAD MATCH content:{id}").fine();
    assert_eq!((reply.field("fresh").int(), reply.field("accepted").int()), (300, 0), "{reply:?}");
    let status = client.run("WARM.LOAD FORCE WAIT 20s MATCH content:{id}").fine();
    assert_eq!((status.field("total").int(), status.field("completed").int()), (300, 300), "{status:?}");
    assert_eq!(client.value_of("content:7").as_deref(), Some(&*content(7)));
    let reply = client.run("WARM.LOAD FORCE MATCH [content]:*").fine();
    assert_eq!((reply.field("no_loader").int(), reply.field("accepted").int()), (300, 0), "{reply:?}");
    let reply = client.run("WARM.LOAD FORCE MATCH none:*").fine();
    assert_eq!((reply.field("no_loader").int(), reply.field("accepted").int()), (0, 0), "{reply:?}");
    client.ok("SELECT 3");
    let status = client.run("WARM.LOAD FORCE WAIT 20s MATCH *").fine();
    assert_eq!(status.field("total"), 1, "{status:?}");
}

fn a_pattern_means_at_most_so_many_keys(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let fill = "for i = 1, 5000 do redis.call('SET', 'content:' .. i, 'x') end return 'OK'";
    client.call(&["EVAL", fill, "0"]).fine();
    let reply = client.run("WARM.LOAD MATCH content:{id} LIMIT 70").fine();
    assert_eq!(reply.field("fresh"), 70, "{reply:?}");
    let reply = client.run("WARM.LOAD MATCH content:{id}").fine();
    assert_eq!(reply.field("fresh"), 5000, "{reply:?}");
    let jobs: Vec<Reply> = (0..5).map(|_| client.run("WARM.LOAD MATCH content:{id} LIMIT 100").fine()).collect();
    assert!(jobs.iter().all(|reply| reply.field("fresh") == 100));
}

fn keys_that_the_caller_did_not_name_are_checked_one_by_one(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for id in ["1", "2", "secret"] {
        client.ok(&format!("SET content:{id} old"));
    }
    client.ok("ACL SETUSER writer reset on >password ~content:1 ~content:2 +@all");
    client.ok("AUTH writer password");
    let reply = client.run("WARM.LOAD FORCE MATCH content:{id}").fine();
    assert_eq!((reply.field("accepted").int(), reply.field("rejected").int()), (2, 1), "{reply:?}");
    finished(&mut client, &reply);
    assert_eq!(origin.requests("/content/secret"), 0);
}

fn the_best_keys_are_a_target(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for target in ["TOP 10", "TOP 10000000 CLASS popular", "top 5 class seasonal"] {
        let reply = client.run(&format!("WARM.LOAD WAIT 20s {target}")).fine();
        assert_eq!((reply.field("state").text(), reply.field("total").int()), ("done".into(), 0), "{target}");
    }
    client.ok("MULTI");
    client.run("WARM.LOAD TOP 10").fine();
    assert!(client.run("EXEC").items()[0].error().contains("at most 1000 KEYS"));
}

fn loaders_say_how_they_are_refreshed_and_described(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/1", Answer::ok(r#"{"meta":{"age":3,"kind":"news"},"text":"hello"}"#));
    let mut client = server.load_content_from(&origin, "REFRESH 5m FEATURES /meta BODY /text COST 2");
    let loader = client.run("WARM.LOADER GET content");
    for (option, value) in [("refresh", "5m"), ("features", "/meta"), ("cost", "2")] {
        assert_eq!(loader.field(option), value);
    }
    assert_eq!(client.run("WARM.GET content:1"), "hello");
    assert_prediction(&client.run("WARM.PREDICT content:1").fine(), b"content:1");
    let error = client.run("WARM.LOADER SET content MATCH content:{id} URL http://h/{id} REFRESH never").error();
    assert!(error.contains("REFRESH 'never' must be auto, off, or a duration"), "{error}");
    assert_eq!(client.run("WARM.LOADER GET content").field("refresh"), "5m");
}

/// Every directive of prediction, with values that are allowed and values that are not.
const DIRECTIVES: [(&str, &[&str], &[&str]); 8] = [
    ("hot-percent", &["50", "1", "10"], &["0", "51", "x", ""]),
    ("horizon", &["60", "5m", "7d"], &["0", "8d", "soon", "1500ms", "", "-1"]),
    ("predict", &["off", "observe", "on"], &["yes", ""]),
    ("refresh-ahead", &["no", "yes"], &["maybe"]),
    ("train-interval", &["1", "30d", "1h"], &["0", "31d", "x"]),
    ("holdout-percent", &["0", "50", "5"], &["-1", "51"]),
    ("max-memory-percent", &["1", "90", "20"], &["0", "91"]),
    ("eviction-hints", &["no", "yes"], &["2"]),
];

fn directives_change_under_load(edition: Edition) {
    let server = Server::setup(edition).line("maxmemory 200mb").line("maxmemory-policy allkeys-lfu").start();
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/0", Answer::ok("last").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let keys: Vec<String> = (0..2000).map(|id| format!("content:{id}")).collect();
    let job = client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).fine();
    let mut reader = server.client();
    for round in 0..5 {
        for (name, allowed, _) in DIRECTIVES {
            for value in allowed {
                client.ok(&format!("CONFIG SET warm.{name} {value}"));
                reader.run(&format!("WARM.GET content:{round}7")).fine();
                reader.run("WARM.TOP 10").fine();
            }
        }
        client.ok(&format!("CONFIG SET maxmemory {}mb maxmemory-policy allkeys-lru", 200 + round));
    }
    gate.open();
    finished(&mut client, &job);
    for (name, allowed, refused) in DIRECTIVES {
        let shown = shown(&mut client, name);
        for value in refused {
            client.call(&["CONFIG", "SET", &format!("warm.{name}"), value]).error();
            assert_eq!(self::shown(&mut client, name), shown, "{name} {value}");
        }
        assert!(!allowed.is_empty());
    }
}

fn shown(client: &mut Client, name: &str) -> String {
    client.run(&format!("CONFIG GET warm.{name}")).field(&format!("warm.{name}")).text()
}

fn spans_are_shown_in_seconds(edition: Edition) {
    let server = Server::setup(edition).line("warm.train-interval 2h").start();
    let mut client = server.client();
    let values = |client: &mut Client| ["horizon", "train-interval"].map(|name| shown(client, name));
    assert_eq!(values(&mut client), ["3600", "7200"]);
    assert_eq!((shown(&mut client, "predict"), shown(&mut client, "refresh-ahead")), ("on".into(), "yes".into()));
    client.ok("CONFIG SET warm.horizon 5m");
    assert_eq!(values(&mut client), ["300", "7200"]);
    let error = client.run("CONFIG SET warm.horizon 5w").error();
    assert!(error.contains("must be whole seconds, or a span such as"), "{error}");
    client.ok("CONFIG SET warm.horizon 1h");
    client.ok("CONFIG REWRITE");
    let text = std::fs::read_to_string(server.folder().join("server.conf")).expect("the file is there");
    assert!(text.lines().any(|line| line == "warm.train-interval \"7200\""), "{text}");
    assert!(!text.contains("warm.horizon"), "a default is not written: {text}");
    let log = Server::setup(edition).line("warm.horizon 8d").refuse();
    assert!(log.contains("horizon"), "{log}");
}
