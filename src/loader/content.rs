//! What an origin's document says of its content: the members of the object at the `FEATURES` pointer, as named numbers.
//!
//! Numbers are taken as they are, booleans as 1 or 0, a text of at most [`ContentFeature::NAME_MAX`] bytes together with its
//! name as the feature `name=text` of value 1; everything else is passed over. A document without such an object has no
//! features; that is no failure, since the value itself is good.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::definition::Definition;
use super::pointer::Text;
use crate::engine::foresight::forecast::ContentFeature;

/// The features of a whole answer; none if it is not JSON, or the loader asks for none.
pub(super) fn of_body(definition: &Definition, body: &[u8]) -> Vec<ContentFeature> {
    if definition.features().is_none() {
        return Vec::new();
    }
    serde_json::from_slice(body).map_or_else(|_| Vec::new(), |raw| of_document(definition, raw))
}

/// The features of one document; at most [`ContentFeature::MOST`], the first ones.
pub(super) fn of_document(definition: &Definition, document: &RawValue) -> Vec<ContentFeature> {
    let Some(object) = definition.features().and_then(|pointer| pointer.select(document)) else { return Vec::new() };
    let mut json = serde_json::Deserializer::from_str(object.get());
    json.deserialize_map(Members).unwrap_or_default()
}

/// The feature that a member is.
fn feature(name: &str, raw: &str) -> Option<ContentFeature> {
    let (name, value) = match raw.as_bytes().first()? {
        b'"' => {
            let text: Text<'_> = serde_json::from_str(raw).ok()?;
            (format!("{name}={}", text.0), 1.0)
        }
        b't' => (name.to_owned(), 1.0),
        b'f' => (name.to_owned(), 0.0),
        _ => (name.to_owned(), raw.parse::<f64>().ok()?),
    };
    let fits = (1..=ContentFeature::NAME_MAX).contains(&name.len()) && value.is_finite();
    fits.then(|| ContentFeature { name: Arc::from(name), value })
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<ContentFeature>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut features: Vec<ContentFeature> = Vec::new();
        while let Some((Text(name), raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if features.len() < ContentFeature::MOST
                && let Some(feature) = feature(&name, raw.get())
                && features.iter().all(|other| other.name != feature.name)
            {
                features.push(feature);
            }
        }
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::settings::Settings;
    use super::*;

    fn read(pointer: Option<&str>, body: &str) -> Vec<(String, f64)> {
        let mut settings = Settings::new("a", b"a:{id}", "http://h/{id}");
        settings.features = pointer.map(str::to_owned);
        let definition = Definition::new(settings).unwrap();
        of_body(&definition, body.as_bytes()).iter().map(|f| (f.name.to_string(), f.value)).collect()
    }

    #[test]
    fn numbers_booleans_and_short_texts_are_features() {
        let body =
            r#"{"meta": {"age": 1.5, "paid": true, "old": false, "kind": "news", "n": null, "deep": {}, "age": 2}}"#;
        let expected = [("age", 1.5), ("paid", 1.0), ("old", 0.0), ("kind=news", 1.0)];
        assert_eq!(read(Some("/meta"), body), expected.map(|(name, value)| (name.to_owned(), value)));
        assert!(read(None, body).is_empty());
        assert!(read(Some("/other"), body).is_empty());
        assert!(read(Some("/meta/age"), body).is_empty());
        assert!(read(Some(""), "no json").is_empty());
        assert!(read(Some(""), &format!("{{\"{}\":1}}", "x".repeat(65))).is_empty());
    }

    #[test]
    fn there_are_at_most_so_many() {
        let members: Vec<String> = (0..100).map(|n| format!("\"f{n}\":{n}")).collect();
        let features = read(Some(""), &format!("{{{}}}", members.join(",")));
        assert_eq!((features.len(), features[63].1), (ContentFeature::MOST, 63.0));
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:a1e\\\\ ]{0,30}") {
            let body = String::from_utf8_lossy(&body).into_owned();
            for text in [body, json] {
                prop_assert!(read(Some(""), &text).iter().all(|(_, value)| value.is_finite()));
            }
        }
    }
}
