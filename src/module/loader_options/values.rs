//! The values of the options: a cursor over words that are used in one form and shown in another.

use std::ops::RangeInclusive;

use http::{HeaderName, HeaderValue};

use crate::loader::settings::Secret;
use crate::module::args::{Args, Parsed, argument, shown};
use crate::module::reply::Refusal;
use crate::module::warmfile::Word;

/// The longest pattern, template, pointer or header, in bytes.
const LONGEST: usize = 8192;

/// Headers that the HTTP client or the loader sets itself.
const RESERVED: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-length",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The words that are left.
pub(super) struct Words<'a> {
    /// Not read yet.
    pub(super) rest: &'a [Word],
}

impl<'a> Words<'a> {
    /// The next word, within bounds.
    fn next(&mut self, what: &str) -> Parsed<&'a Word> {
        let (word, rest) = self.rest.split_first().ok_or_else(|| argument(format!("{what} is missing its value")))?;
        if word.used.len() > LONGEST {
            return Err(argument(format!("{what} has {} bytes, at most {LONGEST} are allowed", word.used.len())));
        }
        self.rest = rest;
        Ok(word)
    }

    /// The next word, read by `read`. An error is worded from the masked form.
    pub(super) fn value<T>(&mut self, what: &str, read: impl Fn(&mut Args<'_>) -> Parsed<T>) -> Parsed<T> {
        let word = self.next(what)?;
        let result = read(&mut Args::new(&[&word.used]));
        if result.is_ok() || !word.is_masked() {
            return result;
        }
        read(&mut Args::new(&[&word.shown])).and(Err(from_environment(what)))
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self, what: &str, range: RangeInclusive<u64>) -> Parsed<T> {
        let number = self.value(what, |args| args.number(what, range.clone()))?;
        T::try_from(number).map_err(|_| argument(format!("{what} '{number}' is too large")))
    }

    pub(super) fn bytes(&mut self, what: &str) -> Parsed<Vec<u8>> {
        let word = self.next(what)?;
        if word.used.is_empty() {
            return Err(argument(format!("{what} '' must not be empty")));
        }
        // A pattern is shown in replies and in the log; a secret has no place in it.
        if word.is_masked() { Err(from_environment(what)) } else { Ok(word.used.clone()) }
    }

    pub(super) fn template(&mut self, what: &str) -> Parsed<Secret> {
        let word = self.next(what)?;
        let good = |text: &&str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        let used = std::str::from_utf8(&word.used).ok().filter(good).ok_or_else(|| {
            argument(format!(
                "{what} '{}' must be UTF-8 without blanks and control characters",
                shown(&without_password(&word.shown))
            ))
        })?;
        Ok(Secret::masked(used.to_owned(), String::from_utf8_lossy(&word.shown).into_owned()))
    }

    /// A JSON pointer (RFC 6901): empty, or parts that each begin with `/`, with `~0` for `~` and `~1` for `/`.
    pub(super) fn pointer(&mut self, what: &str) -> Parsed<String> {
        let word = self.next(what)?;
        let escaped = |text: &&str| text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        let rooted = |text: &&str| text.is_empty() || text.starts_with('/');
        match std::str::from_utf8(&word.used).ok().filter(rooted).filter(escaped) {
            Some(text) => Ok(text.to_owned()),
            None => Err(argument(format!(
                "{what} '{}' must be a JSON pointer such as /data/0/body (~0 stands for ~, ~1 for /)",
                shown(&word.shown)
            ))),
        }
    }

    pub(super) fn header(&mut self) -> Parsed<(String, String)> {
        let word = self.next("HEADER")?;
        let unwritten = || argument("HEADER must be written \"Name: value\"".to_owned());
        let colon = word.used.iter().position(|byte| *byte == b':').ok_or_else(unwritten)?;
        let (name, value) = (&word.used[..colon], word.used[colon + 1..].trim_ascii());
        // A name that came from the environment must not be shown, and one that is wrong may be a misplaced secret.
        let name = HeaderName::from_bytes(name).map_err(|_| unwritten())?;
        if !word.shown.to_ascii_lowercase().starts_with(name.as_str().as_bytes()) {
            return Err(argument("HEADER: only the value may come from the environment".to_owned()));
        }
        // Unquoted, the value would be the next word, and be shown as an unknown option.
        if value.is_empty() {
            return Err(argument(format!("HEADER '{name}' has no value; write \"{name}: value\" in quotes")));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(argument(format!("HEADER '{name}' is set by the loader itself")));
        }
        let text = std::str::from_utf8(value).ok().filter(|text| HeaderValue::from_str(text).is_ok());
        let Some(text) = text else {
            return Err(argument(format!("HEADER '{name}': the value must be UTF-8 without control characters")));
        };
        if !word.is_masked() && text.contains("${") {
            return Err(argument(format!(
                "HEADER '{name}': ${{NAME}} is taken from the environment only in the warm file, outside single quotes"
            )));
        }
        Ok((name.as_str().to_owned(), text.to_owned()))
    }
}

fn from_environment(what: &str) -> Refusal {
    argument(format!("{what}: the value from the environment is not allowed here"))
}

/// A URL without what stands between its scheme and its `@`.
fn without_password(url: &[u8]) -> Vec<u8> {
    match url.iter().rposition(|byte| *byte == b'@') {
        Some(at) => {
            let start = url.windows(3).position(|part| part == b"://").map_or(0, |found| (found + 3).min(at));
            [&url[..start], b"***", &url[at..]].concat()
        }
        None => url.to_vec(),
    }
}
