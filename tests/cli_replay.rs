//! The laboratory as its users see it: the program, a small trace, and what it prints.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with one trace: key `a` every 6 s for 100 s, another key each time in between.
struct Trace(tempfile::TempDir);

impl Trace {
    fn new() -> Self {
        let folder = Trace(tempfile::tempdir().expect("a folder"));
        let rows: String = (0..17).map(|n| format!("{},a,{n}\n{},k{n},{n}\n", n * 6000, n * 6000 + 1)).collect();
        folder.write("trace.csv", format!("ts_ms,key,size\n{rows}").as_bytes());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).expect("a file in it");
        self.path(name)
    }
}

fn warmctl(command: &str, trace: &Path, arguments: &str) -> Output {
    let mut line = Command::new(env!("CARGO_BIN_EXE_warmctl"));
    line.arg(command).arg(trace).args(arguments.split_whitespace()).output().expect("the program runs")
}

fn json(trace: &Path, arguments: &str) -> Value {
    let output = warmctl("replay", trace, &format!("{arguments} --json"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn refusal(trace: &Path, arguments: &str) -> String {
    let output = warmctl("replay", trace, arguments);
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn json_has_settings_baseline_and_one_object_for_each_policy() {
    let trace = Trace::new();
    let found = json(
        &trace.path("trace.csv"),
        "--ttl 10s --report-from 0 --train-until 0 --policy lru,refresh1 --policy clairvoyant",
    );
    assert_eq!(found["settings"]["requests"], 34);
    assert_eq!(found["settings"]["distinct_keys"], 18);
    assert_eq!(found["settings"]["ttl_ms"], 10_000);
    assert_eq!(found["settings"]["capacity_keys"], Value::Null);
    let policies = found["policies"].as_array().unwrap();
    let names: Vec<_> = policies.iter().map(|policy| policy["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["lru", "refresh1", "clairvoyant"]);

    // `a` is fetched at 0, 12, 24, … and hit at 6, 18, …; the others are asked for once.
    let [lru, refresh1, clairvoyant] = &policies[..] else { panic!("three policies") };
    assert_eq!((&lru["requests"], &lru["hits"]), (&34.into(), &8.into()));
    let misses = serde_json::json!({"first_ever": 18, "evicted": 0, "expired_recently": 8, "expired_long_ago": 0});
    assert_eq!(lru["misses"], misses);
    assert_eq!(lru["origin"]["total"], 26);
    assert_eq!(lru["origin"]["load"], 1.0);
    assert_eq!(found["baseline"]["hits"], 8);
    assert_eq!((&refresh1["hits"], &refresh1["origin"]["demand"]), (&16.into(), &18.into()));
    assert_eq!((&clairvoyant["hits"], &clairvoyant["origin"]["warm"]), (&16.into(), &8.into()));
    assert_eq!(clairvoyant["misses"], Value::Null);
    let classes = lru["by_class"].as_object().unwrap();
    let sum: u64 = classes.values().map(|class| class["requests"].as_u64().unwrap()).sum();
    assert_eq!(sum, 34);
}

#[test]
fn text_explains_itself() {
    let trace = Trace::new();
    let output = warmctl("replay", &trace.path("trace.csv"), "--ttl 10s --capacity 2 --bytes 9");
    assert!(!output.status.success(), "one kind of room only");
    let output = warmctl("replay", &trace.path("trace.csv"), "--ttl 10s --capacity 10%");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["34 requests of 18 keys", "room for 2 keys", "clairvoyant-refresh", "misses cut", "expired recently"] {
        assert!(text.contains(part), "{part:?} is missing from:\n{text}");
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let trace = Trace::new();
    let path = trace.path("trace.csv");
    assert!(refusal(&path, "--train-until 80% --report-from 50%").contains("lies before --train-until"));
    assert!(refusal(&path, "--report-from 9d").contains("no requests lie after"));
    assert!(refusal(&path, "--policy nonsense").contains("none of lru"));
    let sizeless = trace.write("sizeless.csv", b"ts_ms,key\n1,a\n2,b\n");
    assert!(refusal(&sizeless, "--bytes 10").contains("needs a column size"));
    assert!(refusal(&trace.write("empty.csv", b""), "").contains("empty"));
    assert!(refusal(&trace.path("absent.csv"), "").contains("absent.csv"));
}

#[test]
fn rows_out_of_order_are_noted() {
    let trace = Trace::new();
    let path = trace.write("mixed.csv", b"ts_ms,key\n5,a\n1,b\n7,a\n");
    let output = warmctl("replay", &path, "--json --policy lru --report-from 0 --train-until 0");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 row"));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["settings"]["out_of_order"], 1);
}

#[test]
fn an_overlay_can_be_replayed_and_predicted() {
    let trace = Trace::new();
    let output = Command::new(env!("CARGO_BIN_EXE_warmctl"))
        .args(["overlay", "--days", "3", "--keys", "20", "--background-rate", "50"])
        .output()
        .unwrap();
    let path = trace.write("overlay.csv", &output.stdout);
    let predictions = trace.path("predictions.csv");
    let found = json(&path, &format!("--ttl 5m --policy lru --predictions {}", predictions.display()));
    assert!(found["settings"]["requests"].as_u64().unwrap() > 4000);
    let text = std::fs::read_to_string(predictions).unwrap();
    assert!(text.starts_with("window_start_ms,key,popularity,hot,class\n") && text.lines().count() > 100);
}
