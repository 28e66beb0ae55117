//! Batch answers: which document belongs to which id. Pure; documents keep the origin's bytes.
//!
//! * `object`: id → document. `array`, `ndjson`: each element names its id at the `BATCHID` pointer, as a string or a
//!   number, compared by text; an array without `BATCHID` is by position and must have as many elements as were asked.
//! * An id that is missing, or whose document is `null`, is absent. Ids that nobody asked for are passed over; of an id
//!   that comes twice the last counts; order does not matter. `null` elements are passed over.
//! * An element without an id fails the whole answer: nothing says whose it is, and a wrong `BATCHID` must not make
//!   every key absent.
//!
//! Cost: one pass over the body and one map of the ids asked for; elements are not collected.

use std::fmt;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{damaged, not_json};
use super::fetch::Failure;
use super::pointer::{Pointer, Text};
use super::settings::BatchFormat;

/// The documents of `ids` in a batch answer, in the order of `ids`; `None` where there is none.
///
/// # Errors
/// If the body is not of `format`, or an element cannot be assigned.
pub fn pick<'b>(
    format: BatchFormat,
    id: Option<&Pointer>,
    ids: &[&[u8]],
    body: &'b [u8],
) -> Result<Vec<Option<&'b RawValue>>, Failure> {
    if let (BatchFormat::Array, None) = (format, id) {
        return by_position(ids.len(), body);
    }
    let mut wanted = Wanted::new(ids);
    match (format, id) {
        (BatchFormat::Object, _) => {
            let mut json = serde_json::Deserializer::from_slice(body);
            json.deserialize_map(Members(&mut wanted)).and_then(|()| json.end()).map_err(|error| not_json(&error))?;
        }
        (BatchFormat::Array, Some(id)) => {
            each_element(body, |element| wanted.assign(id, element))?;
        }
        (BatchFormat::Ndjson, Some(id)) => {
            for line in body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
                wanted.assign(id, serde_json::from_slice(line).map_err(|error| not_json(&error))?)?;
            }
        }
        (_, None) => return Err(damaged("BATCHFORMAT ndjson needs BATCHID".to_owned())),
    }
    Ok(wanted.into_documents())
}

fn by_position(count: usize, body: &[u8]) -> Result<Vec<Option<&RawValue>>, Failure> {
    let mut found = Vec::with_capacity(count);
    let mut elements = 0_usize;
    each_element(body, |element| {
        elements += 1;
        if found.len() < count {
            found.push(present(element));
        }
        Ok(())
    })?;
    if elements == count {
        Ok(found)
    } else {
        Err(damaged(format!("the array has {elements} elements for {count} ids; name the ids with BATCHID")))
    }
}

fn each_element<'b>(body: &'b [u8], mut take: impl FnMut(&'b RawValue) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut refused = None;
    let element = |element| {
        if refused.is_none() {
            refused = take(element).err();
        }
    };
    json.deserialize_seq(Elements(element)).and_then(|()| json.end()).map_err(|error| not_json(&error))?;
    refused.map_or(Ok(()), Err)
}

fn present(raw: &RawValue) -> Option<&RawValue> {
    Some(raw).filter(|raw| raw.get() != "null")
}

/// The ids that were asked for, and what was found for them.
struct Wanted<'i, 'b> {
    places: HashMap<&'i [u8], usize, foldhash::fast::RandomState>,
    /// The place of each id; one id asked for twice has one place.
    order: Vec<usize>,
    found: Vec<Option<&'b RawValue>>,
}

impl<'i, 'b> Wanted<'i, 'b> {
    fn new(ids: &[&'i [u8]]) -> Self {
        let mut places = HashMap::with_capacity_and_hasher(ids.len(), foldhash::fast::RandomState::default());
        let mut order = Vec::with_capacity(ids.len());
        for id in ids {
            let next = places.len();
            order.push(match places.entry(*id) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(next),
            });
        }
        let found = vec![None; places.len()];
        Wanted { places, order, found }
    }

    fn assign(&mut self, pointer: &Pointer, element: &'b RawValue) -> Result<(), Failure> {
        if element.get() == "null" {
            return Ok(());
        }
        let id = pointer.select(element).map(RawValue::get);
        let place = match id.map(str::as_bytes) {
            Some([b'"', ..]) => {
                let text: Text<'_> = serde_json::from_str(id.unwrap_or_default()).map_err(|error| not_json(&error))?;
                self.places.get(text.0.as_bytes())
            }
            Some(number @ [b'0'..=b'9' | b'-', ..]) => self.places.get(number),
            _ => return Err(damaged("an element has no string or number at BATCHID".to_owned())),
        };
        if let Some(place) = place {
            self.found[*place] = Some(element);
        }
        Ok(())
    }

    fn into_documents(self) -> Vec<Option<&'b RawValue>> {
        self.order.iter().map(|place| self.found[*place].and_then(present)).collect()
    }
}

struct Members<'w, 'i, 'b>(&'w mut Wanted<'i, 'b>);

impl<'b> Visitor<'b> for Members<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(id)) = map.next_key()? {
            match self.0.places.get(id.as_bytes()) {
                Some(place) => self.0.found[*place] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'b, F: FnMut(&'b RawValue)> Visitor<'b> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'b>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            (self.0)(element);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: [&[u8]; 3] = [b"1", b"b\"", b"3"];

    fn try_pick<'b>(format: BatchFormat, id: Option<&str>, body: &'b str) -> Result<Vec<Option<&'b str>>, Failure> {
        let id = id.map(|text| Pointer::parse(text).unwrap());
        let found = pick(format, id.as_ref(), &IDS, body.as_bytes())?;
        Ok(found.into_iter().map(|raw| raw.map(RawValue::get)).collect())
    }

    #[test]
    fn an_object_names_its_documents() {
        let body = r#" {"3": {"x": 1 } , "extra":[1,2], "b\"":"two", "1":null, "3":{"x":2}} "#;
        let found = try_pick(BatchFormat::Object, None, body).unwrap();
        assert_eq!(found, [None, Some("\"two\""), Some("{\"x\":2}")]);
        assert_eq!(try_pick(BatchFormat::Object, None, "{}").unwrap(), [None; 3]);
    }

    #[test]
    fn an_array_is_read_by_id_or_by_position() {
        let body = r#"[{"a":{"id":3}}, null, {"a":{"id":"b\""}}, {"a":{"id":99}}, {"a":{"id":1},"v":1}, {"a":{"id":1},"v":2}]"#;
        let found = try_pick(BatchFormat::Array, Some("/a/id"), body).unwrap();
        assert_eq!(found, [Some(r#"{"a":{"id":1},"v":2}"#), Some(r#"{"a":{"id":"b\""}}"#), Some(r#"{"a":{"id":3}}"#)]);
        let found = try_pick(BatchFormat::Array, None, r#"["a", null, 7]"#).unwrap();
        assert_eq!(found, [Some("\"a\""), None, Some("7")]);
        for body in ["[1,2]", "[1,2,3,4]"] {
            assert!(try_pick(BatchFormat::Array, None, body).unwrap_err().message.contains("3 ids"));
        }
    }

    #[test]
    fn ndjson_has_one_document_a_line() {
        let body = "{\"id\":\"3\"}\r\n\n  {\"id\":1}\n{\"id\":9}";
        let found = try_pick(BatchFormat::Ndjson, Some("/id"), body).unwrap();
        assert_eq!(found, [Some("{\"id\":1}"), None, Some("{\"id\":\"3\"}")]);
        assert_eq!(try_pick(BatchFormat::Ndjson, Some("/id"), "").unwrap(), [None; 3]);
    }

    #[test]
    fn one_id_asked_for_twice_is_answered_twice() {
        let found = pick(BatchFormat::Object, None, &[b"1", b"2", b"1"], br#"{"1":"x"}"#).unwrap();
        let found: Vec<_> = found.into_iter().map(|raw| raw.map(RawValue::get)).collect();
        assert_eq!(found, [Some("\"x\""), None, Some("\"x\"")]);
    }

    #[test]
    fn what_cannot_be_assigned_fails_the_whole_answer() {
        let refused = |format, id, body| try_pick(format, id, body).unwrap_err().message;
        for body in [r#"[{"x":1}]"#, r#"[{"id":null}]"#, r#"[{"id":true}]"#, "[7]"] {
            assert!(refused(BatchFormat::Array, Some("/id"), body).contains("BATCHID"), "{body}");
        }
        for (format, body) in [
            (BatchFormat::Object, "[]"),
            (BatchFormat::Object, "{} x"),
            (BatchFormat::Object, ""),
            (BatchFormat::Array, "{}"),
            (BatchFormat::Array, "[{\"id\":1}"),
            (BatchFormat::Ndjson, "{\"id\":1}\n{\"id\""),
        ] {
            assert!(refused(format, Some("/id"), body).contains("not the JSON"), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:id13n\\n ]{0,30}") {
            let id = Pointer::parse("/id").unwrap();
            for format in [BatchFormat::Object, BatchFormat::Array, BatchFormat::Ndjson] {
                for body in [&body[..], json.as_bytes()] {
                    for id in [None, Some(&id)] {
                        if let Ok(found) = pick(format, id, &IDS, body) {
                            prop_assert_eq!(found.len(), IDS.len());
                        }
                    }
                }
            }
        }
    }
}
