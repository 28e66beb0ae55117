//! Key patterns: which keys a loader is for, and which parts of a key its URL is made of.
//!
//! `content:{id}`, `page:{site}:{path}`, `session:*`: text between captures is literal. A `{name}` captures one or more
//! bytes, a `*` zero or more without a name. A capture ends where the literal after it first occurs, except that the
//! closing literal of a pattern must end the key; a capture at the end takes the rest. There are no escapes, so a
//! pattern cannot hold the literals `{`, `}` and `*`.
//!
//! Matching is linear in the key's length: each literal is searched for once, leftmost, and never again. That finds a
//! match whenever there is one, because a leftmost literal leaves the most for what follows.

use std::ops::Range;

use memchr::memmem::Finder;

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1024;

/// The longest capture name, in bytes.
pub const MAX_NAME: usize = 64;

/// A key pattern, ready to match.
///
/// ```
/// use redis_warm::engine::pattern::Pattern;
/// let pattern = Pattern::parse(b"page:{site}:{path}").unwrap();
/// let captures = pattern.matches(b"page:news:sports/today").unwrap();
/// assert_eq!(captures.named("path"), Some(&b"sports/today"[..]));
/// assert!(!pattern.is_match(b"page:news:"));
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<[u8]>,
    prefix: Box<[u8]>,
    /// Each capture with the literal that follows it (empty: the capture takes the rest).
    steps: Box<[Step]>,
}

#[derive(Clone, Debug)]
struct Step {
    name: Option<Box<str>>,
    literal: Finder<'static>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern, and where.
    pub fn parse(text: &[u8]) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        let end = literal_end(text, 0)?;
        let prefix = Box::from(&text[..end]);
        let mut steps: Vec<Step> = Vec::new();
        let mut at = end;
        while at < text.len() {
            let (name, after) = capture(text, at)?;
            if let Some(name) = &name
                && steps.iter().any(|step| step.name.as_ref() == Some(name))
            {
                return Err(PatternError::Duplicate { name: name.to_string() });
            }
            let end = literal_end(text, after)?;
            if end == after && end < text.len() {
                return Err(PatternError::Adjacent { at: after });
            }
            steps.push(Step { name, literal: Finder::new(&text[after..end]).into_owned() });
            at = end;
        }
        Ok(Pattern { text: Box::from(text), prefix, steps: steps.into() })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What every matching key begins with; may be empty.
    pub fn literal_prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// How many bytes of the pattern are literal: the more, the more particular it is.
    pub fn literal_bytes(&self) -> usize {
        self.prefix.len() + self.steps.iter().map(|step| step.literal.needle().len()).sum::<usize>()
    }

    /// The names of the captures, in the pattern's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.name.as_deref())
    }

    /// Whether `key` matches. Allocates nothing.
    pub fn is_match(&self, key: &[u8]) -> bool {
        self.walk(key, |_, _| ())
    }

    /// The parts of `key`, if it matches.
    pub fn matches<'p, 'k>(&'p self, key: &'k [u8]) -> Option<Captures<'p, 'k>> {
        let mut parts = Vec::with_capacity(self.steps.len());
        let whole = self.walk(key, |step, range| {
            if let Some(name) = &step.name {
                parts.push((name.as_ref(), &key[range]));
            }
        });
        whole.then_some(Captures { parts })
    }

    fn walk<'p>(&'p self, key: &[u8], mut captured: impl FnMut(&'p Step, Range<usize>)) -> bool {
        if !key.starts_with(&self.prefix) {
            return false;
        }
        let Some((last, middle)) = self.steps.split_last() else {
            return key.len() == self.prefix.len();
        };
        let mut at = self.prefix.len();
        for step in middle {
            let from = at + step.least();
            let Some(found) = key.get(from..).and_then(|rest| step.literal.find(rest)) else {
                return false;
            };
            captured(step, at..from + found);
            at = from + found + step.literal.needle().len();
        }
        let closing = last.literal.needle();
        if key.len() < at + last.least() + closing.len() || !key.ends_with(closing) {
            return false;
        }
        captured(last, at..key.len() - closing.len());
        true
    }
}

impl Step {
    /// The fewest bytes that the capture takes.
    fn least(&self) -> usize {
        usize::from(self.name.is_some())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// The named parts of a key, in the pattern's order.
#[derive(Clone, Debug)]
pub struct Captures<'p, 'k> {
    parts: Vec<(&'p str, &'k [u8])>,
}

impl<'p, 'k> Captures<'p, 'k> {
    /// The bytes that `name` captured.
    pub fn named(&self, name: &str) -> Option<&'k [u8]> {
        self.parts.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
    }

    /// The bytes of the first named capture: the id of the key.
    pub fn first(&self) -> Option<&'k [u8]> {
        self.parts.first().map(|(_, bytes)| *bytes)
    }

    /// Names and bytes, in the pattern's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'p str, &'k [u8])> {
        self.parts.iter().copied()
    }
}

/// Why a text is not a pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    /// No text at all.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than [`MAX_PATTERN`].
    #[error("the pattern has {bytes} bytes, {MAX_PATTERN} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A brace without its other half.
    #[error("unbalanced brace at byte {at}")]
    Unbalanced {
        /// Position in the pattern, from 0.
        at: usize,
    },
    /// A capture's name is empty, too long or holds other bytes than `A-Z a-z 0-9 _`.
    #[error("the capture at byte {at} needs a name of [A-Za-z0-9_]{{1,{MAX_NAME}}}")]
    Name {
        /// Position of the capture's brace, from 0.
        at: usize,
    },
    /// One name, two captures.
    #[error("the capture {{{name}}} occurs twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Two captures with nothing between them.
    #[error("two captures meet at byte {at}; a literal must stand between them")]
    Adjacent {
        /// Position of the second, from 0.
        at: usize,
    },
}

/// Where the literal that begins at `from` ends.
fn literal_end(text: &[u8], from: usize) -> Result<usize, PatternError> {
    match memchr::memchr3(b'{', b'}', b'*', &text[from..]) {
        Some(found) if text[from + found] == b'}' => Err(PatternError::Unbalanced { at: from + found }),
        Some(found) => Ok(from + found),
        None => Ok(text.len()),
    }
}

/// The capture at `at` (a `{` or a `*`) and where it ends.
fn capture(text: &[u8], at: usize) -> Result<(Option<Box<str>>, usize), PatternError> {
    if text[at] == b'*' {
        return Ok((None, at + 1));
    }
    let length = memchr::memchr(b'}', &text[at..]).ok_or(PatternError::Unbalanced { at })?;
    let name = &text[at + 1..at + length];
    let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if name.is_empty() || name.len() > MAX_NAME || !plain {
        return Err(PatternError::Name { at });
    }
    Ok((std::str::from_utf8(name).ok().map(Box::from), at + length + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captures<'k>(pattern: &str, key: &'k [u8]) -> Option<Vec<(String, &'k [u8])>> {
        let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
        let found = pattern.matches(key).map(|c| c.iter().map(|(n, b)| (n.to_owned(), b)).collect());
        assert_eq!(pattern.is_match(key), found.is_some());
        found
    }

    #[test]
    fn a_capture_takes_bytes_up_to_the_next_literal() {
        let parts = captures("page:{site}:{path}", b"page:news:a:b").unwrap();
        assert_eq!(parts, [("site".to_owned(), &b"news"[..]), ("path".to_owned(), &b"a:b"[..])]);
        assert_eq!(captures("content:{id}", b"content:\xff\0").unwrap()[0].1, b"\xff\0");
    }

    #[test]
    fn a_named_capture_is_never_empty_but_a_star_may_be() {
        assert!(captures("content:{id}", b"content:").is_none());
        assert!(captures("{a}:{b}", b":b").is_none());
        assert_eq!(captures("{a}:{b}", b"::b").unwrap()[0].1, b":");
        assert!(captures("content:*", b"content:").is_some());
        assert!(captures("*:x", b":x").is_some());
    }

    #[test]
    fn the_closing_literal_ends_the_key() {
        assert_eq!(captures("c:{id}:v1", b"c:a:v1:v1").unwrap()[0].1, b"a:v1");
        assert!(captures("c:{id}:v1", b"c:a:v1:").is_none());
        assert!(captures("abc", b"abcd").is_none());
        assert!(captures("ab{x}ba", b"abba").is_none());
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &[u8]| Pattern::parse(text).unwrap_err();
        assert_eq!(error(b""), PatternError::Empty);
        assert_eq!(error(&[b'x'; 1025]), PatternError::TooLong { bytes: 1025 });
        assert_eq!(error(b"a{id"), PatternError::Unbalanced { at: 1 });
        assert_eq!(error(b"a}b"), PatternError::Unbalanced { at: 1 });
        assert_eq!(error(b"a{}"), PatternError::Name { at: 1 });
        assert_eq!(error(b"a{i-d}"), PatternError::Name { at: 1 });
        assert_eq!(error(b"a{i{d}}"), PatternError::Name { at: 1 });
        assert_eq!(error(b"{a}:{a}"), PatternError::Duplicate { name: "a".into() });
        assert_eq!(error(b"{a}{b}"), PatternError::Adjacent { at: 3 });
        assert_eq!(error(b"**"), PatternError::Adjacent { at: 1 });
        assert_eq!(error(b"{a}{a}").to_string(), "two captures meet at byte 3; a literal must stand between them");
    }

    #[derive(Clone, Debug)]
    enum Piece {
        Text(Vec<u8>),
        Named,
        Star,
    }

    /// Alternating literals and captures over a tiny alphabet, so that literals overlap and repeat.
    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let text = prop::collection::vec(prop::sample::select(&b"ab"[..]), 1..4);
        let capture = prop_oneof![Just(Piece::Named), Just(Piece::Star)];
        (prop::collection::vec((text, capture), 1..5), any::<bool>(), any::<bool>()).prop_map(|(pairs, lead, trail)| {
            let mut all: Vec<Piece> = pairs.into_iter().flat_map(|(t, c)| [Piece::Text(t), c]).collect();
            if lead {
                all.remove(0);
            }
            if trail {
                all.pop();
            }
            all
        })
    }

    fn write(pieces: &[Piece]) -> Vec<u8> {
        let mut text = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(bytes) => text.extend_from_slice(bytes),
                Piece::Named => text.extend_from_slice(format!("{{c{number}}}").as_bytes()),
                Piece::Star => text.push(b'*'),
            }
        }
        text
    }

    /// The definition of a match, tried in every way.
    fn brute(pieces: &[Piece], key: &[u8]) -> bool {
        match pieces.split_first() {
            None => key.is_empty(),
            Some((Piece::Text(text), rest)) => key.strip_prefix(&text[..]).is_some_and(|key| brute(rest, key)),
            Some((piece, rest)) => {
                let least = usize::from(matches!(piece, Piece::Named));
                (least..=key.len()).any(|taken| brute(rest, &key[taken..]))
            }
        }
    }

    proptest! {
        #[test]
        fn finds_a_match_exactly_when_there_is_one(pieces in pieces(), key in prop::collection::vec(prop::sample::select(&b"abc"[..]), 0..12)) {
            let text = write(&pieces);
            prop_assume!(!text.is_empty());
            let pattern = Pattern::parse(&text).unwrap();
            prop_assert_eq!(pattern.is_match(&key), brute(&pieces, &key));
            prop_assert_eq!(pattern.matches(&key).is_some(), pattern.is_match(&key));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(text in prop::collection::vec(any::<u8>(), 0..40), key in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert!(!pattern.is_match(&key) || key.starts_with(pattern.literal_prefix()));
            }
        }

        #[test]
        fn captures_and_literals_make_up_the_key(a in "[a-z]{1,8}", b in "[a-z:]{1,8}") {
            let key = format!("page:{a}:{b}");
            let pattern = Pattern::parse(b"page:{site}:{path}").unwrap();
            let captures = pattern.matches(key.as_bytes()).unwrap();
            prop_assert_eq!(captures.named("site"), Some(a.as_bytes()));
            prop_assert_eq!(captures.named("path"), Some(b.as_bytes()));
            prop_assert_eq!(captures.first(), Some(a.as_bytes()));
        }
    }
}
