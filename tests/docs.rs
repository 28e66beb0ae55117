//! The committed documents are what the tables say.
#![cfg(feature = "module")]

use std::path::Path;
use std::{env, fs};

use redis_warm::module::commands::TABLE;
use redis_warm::module::docs;

#[test]
fn commands_are_documented() {
    committed("docs/commands.md", &docs::commands_markdown(TABLE));
}

#[test]
fn directives_are_documented() {
    committed("redis.conf.example", &docs::redis_conf_example());
}

/// Compares a document with the committed one, or writes it if `UPDATE_DOCS` is set.
fn committed(name: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, now).expect("the document can be written");
        return;
    }
    let then = fs::read_to_string(&path).unwrap_or_default();
    let first = now.lines().zip(then.lines()).position(|(now, then)| now != then);
    let line = first.unwrap_or_else(|| now.lines().count().min(then.lines().count())) + 1;
    assert!(now == then, "{name} is stale from line {line} on; run: UPDATE_DOCS=1 cargo test --test docs");
}
