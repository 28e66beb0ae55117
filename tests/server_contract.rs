//! What the server tells of the module, and to whom: command tables, permissions, directives, INFO and the statistics.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::collections::BTreeMap;

use support::{Client, Edition, Origin, Reply, Server, on_each_server};

on_each_server!(
    every_command_is_documented,
    keys_are_found_in_commands,
    flags_say_what_a_command_does,
    keys_are_guarded_by_permissions,
    bulk_commands_check_every_key_themselves,
    configuration_needs_an_administrator,
    commands_have_a_category,
    directives_are_shown_and_set,
    directives_are_rewritten,
    info_has_a_section,
    statistics_come_in_sections,
    help_names_every_command,
    records_are_maps_or_flat_arrays,
    wrong_arity_is_an_error_everywhere,
);

const COMMANDS: [&str; 18] = [
    "warm.config",
    "warm.enqueue",
    "warm.fill",
    "warm.get",
    "warm.help",
    "warm.job",
    "warm.lease",
    "warm.load",
    "warm.loader",
    "warm.mget",
    "warm.model",
    "warm.pause",
    "warm.predict",
    "warm.progress",
    "warm.queue",
    "warm.resume",
    "warm.stats",
    "warm.top",
];

fn every_command_is_documented(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let listed = client.run("COMMAND LIST FILTERBY MODULE warm").texts();
    for command in COMMANDS {
        assert!(listed.iter().any(|name| name == command), "{command} is not in {listed:?}");
        let docs = client.run(&format!("COMMAND DOCS {command}")).field(command);
        for field in ["summary", "since", "group", "complexity"] {
            assert!(!docs.field(field).text().is_empty(), "{command} has no {field}");
        }
        let bare = ["warm.help", "warm.pause", "warm.resume"].contains(&command);
        assert!(bare || docs.has_field("arguments") || docs.has_field("subcommands"), "{command}: {docs:?}");
    }
}

fn keys_are_found_in_commands(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    for (command, keys) in [
        ("WARM.GET a", vec!["a"]),
        ("WARM.GET a TIMEOUT 1s", vec!["a"]),
        ("WARM.MGET a b c", vec!["a", "b", "c"]),
        ("WARM.MGET a b TIMEOUT 1s", vec!["a", "b"]),
        ("WARM.LEASE a TTL 1s", vec!["a"]),
        ("WARM.FILL a token value EX 10", vec!["a"]),
        ("WARM.PROGRESS a", vec!["a"]),
        ("WARM.PREDICT a HORIZON 1h FEATURES 1 b 2", vec!["a"]),
        ("WARM.ENQUEUE a PRIORITY 5 FEATURES 1 b 2", vec!["a"]),
    ] {
        assert_eq!(client.run(&format!("COMMAND GETKEYS {command}")).fine().texts(), keys, "{command}");
        let flagged = client.run(&format!("COMMAND GETKEYSANDFLAGS {command}")).fine().items();
        let found: Vec<String> = flagged.iter().map(|pair| pair.items()[0].text()).collect();
        assert_eq!(found, keys, "{command}");
        let flags = flagged[0].items()[1].texts();
        assert!(!flags.is_empty(), "{command} has no flags");
        if command.starts_with("WARM.FILL") || command.starts_with("WARM.ENQUEUE") {
            assert!(flags.iter().any(|flag| flag == "OW" || flag == "RW"), "{flags:?}");
        }
    }
}

fn flags_say_what_a_command_does(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let mut flags = |command: &str| client.run(&format!("COMMAND INFO {command}")).items()[0].items()[2].texts();
    let fill = flags("WARM.FILL");
    assert!(fill.contains(&"write".to_owned()) && fill.contains(&"denyoom".to_owned()), "{fill:?}");
    let progress = flags("WARM.PROGRESS");
    assert!(progress.contains(&"readonly".to_owned()), "{progress:?}");
    for command in COMMANDS {
        assert!(flags(command).contains(&"module".to_owned()), "{command}");
    }
}

/// A connection as a new user with these rules.
fn user(server: &Server, rules: &str) -> Client {
    server.client().ok(&format!("ACL SETUSER reader reset on >password {rules}"));
    let mut client = server.client();
    client.ok("AUTH reader password");
    client
}

#[track_caller]
fn assert_forbidden(reply: &Reply, what: &str) {
    assert!(reply.error().starts_with("NOPERM "), "{what}: {reply:?}");
}

fn keys_are_guarded_by_permissions(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    server.load_content_from(&origin, "");
    let mut client = user(&server, "~content:* +@all");
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
    assert_eq!(client.run("WARM.MGET content:1 content:2 TIMEOUT 10s").texts(), ["content of 1", "content of 2"]);
    for command in [
        "WARM.GET other:1",
        "WARM.MGET content:1 other:1",
        "WARM.LEASE other:1",
        "WARM.FILL other:1 1 v",
        "WARM.PROGRESS other:1",
        "WARM.PREDICT other:1",
        "WARM.ENQUEUE other:1",
    ] {
        assert_forbidden(&client.run(command), command);
    }
}

fn bulk_commands_check_every_key_themselves(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut admin = server.load_content_from(&origin, "");
    let url = origin.url();
    admin.ok(&format!("WARM.LOADER SET other MATCH other:{{id}} URL {url}/content/{{id}}"));
    admin.run("SADD other:list content:7").fine();
    admin.run("SADD content:list content:8 other:8").fine();
    let mut client = user(&server, "~content:* +@all");
    let reply = client.run("WARM.LOAD WAIT 20s KEYS content:1").fine();
    assert_eq!(reply.field("completed"), 1);
    assert_forbidden(&client.run("WARM.LOAD KEYS content:2 other:1"), "a key of others");
    assert_forbidden(&client.run("WARM.LOAD FROM other:list"), "a collection of others");
    assert_eq!(admin.run("EXISTS content:2 other:1 content:7"), 0, "a refused command changes nothing");

    let reply = client.run("WARM.LOAD FROM content:list");
    if reply.as_error().is_none() {
        assert_eq!((reply.field("accepted").int(), reply.field("rejected").int()), (1, 1), "{reply:?}");
        client.run(&format!("WARM.JOB WAIT {} 20s", reply.field("job").int())).fine();
    } else {
        assert_forbidden(&reply, "a member of others");
    }
    assert_eq!((admin.run("EXISTS other:8").int(), origin.requests("/content/7")), (0, 0));
}

fn configuration_needs_an_administrator(edition: Edition) {
    let server = Server::start(edition);
    // Where a module cannot put its commands into categories, an operator names them.
    let (admin, dangerous) = match edition.has_module_categories() {
        true => ("-@admin", "-@dangerous"),
        false => ("-warm.loader -warm.config", "-warm.loader"),
    };
    let mut client = user(&server, &format!("~* +@all {admin}"));
    for command in ["WARM.LOADER SET a MATCH a:{id} URL http://127.0.0.1:9/{id}", "WARM.CONFIG RELOAD"] {
        assert_forbidden(&client.run(command), command);
    }
    client.ok("SET a b");
    assert_eq!(client.run("WARM.GET a"), "b");
    let mut client = user(&server, &format!("~* +@all {dangerous}"));
    assert_forbidden(&client.run("WARM.LOADER DEL a"), "WARM.LOADER DEL");
}

fn commands_have_a_category(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    if !edition.has_module_categories() {
        return assert!(client.run("ACL CAT warm").as_error().is_some());
    }
    let members = client.run("ACL CAT warm").texts();
    for command in COMMANDS {
        let here = members.iter().any(|name| name.split('|').next() == Some(command));
        assert!(here, "{command} is not in {members:?}");
    }
    let mut client = user(&server, "~* +@warm -@admin");
    client.run("WARM.STATS").fine();
    assert_forbidden(&client.run("GET a"), "GET");
}

fn directives_are_shown_and_set(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let all = client.run("CONFIG GET warm.*").fine();
    for name in ["file", "enable-loader-commands", "queue-length", "slice-us", "log-keys", "horizon", "predict"] {
        assert!(all.has_field(&format!("warm.{name}")), "{name} is not in {all:?}");
    }
    assert_eq!(all.field("warm.slice-us"), "100");
    client.ok("CONFIG SET warm.slice-us 50");
    assert_eq!(client.run("CONFIG GET warm.slice-us").field("warm.slice-us"), "50");
    for (name, value) in
        [("slice-us", "0"), ("slice-us", "-1"), ("slice-us", "x"), ("queue-length", "-5"), ("log-keys", "maybe")]
    {
        client.run(&format!("CONFIG SET warm.{name} {value}")).error();
    }
    assert_eq!(client.run("CONFIG GET warm.slice-us").field("warm.slice-us"), "50");
    for _ in 0..100 {
        client.run("CONFIG GET warm.*").fine();
    }
}

fn directives_are_rewritten(edition: Edition) {
    let server = Server::start(edition);
    server.client().ok("CONFIG SET warm.slice-us 70");
    server.client().ok("CONFIG REWRITE");
    let text = std::fs::read_to_string(server.folder().join("server.conf")).expect("the file is there");
    assert!(text.lines().any(|line| line == "warm.slice-us 70"), "{text}");
}

/// The fields of `INFO warm`.
fn info(client: &mut Client) -> BTreeMap<String, String> {
    let text = client.run("INFO warm").fine().text();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn info_has_a_section(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let before = info(&mut client);
    assert!(before.len() > 5 && before.keys().all(|name| name.starts_with("warm_")), "{before:?}");
    client.run("WARM.LOAD WAIT 20s KEYS content:1 content:2").fine();
    client.run("WARM.GET content:3").fine();
    let after = info(&mut client);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "fields do not come and go");
    assert_ne!(before, after, "something was counted");
    assert!(client.run("INFO everything").text().contains("warm_"));
    assert!(!client.run("INFO").text().contains("content:"), "no keys in INFO");
}

fn statistics_come_in_sections(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.run("WARM.GET content:1").fine();
    let all = client.run("WARM.STATS").fine();
    for section in ["warming", "prediction", "hits", "loaders", "memory", "threads"] {
        assert!(all.has_field(section), "{section} is not in {:?}", all.fields());
        let one = client.run(&format!("WARM.STATS {section}")).fine();
        assert_eq!(one.fields(), all.field(section).fields(), "{section}");
    }
    let error = client.run("WARM.STATS colours").error();
    assert!(error.starts_with("ERR ") && error.contains("colours"), "{error}");
    assert!(format!("{:?}", all.field("loaders")).contains("content"));
}

fn help_names_every_command(edition: Edition) {
    let server = Server::start(edition);
    let text = server.client().run("WARM.HELP").texts().join("\n").to_lowercase();
    for command in COMMANDS {
        assert!(text.contains(command) || text.contains(&command.replace("warm.", "")), "{command} is not in {text}");
    }
}

fn records_are_maps_or_flat_arrays(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut new = server.load_content_from(&origin, "");
    let mut old = server.resp2_client();
    for command in [
        "WARM.LOAD WAIT 20s KEYS content:1",
        "WARM.LOAD KEYS content:1",
        "WARM.PROGRESS content:1",
        "WARM.LEASE content:1",
        "WARM.LOADER GET content",
        "WARM.LOADER TEST content content:1",
        "WARM.STATS",
        "WARM.STATS memory",
        "WARM.STATS hits",
        "WARM.PREDICT content:1",
        "WARM.ENQUEUE content:1",
        "WARM.MODEL INFO",
    ] {
        let (new, old) = (new.run(command).fine(), old.run(command).fine());
        assert!(new.is_map() && !old.is_map(), "{command}");
        assert_eq!(new.fields(), old.fields(), "{command}");
        assert_eq!(old.items().len(), 2 * new.fields().len(), "{command}");
    }
    assert!(new.run("WARM.JOB LIST").items().iter().all(Reply::is_map));
    assert!(old.run("WARM.JOB LIST").items().iter().all(|job| job.field("state") == "done"));
    assert_eq!(old.run("WARM.MGET content:1 none:1").items().len(), 2);
    assert!(old.run("WARM.MGET content:1 none:1").items()[1].is_null());
    let rate = new.run("WARM.LOADER GET content").field("limit");
    assert!(rate.number() >= 1.0);
}

fn wrong_arity_is_an_error_everywhere(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    for command in COMMANDS {
        if !["warm.help", "warm.pause", "warm.resume", "warm.queue", "warm.stats"].contains(&command) {
            assert!(client.run(command).error().starts_with("ERR "), "{command}");
        }
        let words = format!("{command} {}", "x ".repeat(40));
        if command != "warm.mget" {
            assert!(client.run(&words).as_error().is_some(), "{words}");
        }
    }
}
