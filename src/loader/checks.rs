//! What a loader's settings may be, one rule each; [`Definition`](super::definition::Definition) asks them all.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::definition::DefinitionError;
use super::endpoint::Endpoint;
use super::settings::{BatchFormat, Compression, Kind, Settings};
use crate::engine::foresight::supply::Refresh;
use crate::engine::pattern::Pattern;

/// Every number within its range, and what the type of values rules out.
pub(super) fn check_ranges(s: &Settings) -> Result<(), DefinitionError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if s.name.is_empty() || s.name.len() > 64 || !s.name.bytes().all(plain) {
        return Err(DefinitionError::Name { given: s.name.chars().take(80).collect() });
    }
    let millisecond = Duration::from_millis(1);
    let rows = [
        ("TTL", (millisecond..=DAY * 3650).contains(&s.ttl), span(s.ttl), "1ms to 3650d"),
        ("JITTER", s.jitter_percent <= 100, s.jitter_percent.to_string(), "0 to 100 (percent)"),
        ("NEGATIVE", s.negative <= DAY * 365, span(s.negative), "0 to 365d"),
        ("TIMEOUT", (millisecond..=Duration::from_secs(600)).contains(&s.timeout), span(s.timeout), "1ms to 600s"),
        ("RETRIES", s.retries <= 10, s.retries.to_string(), "0 to 10"),
        ("CONCURRENCY", (1..=1024).contains(&s.concurrency), s.concurrency.to_string(), "1 to 1024"),
        (
            "RATE",
            s.rate == 0.0 || (0.001..=1_000_000.0).contains(&s.rate),
            s.rate.to_string(),
            "0 (no limit), or 0.001 to 1000000 requests per second",
        ),
        ("BATCH", (1..=1000).contains(&s.batch), s.batch.to_string(), "1 to 1000 keys"),
        ("MAXBYTES", (1..=512 << 20).contains(&s.max_bytes), s.max_bytes.to_string(), "1 to 512mb"),
        (
            "REFRESH",
            match s.refresh {
                Refresh::Before(lead) => (millisecond..=DAY * 365).contains(&lead),
                Refresh::Auto | Refresh::Off => true,
            },
            format!("{:?}", s.refresh),
            "auto, off, or 1ms to 365d",
        ),
        ("COST", (0.0..=1e9).contains(&s.cost), s.cost.to_string(), "0 to 1000000000"),
    ];
    for (option, good, given, allowed) in rows {
        if !good {
            return Err(DefinitionError::Range { option, given, allowed });
        }
    }
    if s.compress != Compression::None && s.kind != Kind::String {
        return Err(DefinitionError::Needs { option: "COMPRESS", needs: "TYPE string" });
    }
    Ok(())
}

/// What batches need.
pub(super) fn check_batch(s: &Settings, pattern: &Pattern, endpoint: Option<&Endpoint>) -> Result<(), DefinitionError> {
    let needs = |option, needs| Err(DefinitionError::Needs { option, needs });
    match endpoint {
        None if s.batch > 1 => return needs("BATCH", "BATCHURL with {ids}"),
        Some(endpoint) if !endpoint.uses(0) => return needs("BATCHURL", "the variable {ids}"),
        _ => (),
    }
    if s.batch > 1 && pattern.names().next().is_none() {
        return needs("BATCH", "a named capture in MATCH, which is the id");
    }
    if s.batch > 1 && s.batch_format == BatchFormat::Ndjson && s.batch_id.is_none() {
        return needs("BATCHFORMAT ndjson", "BATCHID");
    }
    Ok(())
}

/// The user's headers, fit to be sent.
pub(super) fn headers(list: &[(String, String)]) -> Result<HeaderMap, DefinitionError> {
    let wrong = |problem: String| DefinitionError::Header { problem };
    if list.len() > MAX_HEADERS {
        return Err(wrong(format!("{} headers are too many, {MAX_HEADERS} are allowed", list.len())));
    }
    let mut map = HeaderMap::with_capacity(list.len() + 5);
    for (name, value) in list {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong(format!("`{}` is not a header name", name.chars().take(80).collect::<String>())))?;
        if OWN_HEADERS.contains(&parsed.as_str()) {
            return Err(wrong(format!("`{parsed}` is set by the loader itself")));
        }
        let mut value =
            HeaderValue::from_str(value).ok().filter(|value| value.len() <= MAX_HEADER_BYTES).ok_or_else(|| {
                wrong(format!("the value of `{parsed}` holds control bytes or is over {MAX_HEADER_BYTES} bytes"))
            })?;
        value.set_sensitive(true);
        map.append(parsed, value);
    }
    Ok(map)
}

/// A duration in the largest unit that loses nothing.
pub(super) fn span(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(length, _)| millis >= *length && millis.is_multiple_of(*length)) {
        Some((length, unit)) => format!("{}{unit}", millis / length),
        None => format!("{millis}ms"),
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 8 << 10;

/// Headers that the loader sets itself, or that would change what an answer means.
const OWN_HEADERS: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
