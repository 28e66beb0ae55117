//! JSON pointers (RFC 6901) over raw JSON text: they select a part of a document and keep the origin's own bytes.
//!
//! Cost: one scan of the enclosing value per step of the pointer; nothing is built. Where an object names a member
//! twice, the last one counts.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    steps: Box<[Box<str>]>,
}

impl Pointer {
    /// Reads a pointer: empty for the whole document, or `/` before each step, with `~0` for `~` and `~1` for `/`.
    ///
    /// # Errors
    /// [`PointerError`] if it neither is empty nor begins with `/`, holds another `~`, or has more than 32 steps.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Pointer { steps: Box::default() });
        }
        let steps = text.strip_prefix('/').ok_or(PointerError)?.split('/').map(unescape);
        let steps = steps.collect::<Option<Box<[_]>>>().ok_or(PointerError)?;
        if steps.len() > MAX_STEPS { Err(PointerError) } else { Ok(Pointer { steps }) }
    }

    /// The part of `document` that the pointer leads to.
    pub fn select<'d>(&self, document: &'d RawValue) -> Option<&'d RawValue> {
        self.steps.iter().try_fold(document, |within, step| {
            let text = within.get();
            let mut json = serde_json::Deserializer::from_str(text);
            match text.as_bytes().first()? {
                b'{' => json.deserialize_map(Member(step)).ok()?,
                b'[' => json.deserialize_seq(Element(index(step)?)).ok()?,
                _ => None,
            }
        })
    }
}

/// The text is not a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON pointer: it is empty or begins with `/`, has at most {MAX_STEPS} steps, and writes `~` as `~0`")]
pub struct PointerError;

/// A JSON string as a map key or a value; borrows where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

const MAX_STEPS: usize = 32;

fn unescape(step: &str) -> Option<Box<str>> {
    let mut rest = step;
    while let Some(at) = rest.find('~') {
        rest = rest[at..].strip_prefix("~0").or_else(|| rest[at..].strip_prefix("~1"))?;
    }
    Some(step.replace("~1", "/").replace("~0", "~").into())
}

/// Array positions have no leading zeros.
fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || (step.bytes().all(|b| b.is_ascii_digit()) && !step.starts_with('0'));
    step.parse().ok().filter(|_| canonical)
}

struct Member<'s>(&'s str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Element(usize);

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut at = 0;
        loop {
            if at == self.0 {
                found = seq.next_element()?;
                if found.is_none() {
                    return Ok(None);
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn select<'d>(document: &'d str, pointer: &str) -> Option<&'d str> {
        let raw: &RawValue = serde_json::from_str(document).unwrap();
        Pointer::parse(pointer).unwrap().select(raw).map(RawValue::get)
    }

    /// RFC 6901, section 5.
    #[test]
    fn the_examples_of_the_standard() {
        let document = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let examples = [
            ("", document),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ];
        for (pointer, expected) in examples {
            assert_eq!(select(document, pointer), Some(expected), "{pointer}");
        }
    }

    #[test]
    fn what_is_not_there_is_absent() {
        for pointer in ["/x", "/a/2", "/a/-", "/a/00", "/a/0/x", "/b/c"] {
            assert_eq!(select(r#"{"a":[1,2],"b":"c"}"#, pointer), None, "{pointer}");
        }
    }

    #[test]
    fn the_bytes_are_the_origins() {
        assert_eq!(select("{\"a\": { \"b\" : 1.50 , \"b\":2.0 } }", "/a"), Some("{ \"b\" : 1.50 , \"b\":2.0 }"));
        assert_eq!(select(r#"{"a":1,"a":2}"#, "/a"), Some("2"));
    }

    #[test]
    fn malformed_pointers_are_refused() {
        for text in ["a", "a/b", "/~", "/~2", "/a~"] {
            assert_eq!(Pointer::parse(text), Err(PointerError), "{text}");
        }
        assert!(Pointer::parse(&"/a".repeat(33)).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_the_built_document(pointer in "(/(a|b|0|1|~0|~1)){0,3}") {
            let text = r#"{"a":{"a":[1,{"b":2}],"0":3},"b":[[4,5],{"~":6,"/":7}],"0":null}"#;
            let built: serde_json::Value = serde_json::from_str(text).unwrap();
            let selected = select(text, &pointer).map(|raw| serde_json::from_str::<serde_json::Value>(raw).unwrap());
            prop_assert_eq!(selected.as_ref(), built.pointer(&pointer));
        }
    }
}
