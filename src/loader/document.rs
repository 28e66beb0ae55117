//! From an origin's body to the value that is stored. Pure; the origin's own bytes are kept wherever they can be.
//!
//! * A whole body (no `BODY` pointer) of `TYPE string` is stored as it is; an empty one is an empty string.
//! * A part selected by `BODY`, or an element of a batch, is JSON: of `TYPE string` a JSON string becomes its text, any
//!   other value its JSON text; of `TYPE json` it stays JSON; `null` means that there is no such key.
//! * `TYPE hash` takes one flat object: strings as their text, numbers and booleans as their JSON text, `null` skipped.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::definition::Definition;
use super::fetch::{Failure, FailureKind};
use super::pointer::Text;
use super::settings::Kind;

/// A value before it is packed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Document {
    /// The plain bytes; for `TYPE hash` with the fields that are in them.
    Value {
        /// What a client is told.
        plain: Bytes,
        /// The fields, for `TYPE hash`.
        fields: Vec<(Bytes, Bytes)>,
    },
    /// The origin says `null`.
    Null,
}

impl Document {
    /// The plain bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Document::Value { plain, .. } => plain.len(),
            Document::Null => 0,
        }
    }
}

/// The most fields that a hash may have.
pub(super) const MAX_FIELDS: usize = 65_536;

/// The document in the body of a single answer.
///
/// # Errors
/// If the body is not what `TYPE` and `BODY` need.
pub(super) fn whole(definition: &Definition, body: &Bytes) -> Result<Document, Failure> {
    if definition.body().is_none() && definition.kind() == Kind::String {
        return Ok(Document::Value { plain: body.clone(), fields: Vec::new() });
    }
    let raw = parse(body)?;
    element(definition, body, raw)
}

/// The document in `raw`, an element of a batch or a whole JSON body; `body` holds its bytes.
///
/// # Errors
/// If it is not what `TYPE` and `BODY` need.
pub(super) fn element(definition: &Definition, body: &Bytes, raw: &RawValue) -> Result<Document, Failure> {
    let selected = match definition.body() {
        Some(pointer) => pointer.select(raw).ok_or_else(|| {
            let body = definition.settings().body.as_deref().unwrap_or_default();
            damaged(format!("the document has no part at BODY {body}"))
        })?,
        None => raw,
    };
    let text = selected.get();
    if text == "null" {
        return Ok(Document::Null);
    }
    let json = || body.slice_ref(text.as_bytes());
    let value = |plain| Document::Value { plain, fields: Vec::new() };
    Ok(match definition.kind() {
        Kind::String if text.starts_with('"') => value(unescape(text)?),
        Kind::String | Kind::Json => value(json()),
        Kind::Hash => Document::Value { plain: json(), fields: fields(text)? },
    })
}

/// `body` as one JSON value.
///
/// # Errors
/// If it is empty or not JSON.
pub(super) fn parse(body: &[u8]) -> Result<&RawValue, Failure> {
    if body.is_empty() {
        return Err(damaged("the body is empty where JSON is needed".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| not_json(&error))
}

/// The text of a JSON string.
fn unescape(text: &str) -> Result<Bytes, Failure> {
    serde_json::from_str::<String>(text).map(Bytes::from).map_err(|error| not_json(&error))
}

fn fields(text: &str) -> Result<Vec<(Bytes, Bytes)>, Failure> {
    if !text.starts_with('{') {
        return Err(damaged("TYPE hash needs a JSON object".to_owned()));
    }
    let fields = serde_json::Deserializer::from_str(text).deserialize_map(Flat).map_err(|error| not_json(&error))??;
    if fields.is_empty() { Err(damaged("TYPE hash needs at least one field".to_owned())) } else { Ok(fields) }
}

/// Where a body stops being JSON, without its bytes: serde's own words may quote them.
pub(super) fn not_json(error: &serde_json::Error) -> Failure {
    damaged(format!("the body is not the JSON it should be (line {}, column {})", error.line(), error.column()))
}

pub(super) fn damaged(message: String) -> Failure {
    Failure { kind: FailureKind::Body, message }
}

struct Flat;

impl<'de> Visitor<'de> for Flat {
    type Value = Result<Vec<(Bytes, Bytes)>, Failure>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        let mut refused = None;
        // An object is read to its end even when it is refused: the parser demands it.
        while let Some((Text(name), raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if refused.is_some() {
                continue;
            }
            let text = raw.get();
            let value = match text.as_bytes().first() {
                Some(b'n') => continue,
                Some(b'"') => unescape(text),
                Some(b'{' | b'[') => {
                    Err(damaged("TYPE hash needs a flat object; a field holds an object or array".to_owned()))
                }
                _ => Ok(Bytes::copy_from_slice(text.as_bytes())),
            };
            match value {
                Ok(_) if fields.len() == MAX_FIELDS => {
                    refused = Some(damaged(format!("TYPE hash takes at most {MAX_FIELDS} fields")));
                }
                Ok(value) => fields.push((Bytes::from(name.into_owned()), value)),
                Err(failure) => refused = Some(failure),
            }
        }
        Ok(refused.map_or(Ok(fields), Err))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::settings::Settings;
    use super::*;

    fn read(kind: Kind, pointer: Option<&str>, body: &str) -> Result<Document, Failure> {
        let mut settings = Settings::new("a", b"a:{id}", "http://h/{id}");
        settings.kind = kind;
        settings.body = pointer.map(str::to_owned);
        whole(&Definition::new(settings).unwrap(), &Bytes::from(body.to_owned()))
    }

    fn plain(kind: Kind, pointer: Option<&str>, body: &str) -> String {
        match read(kind, pointer, body).unwrap() {
            Document::Value { plain, .. } => String::from_utf8(plain.to_vec()).unwrap(),
            Document::Null => "(null)".to_owned(),
        }
    }

    fn message(kind: Kind, pointer: Option<&str>, body: &str) -> String {
        let failure = read(kind, pointer, body).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Body);
        failure.message
    }

    #[test]
    fn a_string_without_a_pointer_is_the_body() {
        assert_eq!(plain(Kind::String, None, ""), "");
        assert_eq!(plain(Kind::String, None, " not json "), " not json ");
        assert_eq!(plain(Kind::String, None, "null"), "null");
    }

    #[test]
    fn a_selected_string_is_its_text_and_anything_else_its_json() {
        let body = r#" {"a": "x\n\u00e9", "b": { "c" : [1, 2] }, "d": null, "e": 1.50} "#;
        assert_eq!(plain(Kind::String, Some("/a"), body), "x\né");
        assert_eq!(plain(Kind::String, Some("/b"), body), r#"{ "c" : [1, 2] }"#);
        assert_eq!(plain(Kind::String, Some("/e"), body), "1.50");
        assert_eq!(plain(Kind::String, Some("/d"), body), "(null)");
        assert_eq!(plain(Kind::Json, Some("/a"), body), r#""x\n\u00e9""#);
        assert_eq!(plain(Kind::Json, None, body), body.trim());
        assert_eq!(message(Kind::String, Some("/x"), body), "the document has no part at BODY /x");
    }

    #[test]
    fn a_hash_takes_a_flat_object() {
        let document = read(Kind::Hash, None, r#"{"a":"x\"","b":1.50,"c":true,"d":null,"é":""}"#).unwrap();
        let Document::Value { fields, .. } = document else { panic!("no value") };
        let fields: Vec<_> = fields.iter().map(|(n, v)| (std::str::from_utf8(n).unwrap(), &v[..])).collect();
        assert_eq!(fields, [("a", &b"x\""[..]), ("b", b"1.50"), ("c", b"true"), ("é", b"")]);
        assert!(message(Kind::Hash, None, r#"{"a":{},"b":1}"#).contains("flat"));
        assert!(message(Kind::Hash, None, "[1]").contains("needs a JSON object"));
        assert!(message(Kind::Hash, None, r#"{"a":null}"#).contains("at least one field"));
        let many: Vec<String> = (0..=MAX_FIELDS).map(|n| format!("\"{n}\":1")).collect();
        assert!(message(Kind::Hash, None, &format!("{{{}}}", many.join(","))).contains("at most 65536"));
    }

    #[test]
    fn what_is_not_json_is_told_without_its_bytes() {
        for body in ["", "s3cret", r#"{"s3cret":"#, r#"{"a":"\ud800"}"#] {
            let text = message(Kind::Hash, None, body);
            assert!(text.contains("JSON") && !text.contains("s3cret"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:a1n\\\\ ]{0,30}") {
            for kind in [Kind::Hash, Kind::Json] {
                let mut settings = Settings::new("a", b"a:{id}", "http://h/{id}");
                settings.kind = kind;
                let definition = Definition::new(settings).unwrap();
                let _ = whole(&definition, &Bytes::from(body.clone()));
                if let Ok(Document::Value { plain, .. }) = whole(&definition, &Bytes::from(json.clone())) {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&plain).is_ok());
                }
            }
        }
    }
}
