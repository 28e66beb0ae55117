//! Reading a command's arguments: a cursor over bytes. Parsers built on it are pure functions and consume everything.

use std::time::Duration;

use super::reply::Refusal;
use crate::engine::key::Key;

/// What a parser gives: the parsed command, or the refusal that the client reads.
pub type Parsed<T> = Result<T, Refusal>;

/// A cursor over the arguments after the command's name.
#[derive(Debug)]
pub struct Args<'a> {
    rest: &'a [&'a [u8]],
}

impl<'a> Args<'a> {
    /// A cursor before the first of `args`.
    pub fn new(args: &'a [&'a [u8]]) -> Self {
        Args { rest: args }
    }

    /// Whether everything was consumed.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many arguments are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next argument; `what` names it in the error if there is none.
    pub fn next(&mut self, what: &str) -> Parsed<&'a [u8]> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| argument(format!("{what} is missing")))?;
        self.rest = rest;
        Ok(first)
    }

    /// A key that is to be loaded or looked up in our tables: at most [`Key::MOST_BYTES`] long.
    pub fn key(&mut self) -> Parsed<&'a [u8]> {
        within_length(self.next("key")?)
    }

    /// All that is left; at least one, else an error that names `what`.
    pub fn rest(&mut self, what: &str) -> Parsed<&'a [&'a [u8]]> {
        if self.rest.is_empty() {
            return Err(argument(format!("{what} is missing")));
        }
        Ok(std::mem::take(&mut self.rest))
    }

    /// Consumes the next argument if it is this option word, in any case.
    pub fn option(&mut self, word: &str) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(word.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The next argument without consuming it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.rest.first().copied()
    }

    /// An error if anything is left: the option is unknown, `allowed` says what is known.
    pub fn end(&self, allowed: &str) -> Parsed<()> {
        match self.rest.first() {
            None => Ok(()),
            Some(extra) => Err(argument(format!("unknown option '{}', allowed: {allowed}", shown(extra)))),
        }
    }

    /// A text of UTF-8.
    pub fn text(&mut self, what: &str) -> Parsed<&'a str> {
        let bytes = self.next(what)?;
        std::str::from_utf8(bytes).map_err(|_| argument(format!("{what} '{}' is not UTF-8", shown(bytes))))
    }

    /// A name: `[A-Za-z0-9_.-]{1,64}`.
    pub fn name(&mut self, what: &str) -> Parsed<&'a str> {
        let bytes = self.next(what)?;
        let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        match std::str::from_utf8(bytes) {
            Ok(name) if (1..=64).contains(&name.len()) && bytes.iter().all(good) => Ok(name),
            _ => Err(argument(format!("{what} '{}' must be 1 to 64 of A-Z a-z 0-9 _ . -", shown(bytes)))),
        }
    }

    /// A whole number within `range`.
    pub fn number(&mut self, what: &str, range: std::ops::RangeInclusive<u64>) -> Parsed<u64> {
        let bytes = self.next(what)?;
        std::str::from_utf8(bytes).ok().and_then(decimal).filter(|n| range.contains(n)).ok_or_else(|| {
            argument(format!(
                "{what} '{}' must be a whole number from {} to {}",
                shown(bytes),
                range.start(),
                range.end()
            ))
        })
    }

    /// A decimal number within `range`.
    pub fn decimal(&mut self, what: &str, range: std::ops::RangeInclusive<f64>) -> Parsed<f64> {
        let bytes = self.next(what)?;
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|x| range.contains(x))
            .ok_or_else(|| {
                argument(format!(
                    "{what} '{}' must be a number from {} to {}",
                    shown(bytes),
                    range.start(),
                    range.end()
                ))
            })
    }

    /// A duration: `250ms`, `30s`, `5m`, `1h`, `7d`; a bare integer is seconds. Within `range`.
    pub fn duration(&mut self, what: &str, range: std::ops::RangeInclusive<Duration>) -> Parsed<Duration> {
        let bytes = self.next(what)?;
        std::str::from_utf8(bytes).ok().and_then(duration).filter(|d| range.contains(d)).ok_or_else(|| {
            argument(format!(
                "{what} '{}' must be a duration such as 250ms, 30s, 5m, 1h or 7d (a bare integer is seconds) from {} to {}",
                shown(bytes),
                written(*range.start()),
                written(*range.end())
            ))
        })
    }

    /// A size in bytes: a whole number, or with `kb`, `mb`, `gb` (powers of 1024). Within `range`.
    pub fn size(&mut self, what: &str, range: std::ops::RangeInclusive<u64>) -> Parsed<u64> {
        let bytes = self.next(what)?;
        std::str::from_utf8(bytes).ok().and_then(size).filter(|n| range.contains(n)).ok_or_else(|| {
            argument(format!(
                "{what} '{}' must be a size such as 65536, 64kb, 8mb or 1gb from {} to {} bytes",
                shown(bytes),
                range.start(),
                range.end()
            ))
        })
    }

    /// One of a few words, in any case.
    pub fn word<T: Copy>(&mut self, what: &str, choices: &[(&str, T)]) -> Parsed<T> {
        let bytes = self.next(what)?;
        choices
            .iter()
            .find(|(word, _)| bytes.eq_ignore_ascii_case(word.as_bytes()))
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let allowed: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                argument(format!("{what} '{}' must be one of {}", shown(bytes), allowed.join(", ")))
            })
    }
}

/// The name, if it is short enough for a key that is to be loaded.
pub fn within_length(name: &[u8]) -> Parsed<&[u8]> {
    if name.len() <= Key::MOST_BYTES {
        return Ok(name);
    }
    Err(argument(format!("a key of {} bytes cannot be loaded, at most {} are allowed", name.len(), Key::MOST_BYTES)))
}

/// A refusal of an argument.
pub fn argument(message: String) -> Refusal {
    Refusal::Argument(message)
}

/// Bytes as they may be shown in an error: printable ASCII, escaped, cut after 64 bytes.
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 64;
    let cut = &bytes[..bytes.len().min(MOST)];
    let dots = if bytes.len() > MOST { "..." } else { "" };
    format!("{}{dots}", cut.escape_ascii())
}

/// A duration in the largest unit that writes it whole.
pub fn written(span: Duration) -> String {
    let ms = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(unit, _)| ms != 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// Parses a duration; `None` if it is not one or does not fit.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let per_unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    decimal(number)?.checked_mul(per_unit).map(Duration::from_millis)
}

/// Parses a size in bytes; `None` if it is not one or does not fit.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let per_unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    decimal(number)?.checked_mul(per_unit)
}

/// Digits only: no sign, no blanks.
fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        for bad in ["", "s", "-1s", "1.5s", "1 s", "99999999999999999999", "18446744073709551615d", "1w"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("64kb"), Some(65_536));
        assert_eq!(size("1GB"), Some(1 << 30));
        assert_eq!(size("17179869184gb"), None);
    }

    #[test]
    fn an_error_names_argument_value_and_what_is_allowed() {
        let args: [&[u8]; 1] = [b"1001"];
        let refusal = Args::new(&args).number("PRIORITY", 0..=1000).unwrap_err();
        assert_eq!(refusal.to_string(), "ERR PRIORITY '1001' must be a whole number from 0 to 1000");
    }

    proptest! {
        #[test]
        fn written_durations_parse_back(ms in 0u64..10_000_000_000) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(duration(&written(span)), Some(span));
        }

        #[test]
        fn no_bytes_can_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let args: [&[u8]; 1] = [&bytes];
            let _ = Args::new(&args).duration("x", Duration::ZERO..=Duration::MAX);
            let _ = Args::new(&args).size("x", 0..=u64::MAX);
            let _ = Args::new(&args).decimal("x", 0.0..=1.0);
            let _ = Args::new(&args).name("x");
            prop_assert!(shown(&bytes).is_ascii());
        }
    }
}
