//! Reads `WARM.LOADER SET name MATCH pattern URL template [option ...]`, from a command or from the warm file, into a
//! loader's settings. Pure. What the settings mean together is checked by the loader's `Definition`.
//!
//! Only the warm file resolves `${NAME}`: a client must not be able to read the server's environment by sending it to an
//! origin of its own. Errors show words in their masked form, and of headers only the name.

mod values;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::args::{Args, Parsed, argument, shown};
use super::commands::spec::{Argument, ArgumentKind};
use super::warmfile::Word;
use crate::engine::foresight::supply::Refresh;
use crate::loader::settings::{BatchFormat, Compression, Freshness, Kind, Settings};
use values::Words;

/// The most headers.
const MOST_HEADERS: usize = 64;

/// Options of the contract that come with later versions.
const LATER: [&str; 2] = ["RELATED", "QUERY"];

const DAY: Duration = Duration::from_secs(86_400);
const TTL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(365 * 86_400);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);

const HEADER: [Argument; 1] = [Argument { token: "HEADER", ..Argument::new("name:value", ArgumentKind::String) }];

/// The arguments of `WARM.LOADER SET`: the one list of its options.
pub const ARGUMENTS: [Argument; 23] = [
    Argument::new("name", ArgumentKind::String),
    Argument { token: "MATCH", ..Argument::new("pattern", ArgumentKind::Pattern) },
    Argument { token: "URL", ..Argument::new("template", ArgumentKind::String) },
    Argument::option("duration", "TTL", ArgumentKind::String),
    Argument::option("freshness", "FRESHNESS", ArgumentKind::OneOf(&FRESHNESS_WORDS)),
    Argument::option("percent", "JITTER", ArgumentKind::Integer),
    Argument::option("duration", "NEGATIVE", ArgumentKind::String),
    Argument::option("duration", "TIMEOUT", ArgumentKind::String),
    Argument::option("count", "RETRIES", ArgumentKind::Integer),
    Argument::option("count", "CONCURRENCY", ArgumentKind::Integer),
    Argument::option("per-second", "RATE", ArgumentKind::Double),
    Argument::option("count", "BATCH", ArgumentKind::Integer),
    Argument::option("template", "BATCHURL", ArgumentKind::String),
    Argument::option("batchformat", "BATCHFORMAT", ArgumentKind::OneOf(&BATCHFORMAT_WORDS)),
    Argument::option("pointer", "BATCHID", ArgumentKind::String),
    Argument::option("pointer", "BODY", ArgumentKind::String),
    Argument::option("type", "TYPE", ArgumentKind::OneOf(&TYPE_WORDS)),
    Argument::option("compress", "COMPRESS", ArgumentKind::OneOf(&COMPRESS_WORDS)),
    Argument::option("size", "MAXBYTES", ArgumentKind::String),
    Argument::new("header", ArgumentKind::Block(&HEADER)).optional().repeated(),
    Argument::option("price", "COST", ArgumentKind::Double),
    Argument::option("refresh", "REFRESH", ArgumentKind::String),
    Argument::option("pointer", "FEATURES", ArgumentKind::String),
];

const FRESHNESS_WORDS: [Argument; 2] = [Argument::flag("fixed", "fixed"), Argument::flag("origin", "origin")];
const BATCHFORMAT_WORDS: [Argument; 3] =
    [Argument::flag("object", "object"), Argument::flag("array", "array"), Argument::flag("ndjson", "ndjson")];
const TYPE_WORDS: [Argument; 3] =
    [Argument::flag("string", "string"), Argument::flag("hash", "hash"), Argument::flag("json", "json")];
const COMPRESS_WORDS: [Argument; 3] =
    [Argument::flag("none", "none"), Argument::flag("zstd", "zstd"), Argument::flag("gzip", "gzip")];

/// What the options mean, for the documents.
pub const NOTES: &str = "\
Each option may stand once, `HEADER` up to 64 times; the order is free.

| option | range | default | meaning |
|---|---|---|---|
| `MATCH` | | | the keys of this loader, a key pattern |
| `URL` | | | the address of one key's document, a URL template |
| `TTL` | 1ms to 365d | 1h | life of a loaded value |
| `FRESHNESS` | `fixed` `origin` | `fixed` | `origin`: `Cache-Control` and `Expires` of the answer decide, at most `TTL` |
| `JITTER` | 0 to 100 | 10 | percent by which a life is shortened at most, at random, so that keys do not expire together |
| `NEGATIVE` | 0 to 30d | 30s | how long it is remembered that the origin has no such key; 0: not at all |
| `TIMEOUT` | 1ms to 10m | 5s | time of one try, from connecting to the last byte |
| `RETRIES` | 0 to 10 | 2 | tries after the first, with growing pauses |
| `CONCURRENCY` | 1 to 1024 | 32 | requests under way at one time, at most |
| `RATE` | 0 to 1000000 | 0 | requests per second, at most, retries included; 0: no limit |
| `BATCH` | 1 to 1000 | 1 | keys in one request, at most; 1: no batches |
| `BATCHURL` | | | the address of a batch, a URL template with `{ids}`; needed if `BATCH` is above 1 |
| `BATCHFORMAT` | `object` `array` `ndjson` | `object` | how a batch is answered: one object by id, one array, or one document a line |
| `BATCHID` | | | JSON pointer to the id in each document of an array or ndjson answer; without it an array is by position |
| `BODY` | | | JSON pointer to the part that is cached; without it the whole body |
| `TYPE` | `string` `hash` `json` | `string` | what is stored; `hash` needs one flat JSON object, `json` a server with JSON.SET |
| `COMPRESS` | `none` `zstd` `gzip` | `none` | how strings are stored; WARM.GET answers the plain bytes |
| `MAXBYTES` | 1 to 512mb | 8mb | the largest body, after decompression |
| `HEADER` | | | a request header, `\"Name: value\"`; values are shown as `***` |
| `COST` | 0 to 1000000 | 1.0 | relative price of one request |
| `REFRESH` | `auto`, `off`, 1ms to 365d | `auto` | when a value is fetched again before it expires, if that is worth it: \
shortly before (`auto`), this long before, or never; needs `warm.refresh-ahead` and `warm.predict on` |
| `FEATURES` | | | JSON pointer to an object of the document that describes the key's content: numbers and booleans as they \
are, a short text as the feature `name=text`; WARM.PREDICT uses them for keys without a history |

`${NAME}` is taken from the environment only in the warm file, not here: a client must not be able to send the server's
environment to an origin of its own.";

/// The settings that `words` (all after `SET`) ask for.
pub fn parse_set(words: &[Word]) -> Parsed<Settings> {
    let mut words = Words { rest: words };
    let name = words.value("name", |args| args.name("name").map(str::to_owned))?;
    let mut settings = Settings::new(&name, b"", "");
    let mut seen: Vec<&'static str> = Vec::new();
    while let Some(word) = words.rest.first() {
        let option = known(word)?;
        words.rest = &words.rest[1..];
        if option != "HEADER" && seen.contains(&option) {
            return Err(argument(format!("{option} is given twice")));
        }
        seen.push(option);
        apply(&mut settings, option, &mut words)?;
    }
    match ["MATCH", "URL"].iter().find(|required| !seen.contains(required)) {
        Some(missing) => Err(argument(format!("{missing} is missing"))),
        None => Ok(settings),
    }
}

/// The option that a word names.
fn known(word: &Word) -> Parsed<&'static str> {
    let is = |option: &&str| word.used.eq_ignore_ascii_case(option.as_bytes());
    if let Some(option) = options().find(is) {
        return Ok(option);
    }
    if let Some(option) = LATER.iter().find(|option| is(option)) {
        return Err(argument(format!("{option} is not supported by this version")));
    }
    let allowed: Vec<&str> = options().collect();
    Err(argument(format!("unknown option '{}', allowed: {}", shown(&word.shown), allowed.join(", "))))
}

fn options() -> impl Iterator<Item = &'static str> {
    const { &ARGUMENTS }.iter().filter_map(|argument| match argument.kind {
        ArgumentKind::Block(&[inner]) => Some(inner.token),
        _ => (!argument.token.is_empty()).then_some(argument.token),
    })
}

fn apply(settings: &mut Settings, option: &'static str, words: &mut Words<'_>) -> Parsed<()> {
    match option {
        "MATCH" => settings.pattern = words.bytes(option)?,
        "URL" => settings.url = words.template(option)?,
        "TTL" => settings.ttl = words.value(option, |args| args.duration(option, TTL))?,
        "FRESHNESS" => {
            let choices = [("fixed", Freshness::Fixed), ("origin", Freshness::Origin)];
            settings.freshness = words.value(option, |args| args.word(option, &choices))?;
        }
        "JITTER" => settings.jitter_percent = words.number(option, 0..=100)?,
        "NEGATIVE" => {
            settings.negative = words.value(option, |args| args.duration(option, Duration::ZERO..=30 * DAY))?;
        }
        "TIMEOUT" => settings.timeout = words.value(option, |args| args.duration(option, TIMEOUT))?,
        "RETRIES" => settings.retries = words.number(option, 0..=10)?,
        "CONCURRENCY" => settings.concurrency = words.number(option, 1..=1024)?,
        "RATE" => settings.rate = words.value(option, |args| args.decimal(option, 0.0..=1e6))?,
        "BATCH" => settings.batch = words.number(option, 1..=1000)?,
        "BATCHURL" => settings.batch_url = Some(words.template(option)?),
        "BATCHFORMAT" => {
            let choices =
                [("object", BatchFormat::Object), ("array", BatchFormat::Array), ("ndjson", BatchFormat::Ndjson)];
            settings.batch_format = words.value(option, |args| args.word(option, &choices))?;
        }
        "BATCHID" => settings.batch_id = Some(words.pointer(option)?),
        "BODY" => settings.body = Some(words.pointer(option)?),
        "TYPE" => {
            let choices = [("string", Kind::String), ("hash", Kind::Hash), ("json", Kind::Json)];
            settings.kind = words.value(option, |args| args.word(option, &choices))?;
        }
        "COMPRESS" => {
            let choices = [("none", Compression::None), ("zstd", Compression::Zstd), ("gzip", Compression::Gzip)];
            settings.compress = words.value(option, |args| args.word(option, &choices))?;
        }
        "MAXBYTES" => settings.max_bytes = words.value(option, |args| args.size(option, 1..=512 << 20))?,
        "REFRESH" => settings.refresh = words.value(option, |args| refresh(option, args))?,
        "FEATURES" => settings.features = Some(words.pointer(option)?),
        "COST" => settings.cost = words.value(option, |args| args.decimal(option, 0.0..=1e6))?,
        _ => {
            if settings.headers.len() >= MOST_HEADERS {
                return Err(argument(format!("there are more than {MOST_HEADERS} HEADER options")));
            }
            settings.headers.push(words.header()?);
        }
    }
    Ok(())
}

fn refresh(option: &str, args: &mut Args<'_>) -> Parsed<Refresh> {
    if args.option("auto") {
        return Ok(Refresh::Auto);
    }
    if args.option("off") {
        return Ok(Refresh::Off);
    }
    let given = shown(args.peek().unwrap_or_default());
    let lead = args.duration(option, TTL).map(Refresh::Before);
    lead.map_err(|_| {
        argument(format!("{option} '{given}' must be auto, off, or a duration such as 30s, 5m or 1h from 1ms to 365d"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::loader::settings::Secret;

    fn parse(line: &str) -> Parsed<Settings> {
        let words: Vec<Word> = line.split(' ').map(|word| Word::plain(word.as_bytes())).collect();
        parse_set(&words)
    }

    fn refusal(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    const SHORT: &str = "articles MATCH content:{id} URL http://cms/{id}";

    #[test]
    fn the_short_form_has_the_defaults() {
        assert_eq!(parse(SHORT).unwrap(), Settings::new("articles", b"content:{id}", "http://cms/{id}"));
    }

    #[test]
    fn every_option_is_read() {
        let line = "a url http://cms/{id} match c:{id} ttl 5m freshness ORIGIN jitter 0 negative 0 timeout 250ms \
                    retries 5 concurrency 8 rate 12.5 batch 100 batchurl http://cms/b?ids={ids} batchformat array \
                    batchid /id body /data/0 type hash compress zstd maxbytes 64kb header X-A:1 header X-A:2 cost 2.5 \
                    refresh 5m features /meta";
        let settings = parse(line).unwrap();
        assert_eq!(settings.ttl, Duration::from_secs(300));
        assert_eq!(settings.freshness, Freshness::Origin);
        assert_eq!(settings.jitter_percent, 0);
        assert_eq!(settings.negative, Duration::ZERO);
        assert_eq!(settings.timeout, Duration::from_millis(250));
        assert_eq!((settings.retries, settings.concurrency, settings.batch), (5, 8, 100));
        assert_eq!((settings.rate, settings.cost), (12.5, 2.5));
        assert_eq!(settings.refresh, Refresh::Before(Duration::from_secs(300)));
        assert_eq!(settings.features.as_deref(), Some("/meta"));
        assert_eq!(parse(&format!("{SHORT} REFRESH OFF")).unwrap().refresh, Refresh::Off);
        assert_eq!(parse(&format!("{SHORT} REFRESH auto")).unwrap().refresh, Refresh::Auto);
        assert_eq!(settings.batch_url, Some(Secret::plain("http://cms/b?ids={ids}")));
        assert_eq!(settings.batch_format, BatchFormat::Array);
        assert_eq!((settings.batch_id.as_deref(), settings.body.as_deref()), (Some("/id"), Some("/data/0")));
        assert_eq!((settings.kind, settings.compress), (Kind::Hash, Compression::Zstd));
        assert_eq!(settings.max_bytes, 65_536);
        assert_eq!(settings.headers, [("x-a".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn errors_name_argument_value_and_what_is_allowed() {
        for (extra, error) in [
            (
                " TTL 0",
                "ERR TTL '0' must be a duration such as 250ms, 30s, 5m, 1h or 7d (a bare integer is seconds) from 1ms to 365d",
            ),
            (" TTL", "ERR TTL is missing its value"),
            (" TTL 1s ttl 2s", "ERR TTL is given twice"),
            (" JITTER 101", "ERR JITTER '101' must be a whole number from 0 to 100"),
            (" RATE NaN", "ERR RATE 'NaN' must be a number from 0 to 1000000"),
            (" TYPE list", "ERR TYPE 'list' must be one of string, hash, json"),
            (" BODY data", "ERR BODY 'data' must be a JSON pointer such as /data/0/body (~0 stands for ~, ~1 for /)"),
            (" BODY /a~2", "ERR BODY '/a~2' must be a JSON pointer such as /data/0/body (~0 stands for ~, ~1 for /)"),
            (" QUERY x", "ERR QUERY is not supported by this version"),
            (" RELATED /x", "ERR RELATED is not supported by this version"),
            (
                " refresh soon",
                "ERR REFRESH 'soon' must be auto, off, or a duration such as 30s, 5m or 1h from 1ms to 365d",
            ),
        ] {
            assert_eq!(refusal(&format!("{SHORT}{extra}")), error);
        }
        assert_eq!(refusal("a MATCH x"), "ERR URL is missing");
        assert_eq!(refusal("a URL x"), "ERR MATCH is missing");
        assert_eq!(refusal("a/b URL x"), "ERR name 'a/b' must be 1 to 64 of A-Z a-z 0-9 _ . -");
        assert!(refusal("a GUESS 1").starts_with("ERR unknown option 'GUESS', allowed: MATCH, URL, TTL, "));
        assert!(refusal("a GUESS 1").contains(", HEADER, COST, REFRESH, FEATURES"));
    }

    #[test]
    fn headers_are_checked_and_never_shown() {
        for (header, error) in [
            ("hunter2", "ERR HEADER must be written \"Name: value\""),
            ("b@d:hunter2", "ERR HEADER must be written \"Name: value\""),
            ("X-Key:hunter2\x01", "ERR HEADER 'x-key': the value must be UTF-8 without control characters"),
            ("X-Key: hunter2", "ERR HEADER 'x-key' has no value; write \"x-key: value\" in quotes"),
            ("Content-Length:hunter2", "ERR HEADER 'content-length' is set by the loader itself"),
            (
                "X-Key:${HOME}",
                "ERR HEADER 'x-key': ${NAME} is taken from the environment only in the warm file, outside single quotes",
            ),
        ] {
            assert_eq!(refusal(&format!("{SHORT} HEADER {header}")), error);
        }
        let line = SHORT.to_owned() + &" HEADER A:b".repeat(MOST_HEADERS);
        assert_eq!(parse(&line).unwrap().headers.len(), MOST_HEADERS);
        assert_eq!(refusal(&(line + " HEADER A:b")), "ERR there are more than 64 HEADER options");
    }

    #[test]
    fn masked_words_are_used_but_never_shown() {
        let with = |option: &str, used: &str, shown: &str| {
            let mut words: Vec<Word> = SHORT.split(' ').map(|word| Word::plain(word.as_bytes())).collect();
            words.push(Word::plain(option.as_bytes()));
            words.push(Word { used: used.into(), shown: shown.into() });
            parse_set(&words)
        };
        let settings = with("HEADER", "Authorization: Bearer s3cret", "Authorization: ***").unwrap();
        assert_eq!(settings.headers, [("authorization".to_owned(), "Bearer s3cret".to_owned())]);
        let settings = with("BATCHURL", "http://h/{ids}?k=s3cret", "http://h/{ids}?k=***").unwrap();
        assert_eq!(settings.batch_url.unwrap().shown(), "http://h/{ids}?k=***");
        assert_eq!(with("RETRIES", "3", "***").unwrap().retries, 3);
        for option in ["TTL", "TYPE", "RATE", "MAXBYTES", "BODY", "HEADER", "BATCHURL", "S3CRET"] {
            let error = with(option, "s3cret \n", "***").unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_password_in_a_bad_url_is_not_shown() {
        let words: Vec<Word> = ["a", "URL", "http://u:p@ss@h/a b"].map(|word| Word::plain(word.as_bytes())).to_vec();
        let error = parse_set(&words).unwrap_err().to_string();
        assert_eq!(error, "ERR URL 'http://***@h/a b' must be UTF-8 without blanks and control characters");
    }

    #[test]
    fn words_are_bounded() {
        let error = refusal(&format!("a MATCH {}", "x".repeat(10_000)));
        assert_eq!(error, "ERR MATCH has 10000 bytes, at most 8192 are allowed");
    }

    #[test]
    fn the_notes_explain_every_option() {
        for option in options() {
            assert!(NOTES.contains(&format!("\n| `{option}` |")), "{option}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..8)) {
            let words: Vec<Word> = words.iter().map(|word| Word::plain(word)).collect();
            let _ = parse_set(&words);
        }

        #[test]
        fn no_value_of_an_option_can_panic(which in 1usize..23, value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut words: Vec<Word> = ["a", "MATCH", "x", "URL", "y"].map(|word| Word::plain(word.as_bytes())).to_vec();
            let option = options().nth(which - 1).unwrap();
            words.push(Word::plain(option.as_bytes()));
            words.push(Word::plain(&value));
            if let Err(refusal) = parse_set(&words) {
                prop_assert!(refusal.to_string().is_ascii());
            }
        }
    }
}
