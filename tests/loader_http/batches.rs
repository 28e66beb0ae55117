//! Several keys in one request.

use redis_warm::loader::settings::{BatchFormat, Kind, Secret};

use super::origin::{answer, ok};
use super::*;

const KEYS: [&str; 4] = ["item:1", "item:2", "item:a,b", "item:4"];

fn batch_loader(origin: &Origin, change: impl FnOnce(&mut Settings)) -> Arc<Definition> {
    loader(origin, |settings| {
        settings.batch = 100;
        settings.batch_url = Some(Secret::plain(&origin.url("/batch{?ids}")));
        change(settings);
    })
}

/// What became of each key: its plain value, or a word.
fn summary(answer: Answer) -> Vec<String> {
    let word = |outcome| match outcome {
        Outcome::Loaded(value) => String::from_utf8(value.plain.to_vec()).unwrap(),
        Outcome::Absent => "(absent)".to_owned(),
        Outcome::Failed(failure) => format!("({:?}: {})", failure.kind, failure.message),
        other => format!("({other:?})"),
    };
    answer.results.into_iter().map(|(_, outcome)| word(outcome)).collect()
}

#[test]
fn one_request_answers_for_all_keys() {
    let origin = Origin::start(|_| ok(r#"{"4":{"n": 4},"x":1,"a,b":"text","1":null}"#));
    let (loading, loader) = (Loading::start(), batch_loader(&origin, |_| ()));
    let answer = loading.load(&loader, &KEYS);
    assert_eq!(answer.attempts, 1);
    assert_eq!(answer.results[2].0.key.name(), b"item:a,b");
    assert_eq!(summary(answer), ["(absent)", "(absent)", "text", r#"{"n": 4}"#]);
    assert_eq!(origin.asked()[0].path, "/batch?ids=1,2,a%2Cb,4");
    let gauges = loading.runtime.gauges("items").unwrap();
    assert_eq!((gauges.loaded.total(), gauges.absent.total(), gauges.requests.total()), (2, 2, 1));
}

#[test]
fn arrays_and_lines_are_assigned_by_id() {
    let array = r#"[{"id":4,"v":"d"},{"id":"a,b","v":"c"},{"id":9,"v":"x"},{"id":1,"v":"old"},{"id":1,"v":"a"}]"#;
    let lines = "{\"id\":\"4\",\"v\":\"d\"}\n{\"id\":\"a,b\",\"v\":\"c\"}\n\n{\"id\":1,\"v\":\"a\"}\n";
    let origin = Origin::start(move |asked| ok(if asked.path.starts_with("/array") { array } else { lines }));
    let loading = Loading::start();
    for (path, format) in [("/array{?ids*}", BatchFormat::Array), ("/lines{?ids*}", BatchFormat::Ndjson)] {
        let loader = batch_loader(&origin, |settings| {
            settings.batch_url = Some(Secret::plain(&origin.url(path)));
            settings.batch_format = format;
            settings.batch_id = Some("/id".into());
            settings.body = Some("/v".into());
        });
        assert_eq!(summary(loading.load(&loader, &KEYS)), ["a", "(absent)", "c", "d"], "{path}");
    }
    assert_eq!(origin.asked()[0].path, "/array?ids=1&ids=2&ids=a%2Cb&ids=4");
}

#[test]
fn an_array_by_position_must_be_complete() {
    let origin = Origin::start(|asked| ok(if asked.number == 0 { "[1,null,3,4]" } else { "[1,2,3]" }));
    let loading = Loading::start();
    let loader = batch_loader(&origin, |settings| settings.batch_format = BatchFormat::Array);
    assert_eq!(summary(loading.load(&loader, &KEYS)), ["1", "(absent)", "3", "4"]);
    let failed = summary(loading.load(&loader, &KEYS));
    assert!(failed.iter().all(|text| text.starts_with("(Body: the array has 3 elements for 4 ids")), "{failed:?}");
}

#[test]
fn one_bad_document_fails_alone() {
    let origin = Origin::start(|_| ok(r#"{"1":{"a":"x"},"2":{"a":[]},"a,b":7,"4":{"a":"too long for its limit"}}"#));
    let loading = Loading::start();
    let loader = batch_loader(&origin, |settings| {
        settings.kind = Kind::Hash;
        settings.max_bytes = 20;
    });
    let outcomes = summary(loading.load(&loader, &KEYS));
    assert_eq!(outcomes[0], r#"{"a":"x"}"#);
    assert!(outcomes[1].contains("flat") && outcomes[2].contains("needs a JSON object"), "{outcomes:?}");
    assert_eq!(outcomes[3], "(TooLarge: the document is larger than 20 bytes)");
}

#[test]
fn documents_share_the_memory_of_the_body() {
    let body = r#"{"1":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","2":{"b":1},"a,b":null,"4":"\u00e9"}"#;
    let origin = Origin::start(move |asked| {
        ok(if asked.number == 0 { body.to_owned() } else { format!(r#"{{"1":"a","x":"{}"}}"#, "x".repeat(5000)) })
    });
    let (loading, loader) = (Loading::start(), batch_loader(&origin, |_| ()));
    let held = |answer: Answer| -> usize {
        let values = answer.results.into_iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Loaded(value) => Some(value.permit.unwrap().num_permits()),
            _ => None,
        });
        values.sum()
    };
    assert_eq!(held(loading.load(&loader, &KEYS)), body.len());
    assert_eq!(held(loading.load(&loader, &KEYS)), 1);
}

#[test]
fn a_batch_that_cannot_be_read_fails_for_every_key() {
    let origin = Origin::start(|asked| match asked.number {
        0 => ok("not json"),
        1 => ok(""),
        2 => answer(404, &[], ""),
        _ => answer(400, &[], ""),
    });
    let (loading, loader) = (Loading::start(), batch_loader(&origin, |_| ()));
    for kind in ["(Body", "(Body", "(Status", "(Status"] {
        let outcomes = summary(loading.load(&loader, &KEYS));
        assert!(outcomes.len() == 4 && outcomes.iter().all(|text| text.starts_with(kind)), "{outcomes:?}");
    }
    assert_eq!(origin.asked().len(), 4);
}

#[test]
fn a_batch_is_tried_again_as_a_whole() {
    let origin = Origin::start(|asked| if asked.number == 0 { answer(502, &[], "") } else { ok(r#"{"1":1,"2":2}"#) });
    let (loading, loader) = (Loading::start(), batch_loader(&origin, |_| ()));
    let answer = loading.load(&loader, &["item:1", "item:2"]);
    assert_eq!(answer.attempts, 2);
    assert_eq!(summary(answer), ["1", "2"]);
}

#[test]
fn one_key_or_ids_too_long_for_one_url_are_asked_singly() {
    let origin = Origin::start(|asked| ok(asked.path.len().to_string()));
    let (loading, loader) = (Loading::start(), batch_loader(&origin, |_| ()));
    assert_eq!(summary(loading.load(&loader, &["item:1"])), ["2"]);
    let long = format!("item:{}", "x".repeat(20_000));
    let outcomes = summary(loading.load(&loader, &[&long, &long, "item:1", "stranger"]));
    assert_eq!(outcomes[..3], ["20001", "20001", "2"]);
    assert!(outcomes[3].starts_with("(Request"), "{outcomes:?}");
    assert!(origin.asked().iter().all(|asked| !asked.path.starts_with("/batch")));
}

#[test]
fn a_loader_without_batches_takes_several_keys_all_the_same() {
    let origin = Origin::start(|asked| if asked.path == "/2" { answer(404, &[], "") } else { ok(&asked.path) });
    let (loading, loader) = (Loading::start(), loader(&origin, |_| ()));
    let answer = loading.load(&loader, &["item:1", "item:2", "item:4"]);
    assert_eq!(answer.attempts, 3);
    assert_eq!(summary(answer), ["/1", "(absent)", "/4"]);
    assert!(loading.load(&loader, &[]).results.is_empty());
}
