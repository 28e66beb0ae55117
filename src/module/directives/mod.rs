//! The directives: one [`TABLE`] from which they are registered (`config`) and documented (`redis.conf.example`), and
//! [`Settings`], what the rest of the module reads.
//!
//! A directive's value is an `i64` (a number, a size in bytes, a span in seconds, the index of a word, 0 or 1) or a text.
//! The server checks the range; [`Settings::new`] bounds it once more, so a `Settings` cannot be invalid.

mod settings;
mod table;

use std::time::Duration;

use super::args;
pub use settings::{EvictionHints, LoaderCommands, LogKeys, Settings};
pub use table::{COUNT, TABLE};

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Its name without `warm.`.
    pub name: &'static str,
    /// What it takes, its range and its default.
    pub kind: Kind,
    /// When it may be changed.
    pub change: Change,
    /// What it does, for operators.
    pub does: &'static str,
    /// What goes wrong when it is too small; empty where that has no meaning.
    pub too_small: &'static str,
    /// What goes wrong when it is too large; empty where that has no meaning.
    pub too_large: &'static str,
}

/// What a directive takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// What is counted.
        unit: &'static str,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
        /// Without a line.
        default: i64,
    },
    /// Bytes; `kb`, `mb` and `gb` are understood.
    Size {
        /// The least, in bytes.
        min: i64,
        /// The most, in bytes.
        max: i64,
        /// Without a line, in bytes.
        default: i64,
    },
    /// A whole number of percent.
    Percent {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
        /// Without a line.
        default: i64,
    },
    /// A span of time in whole seconds; `90`, `90s`, `5m`, `1h` and `7d` are understood, and seconds are shown.
    Span {
        /// The least, in seconds.
        min: i64,
        /// The most, in seconds.
        max: i64,
        /// Without a line, in seconds.
        default: i64,
    },
    /// One of a few words.
    Enum {
        /// The words.
        words: &'static [&'static str],
        /// The place of the word without a line.
        default: usize,
    },
    /// `yes` or `no`.
    Bool {
        /// Without a line: 1 is `yes`, 0 is `no`.
        default: i64,
    },
    /// A text of at most so many bytes; empty is the default.
    Text {
        /// The longest, in bytes.
        longest: usize,
    },
}

/// When a directive may be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// At any time, with `CONFIG SET`.
    AnyTime,
    /// Only in redis.conf or with `MODULE LOADEX`.
    AtLoad,
}

impl Kind {
    /// The least and the most its number may be; a text has none.
    pub fn range(&self) -> (i64, i64) {
        match *self {
            Kind::Integer { min, max, .. }
            | Kind::Size { min, max, .. }
            | Kind::Percent { min, max, .. }
            | Kind::Span { min, max, .. } => (min, max),
            Kind::Enum { words, .. } => (0, words.len() as i64 - 1),
            Kind::Bool { .. } => (0, 1),
            Kind::Text { .. } => (0, 0),
        }
    }

    /// Its number without a line in redis.conf.
    pub fn default_number(&self) -> i64 {
        match *self {
            Kind::Integer { default, .. }
            | Kind::Size { default, .. }
            | Kind::Percent { default, .. }
            | Kind::Span { default, .. }
            | Kind::Bool { default } => default,
            Kind::Enum { default, .. } => default as i64,
            Kind::Text { .. } => 0,
        }
    }

    /// Its default as it is written in redis.conf.
    pub fn default_written(&self) -> String {
        match *self {
            Kind::Integer { default, .. } | Kind::Percent { default, .. } => default.to_string(),
            Kind::Size { default, .. } => size_written(default),
            Kind::Span { default, .. } => span_written(default),
            Kind::Enum { words, default } => words.get(default).copied().unwrap_or_default().to_owned(),
            Kind::Bool { default } => if default == 1 { "yes" } else { "no" }.to_owned(),
            Kind::Text { .. } => "\"\"".to_owned(),
        }
    }
}

/// A size in the largest unit that writes it whole, as redis.conf takes it.
pub fn size_written(bytes: i64) -> String {
    let units = [(1 << 40, 1 << 10, "gb"), (1 << 30, 1, "gb"), (1 << 20, 1, "mb"), (1 << 10, 1, "kb")];
    match units.iter().find(|(unit, ..)| bytes != 0 && bytes % unit == 0) {
        Some((unit, factor, name)) => format!("{}{name}", bytes / unit * factor),
        None => bytes.to_string(),
    }
}

/// A span in the largest unit that writes it whole, as redis.conf takes it.
pub fn span_written(seconds: i64) -> String {
    args::written(Duration::from_secs(seconds.unsigned_abs()))
}

/// The seconds of a span as it is written in redis.conf, if it is one of whole seconds within `min..=max`.
pub fn span_read(text: &str, min: i64, max: i64) -> Option<i64> {
    let span = args::duration(text).filter(|span| span.subsec_nanos() == 0)?;
    i64::try_from(span.as_secs()).ok().filter(|seconds| (min..=max).contains(seconds))
}

/// The raw values of all directives, by their place in [`TABLE`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raw {
    /// Numbers, sizes, indices of words; 0 for texts.
    pub numbers: [i64; COUNT],
    /// Texts; empty for all others.
    pub texts: [String; COUNT],
}

impl Default for Raw {
    fn default() -> Self {
        Raw {
            numbers: std::array::from_fn(|i| TABLE[i].kind.default_number()),
            texts: std::array::from_fn(|_| String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_redis_reads_them() {
        for (bytes, written) in [(64 << 20, "64mb"), (1 << 40, "1024gb"), (3 << 30, "3gb"), (1025, "1025"), (0, "0")] {
            assert_eq!(size_written(bytes), written);
        }
    }

    #[test]
    fn spans_are_whole_seconds_in_any_unit() {
        for (text, seconds) in
            [("90", Some(90)), ("90s", Some(90)), ("5m", Some(300)), ("1000ms", Some(1)), ("1h", Some(3600))]
        {
            assert_eq!(span_read(text, 1, 86_400), seconds, "{text}");
        }
        for bad in ["0", "1500ms", "25h", "", "-1", "x", "1.5h", "99999999999999999999d"] {
            assert_eq!(span_read(bad, 1, 86_400), None, "{bad}");
        }
        assert_eq!(
            (span_written(3600), span_written(90), span_written(21_600)),
            ("1h".into(), "90s".into(), "6h".into())
        );
    }
}
