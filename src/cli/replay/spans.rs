//! How the laboratory's arguments are written: durations (`5m`), moments of the trace (`70%`, `7d`), and room (`0.5%`).
//! What is parsed here is only text; [`Moment::index`] and [`Capacity::keys`] find what it means in a trace.

use std::fmt;
use std::str::FromStr;

use super::trace::Trace;

/// A duration in whole milliseconds, at least one: `250ms`, `20s`, `5m`, `1h`, `7d`; a bare number is seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(u64);

/// A moment of a trace: a share of its requests (`0.7`, `70%`), an instant in milliseconds as in the trace
/// (`1506826800026`), or a duration since its first request (`7d`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Moment {
    /// Of the requests, in 0..=1.
    Share(f64),
    /// Milliseconds, as in the trace.
    Instant(u64),
    /// Since the first request.
    After(Span),
}

/// How many keys fit: a number, or a share of the distinct keys (`0.5%`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Capacity {
    /// So many.
    Keys(u64),
    /// Of the distinct keys of the trace, in 0..=1.
    Share(f64),
}

impl Span {
    /// So many milliseconds; none for zero.
    pub(crate) fn from_millis(ms: u64) -> Option<Self> {
        (ms > 0).then_some(Span(ms))
    }

    /// In milliseconds.
    pub(crate) fn millis(self) -> u64 {
        self.0
    }
}

impl Moment {
    /// The first request at or after this moment; the number of requests if there is none.
    pub(crate) fn index(self, trace: &Trace) -> usize {
        let at = match self {
            Moment::Share(share) => return (trace.len() as f64 * share).round() as usize,
            Moment::Instant(at) => at,
            Moment::After(span) => trace.span().0.saturating_add(span.0),
        };
        trace.times.partition_point(|&time| time < at)
    }
}

impl Capacity {
    /// In keys of this trace, at least one.
    pub(crate) fn keys(self, trace: &Trace) -> u64 {
        match self {
            Capacity::Keys(keys) => keys,
            Capacity::Share(share) => (trace.distinct() as f64 * share).round() as u64,
        }
        .max(1)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let millis = match unit {
            "ms" => 1.0,
            "s" | "" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            _ => return Err(format!("{text:?} is not a duration like 250ms, 20s, 5m, 1h or 7d")),
        };
        let number: f64 = number.parse().map_err(|_| format!("{text:?} is not a duration like 5m or 20s"))?;
        let total = (number * millis).round();
        if (1.0..=1e15).contains(&total) {
            Ok(Span(total as u64))
        } else {
            Err(format!("{text:?} is not between 1 ms and 10^15 ms"))
        }
    }
}

/// In the largest unit that needs no fraction.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let (size, unit) = units.into_iter().find(|(size, _)| self.0.is_multiple_of(*size)).unwrap_or((1, "ms"));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(percent) = text.strip_suffix('%') {
            return Ok(Moment::Share(share(percent, 100.0)?));
        }
        if let Ok(instant) = text.parse() {
            return Ok(Moment::Instant(instant));
        }
        if text.parse::<f64>().is_ok() {
            return Ok(Moment::Share(share(text, 1.0)?));
        }
        let wrong = || format!("{text:?} is not a share like 0.7 or 70%, an instant in ms, or a duration like 7d");
        text.parse().map(Moment::After).map_err(|_| wrong())
    }
}

impl FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(percent) = text.strip_suffix('%') {
            return Ok(Capacity::Share(share(percent, 100.0)?));
        }
        match text.parse() {
            Ok(keys) if keys > 0 => Ok(Capacity::Keys(keys)),
            _ => Err(format!("{text:?} is not a number of keys from 1, or a share of them like 0.5%")),
        }
    }
}

/// `text` as a share of `whole`.
fn share(text: &str, whole: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=whole).contains(&number) => Ok(number / whole),
        _ => Err(format!("{text:?} is not a share from 0 to {whole}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_seconds_are_the_default() {
        let millis = |text: &str| text.parse::<Span>().map(Span::millis);
        for (text, expected) in
            [("250ms", 250), ("20", 20_000), ("5m", 300_000), ("1.5h", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(millis(text), Ok(expected), "{text}");
            let shown = text.parse::<Span>().unwrap().to_string();
            assert_eq!(millis(&shown), Ok(expected), "{shown}");
        }
        for text in ["", "0", "-1s", "5 m", "5min", "ms", "1e3", "0.0001s", "99999999999d", "1.2.3s"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_found_in_the_trace() {
        let trace = Trace::of(&[(1000, 0), (2000, 1), (3000, 2), (4000, 3)]);
        for (text, expected) in
            [("0.5", 2), ("75%", 3), ("3000", 2), ("2s", 2), ("1.5s", 2), ("0", 0), ("1.0", 4), ("9h", 4)]
        {
            assert_eq!(text.parse::<Moment>().unwrap().index(&trace), expected, "{text}");
        }
        for text in ["1.5", "101%", "-0.1", "noon", "NaN", "inf"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn capacity_is_a_number_or_a_share() {
        let trace = Trace::of(&[(0, 0), (0, 1), (0, 199)]);
        for (text, expected) in [("7", 7), ("1%", 2), ("0.01%", 1)] {
            assert_eq!(text.parse::<Capacity>().unwrap().keys(&trace), expected, "{text}");
        }
        assert!("0".parse::<Capacity>().is_err());
        assert!("200%".parse::<Capacity>().is_err());
    }
}
