//! WARM.MODEL, and what WARM.STATS and INFO say of prediction.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Edition, Origin, Server, on_each_server, wait_until};

on_each_server!(
    info_is_a_record_also_in_transactions,
    training_needs_samples_and_says_how_many,
    rows_are_taken_or_refused_as_a_whole,
    rows_are_bounded,
    without_a_model_there_is_no_blob,
    a_damaged_blob_changes_nothing,
    changes_need_an_administrator,
    statistics_tell_of_hits_and_predictions,
    clients_that_leave_do_no_harm,
);

const FIELDS: [&str; 16] = [
    "kind",
    "version",
    "trained_at",
    "samples",
    "features",
    "accuracy",
    "baseline_accuracy",
    "precision",
    "recall",
    "f1",
    "pr_auc",
    "coverage",
    "calibration_error",
    "training_ms",
    "bytes",
    "windows",
];

fn info_is_a_record_also_in_transactions(edition: Edition) {
    let server = Server::start(edition);
    let (mut new, mut old) = (server.client(), server.resp2_client());
    for command in ["WARM.MODEL INFO", "WARM.MODEL EVAL", "warm.model info"] {
        let (new, old) = (new.run(command).fine(), old.run(command).fine());
        assert!(new.is_map() && !old.is_map());
        assert_eq!((new.fields(), old.fields()), (FIELDS.map(str::to_owned).to_vec(), new.fields()));
        assert_eq!((new.field("kind").text(), new.field("version").int()), ("none".into(), 0));
        for field in ["trained_at", "accuracy", "baseline_accuracy", "f1", "pr_auc", "coverage", "training_ms"] {
            assert!(new.field(field).is_null() && old.field(field).is_null(), "{field}: {new:?}");
        }
        assert_eq!(new.field("samples"), 0);
    }
    new.ok("MULTI");
    new.run("WARM.MODEL INFO").fine();
    new.run("WARM.MODEL EVAL").fine();
    let replies = new.run("EXEC").items();
    assert!(replies.iter().all(|info| info.fields() == FIELDS));
    for command in ["WARM.MODEL INFO x", "WARM.MODEL", "WARM.MODEL GUESS", "WARM.MODEL EXPORT x", "WARM.MODEL RESET x"]
    {
        assert!(new.run(command).error().starts_with("ERR "), "{command}");
    }
    let help = new.run("WARM.MODEL HELP").texts().join("\n");
    assert!(["INFO", "TRAIN", "EVAL", "EXPORT", "IMPORT", "RESET"].iter().all(|word| help.contains(word)), "{help}");
}

fn training_needs_samples_and_says_how_many(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let error = client.run("WARM.MODEL TRAIN").error();
    assert!(error.starts_with("ERR there are too few samples to learn from: 0 were gathered, "), "{error}");
    assert!(client.run("WARM.MODEL TRAIN NOW").error().contains("unknown option 'NOW'"));
    assert_eq!(client.run("WARM.MODEL INFO").field("version"), 0);
    for command in ["WARM.MODEL TRAIN", "WARM.MODEL TRAIN ROWS []", "WARM.MODEL EXPORT", "WARM.MODEL RESET"] {
        client.ok("MULTI");
        client.run(command).fine();
        let error = client.run("EXEC").items()[0].error();
        assert!(error.contains("MULTI"), "{command}: {error}");
    }
}

fn rows_are_taken_or_refused_as_a_whole(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let mut train = |rows: &str| client.call(&["WARM.MODEL", "TRAIN", "ROWS", rows]);
    let taught =
        train(r#"[{"features":{"age":-1,"paid":1.5},"requests":10},{"features":{"age":3},"requests":0}]"#).fine();
    assert!(taught.is_map());
    assert_eq!((taught.field("rows").int(), taught.field("taken").int()), (2, 2));
    assert!((0..=1).contains(&taught.field("trained").int()) && taught.has_field("adopted"), "{taught:?}");
    let same = train(r#"[{"features":{"age":1},"requests":5},{"features":{"age":2},"requests":5}]"#).fine();
    assert_eq!(same.field("rows"), 2, "rows of one kind are no error");
    for (rows, named) in [
        ("", "ROWS"),
        ("[]", "empty array"),
        ("{}", "array"),
        ("null", "array"),
        ("no json", "ROWS"),
        ("[1]", "row 1"),
        (r#"[{"features":{},"requests":1}"#, "ROWS"),
        (r#"[{"features":{},"requests":1}] trailing"#, "trailing"),
        (r#"[{"features":{},"requests":1},{"features":{},"requests":-1}]"#, "row 2"),
        (r#"[{"features":{},"requests":"many"}]"#, "row 1"),
        (r#"[{"features":{},"requests":NaN}]"#, "row 1"),
        (r#"[{"features":{},"requests":1e999}]"#, "out of range"),
        (r#"[{"features":{}}]"#, "requests"),
        (r#"[{"requests":1}]"#, "features"),
        (r#"[{"features":{"a":"x"},"requests":1}]"#, "feature 'a'"),
        (r#"[{"features":{"a":null},"requests":1}]"#, "feature 'a'"),
        (r#"[{"features":[1,2],"requests":1}]"#, "features"),
    ] {
        let error = train(rows).error();
        assert!(error.starts_with("ERR ROWS ") && error.contains(named), "{rows}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(train(&deep).error().starts_with("ERR ROWS "));
    assert_eq!(server.client().run("PING"), "PONG");
}

fn rows_are_bounded(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let row = r#"{"features":{"a":1},"requests":1}"#;
    let rows = |count: usize| format!("[{}]", vec![row; count].join(","));
    let taught = client.call(&["WARM.MODEL", "TRAIN", "ROWS", &rows(100_000)]).fine();
    assert_eq!(taught.field("rows"), 100_000);
    let error = client.call(&["WARM.MODEL", "TRAIN", "ROWS", &rows(100_001)]).error();
    assert!(error.contains("more than 100000 rows"), "{error}");
    let long = " ".repeat((8 << 20) + 1);
    let error = client.call(&["WARM.MODEL", "TRAIN", "ROWS", &long]).error();
    assert!(error.contains("at most 8388608 are allowed"), "{error}");
}

fn without_a_model_there_is_no_blob(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    assert!(client.run("WARM.MODEL EXPORT").is_null());
    client.ok("WARM.MODEL RESET");
    client.ok("WARM.MODEL RESET");
    let long = vec![b'x'; (16 << 20) + 1];
    let error = client.call(&[b"WARM.MODEL".as_slice(), b"IMPORT", &long]).error();
    assert!(error.contains("16777217 bytes long"), "{error}");
    assert!(client.run("WARM.MODEL IMPORT").error().starts_with("ERR "));
    assert_eq!(client.run("WARM.MODEL INFO").field("version"), 0);
}

fn a_damaged_blob_changes_nothing(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    let before = client.run("WARM.MODEL INFO");
    for blob in [&b""[..], b"x", b"not a model", &[0; 64], &[255; 4096]] {
        let error = client.call(&[b"WARM.MODEL".as_slice(), b"IMPORT", blob]).error();
        assert!(error.starts_with("ERR blob is not a model: "), "{error}");
    }
    assert_eq!(client.run("WARM.MODEL INFO"), before);
}

fn changes_need_an_administrator(edition: Edition) {
    let server = Server::start(edition);
    let admin = if edition.has_module_categories() {
        "-@admin"
    } else {
        "-warm.model|train -warm.model|import -warm.model|reset"
    };
    server.client().ok(&format!("ACL SETUSER reader reset on >password ~* +@all {admin}"));
    let mut client = server.client();
    client.ok("AUTH reader password");
    for command in ["WARM.MODEL TRAIN", "WARM.MODEL IMPORT x", "WARM.MODEL RESET", "WARM.MODEL TRAIN ROWS []"] {
        assert!(client.run(command).error().starts_with("NOPERM "), "{command}");
    }
    for command in ["WARM.MODEL INFO", "WARM.MODEL EVAL", "WARM.MODEL EXPORT", "WARM.MODEL HELP"] {
        client.run(command).fine();
    }
}

fn statistics_tell_of_hits_and_predictions(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    let stats = client.run("WARM.STATS hits").fine();
    for class in ["overall", "popular", "trending", "seasonal", "normal", "cold", "unknown", "holdout"] {
        assert_eq!(stats.field(class).fields(), ["requests", "hits", "ratio"], "{class}");
    }
    for field in ["gain", "warmed_hits", "wasted", "origin_saved"] {
        assert!(stats.has_field(field), "{field}");
    }
    assert!(stats.field("gain").is_null() && stats.field("overall").field("ratio").is_null());
    let prediction = client.run("WARM.STATS prediction").fine();
    assert_eq!((prediction.field("kind").text(), prediction.field("mode").text()), ("none".into(), "on".into()));
    assert!(prediction.field("accuracy").is_null());
    for (name, value) in [
        ("warm_hits_popular_requests", "0"),
        ("warm_hits_overall_ratio", "nan"),
        ("warm_hits_gain", "nan"),
        ("warm_hits_origin_saved", "0"),
        ("warm_prediction_kind", "none"),
        ("warm_prediction_accuracy", "nan"),
        ("warm_prediction_tracked_keys", "0"),
    ] {
        assert_eq!(client.info("warm", name).as_deref(), Some(value), "{name}");
    }
}

fn clients_that_leave_do_no_harm(edition: Edition) {
    let server = Server::start(edition);
    let row = r#"{"features":{"a":1},"requests":1}"#;
    let rows = format!("[{}]", vec![row; 50_000].join(","));
    for _ in 0..10 {
        let mut client = server.client();
        client.send_call(&["WARM.MODEL", "TRAIN", "ROWS", &rows]);
        client.send("WARM.PREDICT a");
    }
    let mut client = server.client();
    client.run("WARM.MODEL INFO").fine();
    wait_until("nobody is waited for any more", || client.run("MODULE UNLOAD warm") == "OK");
    assert!(server.threads().is_empty());
}
