//! What is remembered of earlier answers, so that the next request can ask "still the same?".
//!
//! A validator (an `ETag` or a `Last-Modified`) belongs to one stored value, known by its digest. Whoever asks for a
//! fetch says which value it holds; the request is conditional only if that is the very value the validator came with,
//! so a value that someone else wrote is never kept on the word of a 304.
//!
//! Structure: a set-associative table, eight entries a set, least recently used first out; sets grow as they fill.
//! Cost: one hash and at most eight comparisons. Bound: the capacity times (40 bytes and the validator, at most
//! [`MAX_VALIDATOR`]). Names are kept as 64-bit hashes; if two collide, the digest still decides.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use http::HeaderMap;
use http::header::{ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// The longest validator that is remembered, in bytes.
pub const MAX_VALIDATOR: usize = 256;

/// Makes digests of values. Copies of one digester agree; those of another runtime do not.
#[derive(Clone, Copy, Debug)]
pub struct Digester {
    seed: u64,
}

impl Digester {
    /// A digester with the key `seed`.
    pub fn new(seed: u64) -> Self {
        Digester { seed }
    }

    /// The digest of a stored value: keyed, so that it cannot be foreseen, but not proof against someone who can read
    /// digests. About 0.1 ns a byte.
    pub fn digest(&self, value: &[u8]) -> u64 {
        self.keyed().hash_one(value)
    }

    /// The name under which a validator is remembered: of a key, for one form of stored value.
    pub(super) fn tag(&self, shape: u64, db: u32, name: &[u8]) -> u64 {
        self.keyed().hash_one((shape, db, name))
    }

    /// A number that looks random, another one for each `counter`.
    pub(super) fn random(&self, counter: u64) -> u64 {
        self.keyed().hash_one(counter)
    }

    fn keyed(&self) -> FixedState {
        FixedState::with_seed(self.seed)
    }
}

/// What an origin gave to ask again with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    asks: HeaderName,
    value: HeaderValue,
}

impl Validator {
    /// The validator of an answer, `ETag` before `Last-Modified`, if it has one that is not too long.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let copy = |value: &HeaderValue| {
            let short = !value.is_empty() && value.len() <= MAX_VALIDATOR;
            // A copy: the answer's own value would keep the connection's whole read buffer alive.
            if short { HeaderValue::from_bytes(value.as_bytes()).ok() } else { None }
        };
        let of = |name, asks| headers.get(name).and_then(copy).map(|value| Validator { asks, value });
        of(ETAG, IF_NONE_MATCH).or_else(|| of(LAST_MODIFIED, IF_MODIFIED_SINCE))
    }

    /// Makes a request conditional.
    pub fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(&self.asks, self.value.clone());
    }
}

/// The bounded memory of validators.
#[derive(Debug)]
pub struct Validators {
    sets: Vec<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    tag: u64,
    digest: u64,
    validator: Validator,
}

const WAYS: usize = 8;

impl Validators {
    /// A memory for about `capacity` keys, rounded up to a multiple of eight.
    pub fn new(capacity: usize) -> Self {
        Validators { sets: std::iter::repeat_with(Vec::new).take(capacity.div_ceil(WAYS)).collect() }
    }

    /// Remembers that `validator` came with the value that has `digest`; without one, forgets the key.
    pub fn remember(&mut self, tag: u64, digest: u64, validator: Option<Validator>) {
        let Some(set) = self.set(tag) else { return };
        set.retain(|entry| entry.tag != tag);
        if let Some(validator) = validator {
            set.truncate(WAYS - 1);
            set.insert(0, Entry { tag, digest, validator });
        }
    }

    /// The validator that came with the value of `tag` that has `digest`.
    pub fn recall(&mut self, tag: u64, digest: u64) -> Option<Validator> {
        let set = self.set(tag)?;
        let at = set.iter().position(|entry| entry.tag == tag && entry.digest == digest)?;
        set[..=at].rotate_right(1);
        set.first().map(|entry| entry.validator.clone())
    }

    /// The validator of `tag`, whatever it came with.
    pub fn recall_any(&mut self, tag: u64) -> Option<Validator> {
        self.set(tag)?.iter().find(|entry| entry.tag == tag).map(|entry| entry.validator.clone())
    }

    fn set(&mut self, tag: u64) -> Option<&mut Vec<Entry>> {
        let count = self.sets.len() as u64;
        let at = tag.checked_rem(count)?;
        self.sets.get_mut(at as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    fn etag(text: &str) -> Option<Validator> {
        Validator::of(&answer("etag", text))
    }

    #[test]
    fn only_the_very_value_is_asked_about() {
        let mut table = Validators::new(100);
        table.remember(1, 10, etag("\"a\""));
        assert_eq!(table.recall(1, 10), etag("\"a\""));
        assert_eq!(table.recall(1, 11), None);
        assert_eq!(table.recall(2, 10), None);
        table.remember(1, 11, etag("\"b\""));
        assert_eq!(table.recall(1, 10), None);
        table.remember(1, 12, None);
        assert_eq!(table.recall(1, 11), None);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut table = Validators::new(8);
        (0..8).for_each(|tag| table.remember(tag, tag, etag("x")));
        assert!(table.recall(0, 0).is_some());
        table.remember(8, 8, etag("x"));
        assert!(table.recall(0, 0).is_some());
        assert!(table.recall(1, 1).is_none());
        let kept: usize = table.sets.iter().map(Vec::len).sum();
        assert_eq!(kept, 8);
    }

    #[test]
    fn no_capacity_remembers_nothing() {
        let mut table = Validators::new(0);
        table.remember(1, 1, etag("x"));
        assert_eq!(table.recall(1, 1), None);
    }

    #[test]
    fn an_etag_goes_before_a_date_and_a_long_one_is_passed_over() {
        let mut both = answer("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        let mut asked = HeaderMap::new();
        Validator::of(&both).unwrap().ask(&mut asked);
        assert_eq!(asked[IF_MODIFIED_SINCE], both[LAST_MODIFIED]);
        both.insert(ETAG, HeaderValue::from_static("W/\"1\""));
        assert_eq!(Validator::of(&both).unwrap().asks, IF_NONE_MATCH);
        assert_eq!(etag(&"x".repeat(MAX_VALIDATOR + 1)), None);
    }

    #[test]
    fn digests_depend_on_the_seed() {
        let (a, b) = (Digester::new(1), Digester::new(2));
        assert_eq!(a.digest(b"value"), { a }.digest(b"value"));
        assert_ne!(a.digest(b"value"), b.digest(b"value"));
        assert_ne!(a.tag(1, 0, b"k"), a.tag(1, 1, b"k"));
    }
}
