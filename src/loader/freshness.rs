//! How long an origin says that its answer is good: RFC 9111, as a shared cache reads it. Pure; used with
//! `FRESHNESS origin` only.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};

/// The life of an answer with these headers, at most `ttl`.
///
/// `no-store`, `no-cache` and `private` give zero; then `s-maxage`, `max-age` and `Expires` count in this order, less
/// the `Age` that the answer has already; without any of them the life is `ttl`. What cannot be read as a number or a
/// date has expired. `now` stands in for a missing `Date`.
pub fn lifetime(headers: &HeaderMap, ttl: Duration, now: SystemTime) -> Duration {
    let (mut shared, mut own) = (None, None);
    for directive in directives(headers) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        let is = |word| name.eq_ignore_ascii_case(word);
        if is("no-store") || is("no-cache") || is("private") {
            return Duration::ZERO;
        }
        if is("s-maxage") {
            shared = Some(seconds(value));
        } else if is("max-age") {
            own = Some(seconds(value));
        }
    }
    let life = match shared.or(own) {
        Some(life) => life,
        None => match headers.get(EXPIRES) {
            Some(value) => {
                let date = |value: &http::HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
                let sent = headers.get(DATE).and_then(date).unwrap_or(now);
                date(value).and_then(|expires| expires.duration_since(sent).ok()).unwrap_or_default()
            }
            None => return ttl,
        },
    };
    let age = headers.get(AGE).and_then(|value| value.to_str().ok()).map(seconds).unwrap_or_default();
    life.saturating_sub(age).min(ttl)
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Delta-seconds; too large counts as very long, unreadable as zero.
fn seconds(text: &str) -> Duration {
    let text = text.trim().trim_matches('"');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Duration::from_secs(if digits { text.parse().unwrap_or(u64::MAX) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(3600);

    fn life(lines: &[(&'static str, &'static str)]) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        lifetime(&headers, TTL, now).as_secs()
    }

    #[test]
    fn cache_control_counts_first_and_is_capped() {
        assert_eq!(life(&[]), 3600);
        assert_eq!(life(&[("cache-control", "max-age=60")]), 60);
        assert_eq!(life(&[("cache-control", "max-age=60, s-maxage=\"90\"")]), 90);
        assert_eq!(life(&[("cache-control", "public"), ("cache-control", "Max-Age=7")]), 7);
        assert_eq!(life(&[("cache-control", "max-age=99999999999999999999")]), 3600);
        assert_eq!(life(&[("cache-control", "max-age=60"), ("age", "45")]), 15);
        assert_eq!(life(&[("cache-control", "max-age=60"), ("age", "61")]), 0);
        assert_eq!(life(&[("cache-control", "max-age=soon")]), 0);
        assert_eq!(life(&[("age", "10")]), 3600);
    }

    #[test]
    fn what_may_not_be_kept_has_no_life() {
        for word in ["no-store", "no-cache", "private", "No-Store, max-age=60", "private=\"x\""] {
            assert_eq!(life(&[("cache-control", word)]), 0, "{word}");
        }
    }

    #[test]
    fn expires_counts_from_the_date() {
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(life(&[expires]), 60);
        assert_eq!(life(&[expires, ("date", "Sun, 06 Nov 1994 08:50:27 GMT")]), 10);
        assert_eq!(life(&[expires, ("date", "Sun, 06 Nov 1994 08:50:27 GMT"), ("age", "4")]), 6);
        assert_eq!(life(&[expires, ("cache-control", "max-age=5")]), 5);
        assert_eq!(life(&[("expires", "0")]), 0);
        assert_eq!(life(&[("expires", "Sun, 06 Nov 1994 08:00:00 GMT")]), 0);
    }
}
