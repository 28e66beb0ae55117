//! `WARM.LOADER`: defining, showing, testing and pausing loaders by commands.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Answer, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    a_loader_is_shown_as_it_was_set,
    a_loader_is_replaced_and_deleted,
    figures_of_a_loader,
    a_test_writes_nothing,
    a_paused_loader_asks_nothing,
    changes_need_permission,
    changes_are_allowed_to_local_clients,
    permission_is_immutable,
    secrets_are_masked,
    secrets_stay_out_of_the_slowlog,
    bad_options_name_the_argument,
    the_longest_literal_prefix_wins,
    templates_expand_what_was_captured,
    deleting_a_loader_ends_its_loads,
    changing_a_loader_during_a_load_is_safe,
);

fn a_loader_is_shown_as_it_was_set(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    assert!(client.run("WARM.LOADER LIST").items().is_empty());
    client.ok("WARM.LOADER SET articles MATCH article:{id} URL http://127.0.0.1:9/a/{id}");
    client.ok(
        "warm.loader set pages match page:{site}:{path} url http://127.0.0.1:9/{site}/{+path} ttl 5m freshness origin \
         jitter 0 negative 0 timeout 250ms retries 7 concurrency 3 rate 2.5 batch 10 batchurl http://127.0.0.1:9/b?i={ids} \
         batchformat ndjson batchid /id body /data type hash maxbytes 64kb cost 2.5",
    );
    let mut names = client.run("WARM.LOADER LIST").texts();
    names.sort();
    assert_eq!(names, ["articles", "pages"]);

    let articles = client.run("WARM.LOADER GET articles");
    assert_eq!(articles.field("match"), "article:{id}");
    assert_eq!(articles.field("url"), "http://127.0.0.1:9/a/{id}");
    assert_eq!(articles.field("state"), "closed");
    for counter in ["in_flight", "requests", "failures", "bytes"] {
        assert_eq!(articles.field(counter), 0, "{counter}");
    }
    assert!(articles.field("limit").number() >= 1.0);
    assert_eq!(articles.field("latency_ms").fields(), ["p50", "p95", "p99"]);
    let pages = client.run("WARM.LOADER GET pages");
    for (field, value) in [("retries", 7.0), ("concurrency", 3.0), ("rate", 2.5), ("batch", 10.0), ("cost", 2.5)] {
        assert_eq!(pages.field(field).number(), value, "{field}");
    }
    for (field, value) in [("freshness", "origin"), ("batchformat", "ndjson"), ("type", "hash"), ("body", "/data")] {
        assert_eq!(pages.field(field), value, "{field}");
    }
}

fn a_loader_is_replaced_and_deleted(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "TTL 1h");
    let url = origin.url();
    origin.on("/new/1", Answer::ok("new"));
    client.ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/new/{{id}}"));
    assert_eq!(client.run("WARM.GET content:1"), "new");
    client.run("WARM.LOADER DEL content").fine();
    client.run("DEL content:1").fine();
    assert!(client.run("WARM.GET content:1").error().starts_with("NOLOADER "));
    for command in ["GET content", "DEL content", "TEST content content:1", "PAUSE content", "RESUME content"] {
        let error = client.run(&format!("WARM.LOADER {command}")).error();
        assert!(error.starts_with("ERR ") && error.contains("content"), "{command}: {error}");
    }
}

fn figures_of_a_loader(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/broken", Answer::status(500));
    let mut client = server.load_content_from(&origin, "");
    for id in 0..5 {
        client.run(&format!("WARM.GET content:{id}")).fine();
    }
    client.run("WARM.GET content:broken").error();
    wait_until("all is counted", || {
        let loader = client.run("WARM.LOADER GET content");
        loader.field("requests") == 6 && loader.field("in_flight") == 0
    });
    let loader = client.run("WARM.LOADER GET content");
    assert_eq!(loader.field("failures"), 1);
    assert!(loader.field("bytes").int() >= 5 * "content of 0".len() as i64);
    let latency = loader.field("latency_ms");
    let [p50, p99] = ["p50", "p99"].map(|field| latency.field(field).number());
    assert!(0.0 < p50 && p50 <= p99 && p99 < 10_000.0, "{latency:?}");
}

fn a_test_writes_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    origin.on("/content/none", Answer::status(404));
    origin.on("/content/broken", Answer::status(503));
    let mut client = server.load_content_from(&origin, "TTL 100s JITTER 0");
    let found = client.run("WARM.LOADER TEST content content:1").fine();
    assert_eq!(found.fields(), ["url", "status", "bytes", "ttl_ms", "latency_ms", "not_modified", "error"]);
    assert_eq!(found.field("url"), format!("{}/content/1", origin.url()));
    assert_eq!((found.field("status").int(), found.field("bytes").int()), (200, "content of 1".len() as i64));
    assert_eq!(found.field("ttl_ms"), 100_000);
    assert_eq!(client.run("WARM.LOADER TEST content content:none").fine().field("status"), 404);
    let broken = format!("{:?}", client.run("WARM.LOADER TEST content content:broken"));
    assert!(broken.contains("503"), "{broken}");
    assert!(client.run("WARM.LOADER TEST content other:1").error().contains("pattern"), "the key does not match");
    assert_eq!(client.run("DBSIZE"), 0);
}

fn a_paused_loader_asks_nothing(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.run("WARM.LOADER PAUSE content").fine();
    assert_eq!(client.run("WARM.LOADER GET content").field("state"), "paused");
    assert!(client.run("WARM.GET content:1").error().starts_with("PAUSED"));
    client.ok("SET content:2 mine");
    assert_eq!(client.run("WARM.GET content:2"), "mine", "a hit is a hit");
    let job = client.run("WARM.LOAD KEYS content:3").fine().field("job").int();
    assert_eq!(client.run("WARM.PROGRESS content:3").field("status"), "pending");
    assert_eq!(origin.total(), 0);
    client.run("WARM.LOADER RESUME content").fine();
    assert_eq!(client.run(&format!("WARM.JOB WAIT {job} 20s")).field("completed"), 1);
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
}

fn changes_need_permission(edition: Edition) {
    for line in ["warm.enable-loader-commands no", "# warm.enable-loader-commands is not set"] {
        let server = Server::setup(edition).line(line).without_permission().start();
        let mut client = server.client();
        for command in ["SET a MATCH a:{id} URL http://127.0.0.1:9/{id}", "DEL a"] {
            let error = client.run(&format!("WARM.LOADER {command}")).error();
            assert!(error.contains("enable-loader-commands"), "{command}: {error}");
        }
        assert!(client.run("WARM.LOADER LIST").items().is_empty());
    }
}

fn changes_are_allowed_to_local_clients(edition: Edition) {
    let server =
        Server::setup(edition).without_permission().line("warm.enable-loader-commands local").with_port().start();
    server.client().ok("WARM.LOADER SET a MATCH a:{id} URL http://127.0.0.1:9/{id}");
    server.tcp_client().ok("WARM.LOADER SET b MATCH b:{id} URL http://127.0.0.1:9/{id}");
    assert_eq!(server.client().run("WARM.LOADER LIST").items().len(), 2);
}

fn permission_is_immutable(edition: Edition) {
    let server = Server::setup(edition).without_permission().start();
    let mut client = server.client();
    client.run("CONFIG SET warm.enable-loader-commands yes").error();
    assert_eq!(client.run("CONFIG GET warm.enable-loader-commands").field("warm.enable-loader-commands"), "no");
}

fn secrets_are_masked(edition: Edition) {
    let server = Server::setup(edition).line("loglevel debug").start();
    let origin = Origin::start();
    let mut client = server.client();
    let url = origin.url().replace("http://", "http://user:passw0rd@") + "/content/{id}";
    let bearer = "Authorization-Token: Bearer s3cret";
    let set = ["WARM.LOADER", "SET", "content", "MATCH", "content:{id}", "URL", &url, "RETRIES", "0", "HEADER", bearer];
    assert_eq!(client.call(&set), "OK");
    client.run("WARM.GET content:1").fine();
    let request = origin.history().remove(0);
    assert_eq!(request.headers["authorization-token"], "Bearer s3cret", "the origin gets it");
    assert_eq!(request.headers["authorization"], "Basic dXNlcjpwYXNzdzByZA==");

    origin.on("/content/2", Answer::status(500));
    let mut told = vec![client.run("WARM.GET content:2"), client.run("WARM.LOADER TEST content content:2")];
    client.call(&[&set[..], &["COLOUR", "red"]].concat()).error();
    told.push(client.call(&[&set[..], &["TTL", "soon"]].concat()));
    drop(origin);
    told.push(client.run("WARM.GET content:3"));
    let shown = client.run("WARM.LOADER GET content");
    assert!(shown.field("url").text().contains("***"), "{shown:?}");
    assert!(format!("{shown:?}").contains("***"));
    told.push(shown);
    for command in ["WARM.LOADER LIST", "WARM.STATS", "INFO everything", "CONFIG GET *", "WARM.JOB LIST"] {
        told.push(client.run(command));
    }
    for reply in told {
        let text = format!("{reply:?}");
        assert!(!text.contains("s3cret") && !text.contains("passw0rd"), "{text}");
    }
    let log = server.log();
    assert!(!log.contains("s3cret") && !log.contains("passw0rd"), "{log}");
}

fn secrets_stay_out_of_the_slowlog(edition: Edition) {
    let server = Server::setup(edition).line("slowlog-log-slower-than 0").start();
    let mut client = server.client();
    let bearer = "Authorization: Bearer s3cret";
    let url = "http://user:passw0rd@127.0.0.1:9/{id}";
    let set = ["WARM.LOADER", "SET", "content", "MATCH", "content:{id}", "URL", url, "HEADER", bearer];
    assert_eq!(client.call(&set), "OK");
    client.call(&[&set[..], &["COLOUR", "red"]].concat()).error();
    client.call(&[&set[..], &["TTL", "soon"]].concat()).error();
    let slow = client.run("SLOWLOG GET 100").items();
    let entries: Vec<String> = slow.iter().map(|entry| entry.items()[3].texts().join(" ")).collect();
    assert!(entries.iter().any(|entry| entry.to_uppercase().contains("WARM.LOADER")), "{entries:?}");
    for entry in entries {
        assert!(!entry.contains("s3cret") && !entry.contains("passw0rd"), "{entry}");
    }
}

fn bad_options_name_the_argument(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let good = "MATCH a:{id} URL http://127.0.0.1:9/{id}";
    for (command, named) in [
        ("".to_owned(), "arguments"),
        ("a".to_owned(), "arguments"),
        ("a MATCH a:{id}".to_owned(), "URL"),
        ("a URL http://127.0.0.1:9/".to_owned(), "MATCH"),
        (format!("{} {good}", "n".repeat(65)), "64"),
        (format!("a/b {good}"), "a/b"),
        (format!("a {good} COLOUR red"), "COLOUR"),
        (format!("a {good} TTL"), "TTL"),
        (format!("a {good} TTL soon"), "soon"),
        (format!("a {good} TTL 0"), "TTL"),
        (format!("a {good} TTL -5s"), "-5s"),
        (format!("a {good} TTL 5parsecs"), "5parsecs"),
        (format!("a {good} TTL 99999999999999999999"), "TTL"),
        (format!("a {good} JITTER 101"), "JITTER"),
        (format!("a {good} JITTER -1"), "JITTER"),
        (format!("a {good} NEGATIVE x"), "NEGATIVE"),
        (format!("a {good} TIMEOUT 0"), "TIMEOUT"),
        (format!("a {good} RETRIES many"), "many"),
        (format!("a {good} CONCURRENCY 0"), "CONCURRENCY"),
        (format!("a {good} RATE -1"), "RATE"),
        (format!("a {good} RATE nan"), "RATE"),
        (format!("a {good} BATCH 0"), "BATCH"),
        (format!("a {good} BATCH 10"), "BATCHURL"),
        (format!("a {good} BATCH 10 BATCHURL http://127.0.0.1:9/none"), "{ids}"),
        (format!("a {good} BATCH 10 BATCHURL http://127.0.0.1:9/?i={{ids}} BATCHFORMAT xml"), "xml"),
        (format!("a {good} BATCH 10 BATCHURL http://127.0.0.1:9/?i={{ids}} BATCHFORMAT ndjson"), "BATCHID"),
        (format!("a {good} BATCHID id"), "BATCHID"),
        (format!("a {good} BODY data"), "BODY"),
        (format!("a {good} TYPE set"), "set"),
        (format!("a {good} COMPRESS lz4"), "lz4"),
        (format!("a {good} TYPE hash COMPRESS zstd"), "COMPRESS"),
        (format!("a {good} FRESHNESS stale"), "stale"),
        (format!("a {good} MAXBYTES big"), "big"),
        (format!("a {good} MAXBYTES 0"), "MAXBYTES"),
        (format!("a {good} HEADER nocolon"), "HEADER"),
        (format!("a {good} COST -1"), "COST"),
        (format!("a {good} COST inf"), "COST"),
        ("a MATCH a:{id} URL http://127.0.0.1:9/{nope}".to_owned(), "nope"),
        ("a MATCH a:{id} URL http://127.0.0.1:9/{id".to_owned(), "URL"),
        ("a MATCH a:{id URL http://127.0.0.1:9/".to_owned(), "MATCH"),
        ("a MATCH a:{id}{other} URL http://127.0.0.1:9/".to_owned(), "MATCH"),
        ("a MATCH a:{id}:{id} URL http://127.0.0.1:9/".to_owned(), "id"),
        ("a MATCH a:{id} URL gopher://127.0.0.1/{id}".to_owned(), "gopher"),
        ("a MATCH a:{id} URL /{id}".to_owned(), "URL"),
    ] {
        let error = client.run(&format!("WARM.LOADER SET {command}")).error();
        let told = error.to_lowercase().contains(&named.to_lowercase()) || error.contains("wrong number of arguments");
        assert!(error.starts_with("ERR ") && told, "{command}: {error} (should name {named})");
        assert!(client.run("WARM.LOADER LIST").items().is_empty(), "{command} changed something");
    }
    let set = ["WARM.LOADER", "SET", "a", "MATCH", "a:{id}", "URL", "http://127.0.0.1:9/{id}", "HEADER"];
    for header in ["X: a\r\nY: b", "X: \0", ": value", "Na me: value", "X: \u{7f}"] {
        client.call(&[&set[..], &[header]].concat()).error();
    }
    client.call(&[b"WARM.LOADER".as_slice(), b"SET", b"\xff\0", b"MATCH", b"a:{id}", b"URL", b"http://h/"]).error();
    client.call(&[b"WARM.LOADER".as_slice(), b"SET", b"a", b"MATCH", b"a:{id}", b"URL", b"http://h/\xff\0"]).error();
    client.run("WARM.LOADER FLY a").error();
    assert!(client.run("WARM.LOADER LIST").items().is_empty());
}

fn the_longest_literal_prefix_wins(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.client();
    let url = origin.url();
    for (name, pattern) in [("all", "*"), ("a", "a:{id}"), ("ab", "a:b:{id}"), ("suffix", "a:{id}:end")] {
        origin.on(&format!("/{name}"), Answer::ok(name));
        client.ok(&format!("WARM.LOADER SET {name} MATCH {pattern} URL {url}/{name}"));
    }
    for (key, name) in [("a:1", "a"), ("a:b:1", "ab"), ("a:b", "a"), ("b", "all"), ("a:b:", "a"), ("a:", "all")] {
        assert_eq!(client.run(&format!("WARM.GET {key}")), name, "{key}");
    }
    client.run("WARM.LOADER DEL ab").fine();
    client.run("DEL a:b:1").fine();
    assert_eq!(client.run("WARM.GET a:b:1"), "a");
}

fn templates_expand_what_was_captured(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.client();
    let url = origin.url();
    client.ok(&format!("WARM.LOADER SET pages MATCH page:{{site}}:{{path}} URL {url}/{{site}}/{{+path}}?k={{key}}"));
    origin.on("/a.b/c/d:e%20f", Answer::ok("found"));
    assert_eq!(client.call(&["WARM.GET", "page:a.b:c/d:e f"]), "found");
    let request = origin.history().remove(0);
    assert_eq!(request.query["k"], "page:a.b:c/d:e f");
    let hostile =
        ["page:x:../../etc", "page:@evil:80", "page:x:?a=b#c", "page:x:\r\nHost: evil\r\n\r\n", "page:x:%0d%0a"];
    for key in hostile {
        client.call(&["WARM.GET", key]).fine();
        let request = origin.history().pop().expect("the request came here and nowhere else");
        assert_eq!(request.query.get("k").map_or(key, String::as_str), key);
        assert!(origin.url().ends_with(&request.headers["host"]));
    }
}

fn deleting_a_loader_ends_its_loads(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("in flight").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    let job = client.run("WARM.LOAD KEYS content:1 content:2 content:3").field("job").int();
    gate.wait_for(1);
    client.run("WARM.LOADER DEL content").fine();
    gate.open();
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!(status.field("state"), "done", "every job ends");
    assert!(status.field("pending") == 0 && status.field("warming") == 0, "{status:?}");
}

fn changing_a_loader_during_a_load_is_safe(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("old").behind(&gate));
    let mut client = server.load_content_from(&origin, "CONCURRENCY 1");
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    gate.wait_for(1);
    let job = client.run("WARM.LOAD KEYS content:1 content:2").field("job").int();
    server.load_content_from(&origin, "CONCURRENCY 4 TTL 10s");
    gate.open();
    assert_eq!(waiting.receive(), "old");
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!((status.field("state").text(), status.field("failed").int()), ("done".into(), 0), "{status:?}");
    assert_eq!(client.value_of("content:2").as_deref(), Some("content of 2"));
}
