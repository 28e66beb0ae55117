//! `WARM.GET` and `WARM.MGET`: a miss becomes one origin request, whoever asks and however many.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::io::Write;

use support::origin::{content, document};
use support::{Answer, Client, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    a_miss_is_loaded_and_the_next_read_is_a_hit,
    a_hit_needs_no_loader,
    an_absent_key_is_null_and_remembered,
    absence_is_forgotten_after_a_while,
    an_empty_body_is_an_empty_value,
    a_key_of_another_type_is_wrongtype,
    a_key_without_a_loader_is_an_error,
    a_failing_origin_is_loadfail_and_writes_nothing,
    a_failure_is_retried,
    a_wait_runs_out_and_the_load_goes_on,
    many_clients_on_one_key_cause_one_request,
    several_keys_in_order,
    several_keys_in_batches,
    several_keys_run_out_of_time_one_by_one,
    in_a_transaction_a_miss_is_null_and_queued,
    in_a_script_a_miss_is_null_and_queued,
    a_client_that_leaves_is_forgotten,
    a_load_stays_in_its_database,
    keys_and_values_are_bytes,
    compressed_values_are_read_plain,
    a_compressed_transfer_is_decoded,
    plain_commands_are_untouched_by_a_dead_origin,
);

fn a_miss_is_loaded_and_the_next_read_is_a_hit(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TTL 100s");
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
    assert_eq!(client.value_of("content:1").as_deref(), Some("content of 1"));
    let ttl = client.run("PTTL content:1").int();
    assert!((88_000..=100_000).contains(&ttl), "{ttl} ms is within the jitter of the loader's TTL");
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
    assert_eq!(origin.total(), 1);
}

fn a_hit_needs_no_loader(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    client.ok("SET plain:1 mine");
    assert_eq!(client.run("WARM.GET plain:1"), "mine");
    assert_eq!(client.run("warm.get plain:1 timeout 1s"), "mine", "names and options in any case");
}

fn an_absent_key_is_null_and_remembered(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/gone", Answer::status(410));
    origin.on("/content/none", Answer::status(404));
    let mut client = server.load_content_from(&origin, "NEGATIVE 1h");
    for key in ["content:gone", "content:none"] {
        for _ in 0..3 {
            assert!(client.run(&format!("WARM.GET {key}")).is_null());
        }
    }
    assert_eq!((origin.requests("/content/gone"), origin.requests("/content/none")), (1, 1));
    assert_eq!(client.run("DBSIZE"), 0, "absence is not written into the database");
    client.ok("SET content:none here");
    assert_eq!(client.run("WARM.GET content:none"), "here", "what is written is there, whatever was remembered");
}

fn absence_is_forgotten_after_a_while(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on_each("/content/1", vec![Answer::status(404), Answer::ok("born")]);
    let mut client = server.load_content_from(&origin, "NEGATIVE 50ms");
    assert!(client.run("WARM.GET content:1").is_null());
    wait_until("the origin is asked again", || client.run("WARM.GET content:1") == "born");
    assert_eq!(origin.total(), 2);
}

fn an_empty_body_is_an_empty_value(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/1", Answer::ok(""));
    let mut client = server.load_content_from(&origin, "");
    assert_eq!(client.run("WARM.GET content:1"), "");
    assert_eq!(client.run("EXISTS content:1"), 1);
    assert_eq!(client.run("WARM.GET content:1"), "");
    assert_eq!(origin.total(), 1);
}

fn a_key_of_another_type_is_wrongtype(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.run("RPUSH content:1 a").fine();
    assert!(client.run("WARM.GET content:1").error().starts_with("WRONGTYPE "));
    let values = client.run("WARM.MGET content:1 content:2").items();
    assert!(values[0].is_null(), "as MGET does");
    assert_eq!(values[1], "content of 2");
    assert_eq!(client.run("LRANGE content:1 0 -1").texts(), ["a"]);
    assert_eq!(origin.requests("/content/1"), 0);
}

fn a_key_without_a_loader_is_an_error(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for key in ["other:1", "content", "content:", "xcontent:1"] {
        let error = client.run(&format!("WARM.GET {key}")).error();
        assert!(error.starts_with("NOLOADER "), "{key}: {error}");
    }
    let values = client.run("WARM.MGET other:1 content:1").items();
    assert!(values[0].is_null());
    assert_eq!(values[1], "content of 1");
}

fn a_failing_origin_is_loadfail_and_writes_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/1", Answer::status(500));
    origin.on("/content/2", Answer::status(403));
    let mut client = server.load_content_from(&origin, "");
    let error = client.run("WARM.GET content:1").error();
    assert!(error.starts_with("LOADFAIL content ") && error.contains("500"), "{error}");
    let error = client.run("WARM.GET content:2").error();
    assert!(error.starts_with("LOADFAIL content ") && error.contains("403"), "{error}");
    assert!(client.run("WARM.MGET content:1 content:2").items().iter().all(|value| value.is_null()));
    assert_eq!(client.run("DBSIZE"), 0);
}

fn a_failure_is_retried(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on_each("/content/1", vec![Answer::status(500), Answer::hangup(), Answer::ok("at last")]);
    origin.on("/content/2", Answer::status(502));
    origin.on("/content/3", Answer::status(400));
    let mut client = server.load_content_from(&origin, "");
    let url = origin.url();
    client.ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/content/{{id}} RETRIES 2"));
    assert_eq!(client.run("WARM.GET content:1"), "at last");
    assert_eq!(origin.requests("/content/1"), 3);
    client.run("WARM.GET content:2").error();
    assert_eq!(origin.requests("/content/2"), 3, "one try and two retries");
    client.run("WARM.GET content:3").error();
    assert_eq!(origin.requests("/content/3"), 1, "what the origin refuses is not asked again");
}

fn a_wait_runs_out_and_the_load_goes_on(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let error = client.run("WARM.GET content:1 TIMEOUT 50ms").error();
    assert!(error.starts_with("TIMEOUT "), "{error}");
    client.ok("SET unrelated 1");
    gate.open();
    wait_until("the load has ended", || client.value_of("content:1").is_some());
    assert_eq!(client.run("WARM.GET content:1"), "late");
    assert_eq!(origin.total(), 1);
}

fn many_clients_on_one_key_cause_one_request(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("shared").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut waiting: Vec<Client> = (0..200).map(|_| server.resp2_client()).collect();
    for client in &mut waiting {
        client.send("WARM.GET content:1");
    }
    server.wait_for_blocked(200);
    client.run("WARM.LOAD KEYS content:1").fine();
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.receive(), "shared");
    }
    client.ok("SET after 1");
    assert_eq!(origin.total(), 1);
}

fn several_keys_in_order(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/none", Answer::status(404));
    origin.on("/content/broken", Answer::status(500));
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:there mine");
    let keys = "content:2 content:none content:there content:broken content:1 content:2";
    let values = client.run(&format!("WARM.MGET {keys} TIMEOUT 10s")).items();
    assert_eq!(values.len(), 6);
    assert_eq!(values[0], "content of 2");
    assert!(values[1].is_null() && values[3].is_null());
    assert_eq!(values[2], "mine");
    assert_eq!(values[4], "content of 1");
    assert_eq!(values[5], "content of 2");
    assert_eq!(origin.requests("/content/2"), 1, "a key that is named twice is fetched once");
    let hits = client.run("WARM.MGET content:1 content:2").texts();
    assert_eq!(hits, ["content of 1", "content of 2"]);
    assert_eq!(origin.total(), 4);
}

fn several_keys_in_batches(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client =
        server.load_content_from(&origin, &format!("BATCH 10 BATCHURL {}/object?ids={{ids}}", origin.url()));
    let keys: Vec<String> = (0..10).map(|id| format!("content:{id}")).collect();
    let values = client.run(&format!("WARM.MGET {}", keys.join(" "))).texts();
    for (id, value) in values.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(value).expect("the value is the document");
        assert_eq!(value, document(id));
    }
    assert_eq!((origin.requests("/object"), origin.total()), (1, 1));
}

fn several_keys_run_out_of_time_one_by_one(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:0 here");
    let values = client.run("WARM.MGET content:0 content:1 TIMEOUT 50ms").items();
    assert_eq!(values[0], "here");
    assert!(values[1].is_null(), "a failed element is null");
    gate.open();
    wait_until("the load has ended", || client.value_of("content:1").is_some());
}

fn in_a_transaction_a_miss_is_null_and_queued(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.ok("SET content:0 here");
    client.ok("MULTI");
    for command in ["WARM.GET content:0", "WARM.GET content:1", "WARM.MGET content:0 content:2", "WARM.GET other:1"] {
        assert_eq!(client.run(command), "QUEUED");
    }
    let replies = client.run("EXEC").items();
    assert_eq!(replies[0], "here");
    assert!(replies[1].is_null());
    let values = replies[2].items();
    assert_eq!(values[0], "here");
    assert!(values[1].is_null());
    assert!(replies[3].error().starts_with("NOLOADER "));
    for id in [1, 2] {
        wait_until("the load has ended", || client.value_of(&format!("content:{id}")) == Some(content(id)));
    }
}

fn in_a_script_a_miss_is_null_and_queued(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let script = "return redis.call('WARM.GET', KEYS[1]) or 'a miss'";
    assert_eq!(client.call(&["EVAL", script, "1", "content:1"]), "a miss");
    wait_until("the load has ended", || client.value_of("content:1").is_some());
    assert_eq!(client.call(&["EVAL", script, "1", "content:1"]), "content of 1");
}

fn a_client_that_leaves_is_forgotten(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("late").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut killed = server.client();
    let id = killed.id();
    killed.send("WARM.GET content:1");
    let mut many = server.client();
    many.send("WARM.MGET content:1 content:2");
    let mut leaving = server.client();
    leaving.send("WARM.GET content:1");
    let mut staying = server.client();
    staying.send("WARM.GET content:1");
    server.wait_for_blocked(4);

    drop(leaving);
    drop(many);
    assert_eq!(client.run(&format!("CLIENT KILL ID {id}")), 1);
    server.wait_for_blocked(1);
    gate.open();
    assert_eq!(staying.receive(), "late");
    assert_eq!(client.value_of("content:1").as_deref(), Some("late"));
    assert_eq!(origin.requests("/content/1"), 1);
}

fn a_load_stays_in_its_database(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on_each("/content/1", vec![Answer::ok("three").behind(&gate), Answer::ok("zero")]);
    let mut client = server.load_content_from(&origin, "");
    let mut other = server.client();
    other.ok("SELECT 3");
    other.send("WARM.GET content:1");
    gate.wait_for(1);
    assert_eq!(client.run("WARM.GET content:1"), "zero", "one key in two databases is two keys");
    gate.open();
    assert_eq!(other.receive(), "three");
    assert_eq!(other.value_of("content:1").as_deref(), Some("three"));
    assert_eq!(client.value_of("content:1").as_deref(), Some("zero"));
}

fn keys_and_values_are_bytes(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\0\r\n").collect();
    origin.on("/content/%FF%00%20a%2Fb%3F%25", Answer::ok(body.clone()));
    let mut client = server.load_content_from(&origin, "");
    let key: &[u8] = b"content:\xff\0 a/b?%";
    assert_eq!(client.call(&[b"WARM.GET".as_slice(), key]), body.as_slice());
    assert_eq!(client.call(&[b"GET".as_slice(), key]), body.as_slice());
    assert_eq!(origin.total(), 1);
}

fn compressed_values_are_read_plain(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let body = "again and again ".repeat(100);
    origin.on("/content/1", Answer::ok(body.clone()));
    for method in ["zstd", "gzip"] {
        let mut client = server.load_content_from(&origin, &format!("COMPRESS {method}"));
        client.ok("FLUSHALL");
        assert_eq!(client.run("WARM.GET content:1"), body, "{method}: as it was loaded");
        assert_eq!(client.run("WARM.GET content:1"), body, "{method}: as it is stored");
        assert_eq!(client.run("WARM.MGET content:1").items()[0], body);
        let stored = client.run("GET content:1");
        let stored = stored.bytes().expect("the key holds a string");
        assert!(stored.len() < body.len() / 2, "{method}: {} bytes", stored.len());
        let plain = match method {
            "zstd" => zstd::decode_all(stored),
            _ => std::io::read_to_string(flate2::read::GzDecoder::new(stored)).map(String::into_bytes),
        };
        assert_eq!(plain.expect("anyone can decode it"), body.as_bytes(), "{method}");
    }
}

fn a_compressed_transfer_is_decoded(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let body = "again and again ".repeat(100);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).expect("memory takes all");
    let gzip = encoder.finish().expect("memory takes all");
    let zstd = zstd::encode_all(body.as_bytes(), 1).expect("memory takes all");
    origin.on("/content/gzip", Answer::ok(gzip).header("Content-Encoding", "gzip"));
    origin.on("/content/zstd", Answer::ok(zstd).header("Content-Encoding", "zstd"));
    let mut client = server.load_content_from(&origin, "");
    assert_eq!(client.run("WARM.GET content:gzip"), body);
    assert_eq!(client.run("WARM.GET content:zstd"), body);
    let accepted = &origin.history()[0].headers["accept-encoding"];
    for method in ["gzip", "br", "zstd"] {
        assert!(accepted.contains(method), "{accepted}");
    }
}

fn plain_commands_are_untouched_by_a_dead_origin(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    drop(origin);
    assert!(client.run("GET content:1").is_null());
    assert!(client.run("WARM.GET content:1").error().starts_with("LOADFAIL content "));
    client.ok("SET content:1 mine");
    assert_eq!(client.run("WARM.GET content:1"), "mine");
    assert_eq!(client.run("DEL content:1"), 1);
}
