//! When to ask again: pure functions.

use std::time::{Duration, SystemTime};

/// The backoff before the first retry is at most this long.
pub const BASE: Duration = Duration::from_millis(50);

/// No backoff is longer.
pub const CAP: Duration = Duration::from_secs(2);

/// Warm work follows a `Retry-After` of up to this long; a longer one is a failure.
pub const WARM_PATIENCE: Duration = Duration::from_secs(60);

/// The same while a client is waiting.
pub const LIVE_PATIENCE: Duration = Duration::from_secs(5);

/// The pause before retry number `retry` (from 1): exponential with full jitter, evenly in `0..=min(CAP, BASE·2^(retry-1))`.
/// `random` is uniform over all of `u64`. Source: M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
pub fn backoff(retry: u32, random: u64) -> Duration {
    let doubled = BASE.saturating_mul(1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(CAP).mul_f64(random as f64 / u64::MAX as f64)
}

/// What a `Retry-After` says, in seconds or as an HTTP date; a date that has passed is zero.
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_cap() {
        assert_eq!(backoff(1, u64::MAX), BASE);
        assert_eq!(backoff(2, u64::MAX), BASE * 2);
        assert_eq!(backoff(6, u64::MAX), BASE * 32);
        assert_eq!(backoff(7, u64::MAX), CAP);
        assert_eq!(backoff(u32::MAX, u64::MAX), CAP);
        assert_eq!(backoff(3, 0), Duration::ZERO);
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text: &str| retry_after(text.as_bytes(), now);
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!((after("soon"), after(""), after("-1")), (None, None, None));
    }

    proptest! {
        #[test]
        fn backoff_stays_within_its_ceiling(retry in 0_u32.., random in any::<u64>()) {
            prop_assert!(backoff(retry, random) <= backoff(retry, u64::MAX));
            prop_assert!(backoff(retry, u64::MAX) <= CAP);
        }

        #[test]
        fn any_bytes_are_read_or_ignored(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = retry_after(&value, SystemTime::UNIX_EPOCH);
        }
    }
}
