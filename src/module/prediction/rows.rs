//! The rows of `WARM.MODEL TRAIN ROWS`: a JSON array of `{"features": {name: number, ...}, "requests": number}`. Pure.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::engine::foresight::forecast::ContentFeature;
use crate::engine::foresight::lessons::Row;
use crate::module::args::{Parsed, argument, shown};

/// The longest text, in bytes.
pub const MOST_BYTES: usize = 8 << 20;

/// The most rows.
pub const MOST_ROWS: usize = 100_000;

/// The longest reason that is shown, in bytes.
const REASON: usize = 200;

/// The rows in `json`, at least one; or what is wrong, and in which row.
pub fn read(json: &[u8]) -> Parsed<Vec<Row>> {
    if json.len() > MOST_BYTES {
        let bytes = json.len();
        return Err(argument(format!("ROWS are {bytes} bytes long, at most {MOST_BYTES} are allowed")));
    }
    let mut given = serde_json::Deserializer::from_slice(json);
    let rows = given.deserialize_seq(Rows).and_then(|rows| given.end().map(|()| rows));
    match rows {
        Ok(rows) if rows.is_empty() => Err(argument("ROWS are an empty array, at least one row is needed".to_owned())),
        Ok(rows) => Ok(rows),
        Err(error) => {
            let reason: String = shown_up_to(&error.to_string());
            Err(argument(format!(
                "ROWS must be a JSON array of {{\"features\":{{\"name\":number}},\"requests\":number}}: {reason}"
            )))
        }
    }
}

fn shown_up_to(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON).collect()
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Vec<Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        loop {
            let number = rows.len() + 1;
            let next = seq.next_element::<Given>();
            match next.map_err(|error| de::Error::custom(format!("row {number}: {error}")))? {
                None => return Ok(rows),
                Some(_) if rows.len() == MOST_ROWS => {
                    return Err(de::Error::custom(format!("there are more than {MOST_ROWS} rows")));
                }
                Some(Given { features, requests }) => {
                    rows.push(Row { features: features.0, requests: requests.0 });
                }
            }
        }
    }
}

/// A row as it is written; other members are passed over.
#[derive(Deserialize)]
struct Given {
    features: Features,
    requests: Requests,
}

struct Requests(f64);

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        let requests = f64::deserialize(given)?;
        if requests.is_finite() && requests >= 0.0 {
            return Ok(Requests(requests));
        }
        Err(de::Error::custom(format!("requests {requests} must be a number of at least 0")))
    }
}

struct Features(Vec<ContentFeature>);

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        given.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Features;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("features, an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut features: Vec<ContentFeature> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let named = || shown(name.as_bytes());
            let value: f64 =
                map.next_value().map_err(|error| de::Error::custom(format!("feature '{}': {error}", named())))?;
            if name.is_empty() || name.len() > ContentFeature::NAME_MAX {
                let most = ContentFeature::NAME_MAX;
                return Err(de::Error::custom(format!("feature '{}' must have a name of 1 to {most} bytes", named())));
            }
            if !value.is_finite() {
                return Err(de::Error::custom(format!("feature '{}' must be a finite number", named())));
            }
            if features.iter().any(|feature| *feature.name == *name) {
                return Err(de::Error::custom(format!("feature '{}' is given twice", named())));
            }
            if features.len() == ContentFeature::MOST {
                return Err(de::Error::custom(format!("there are more than {} features", ContentFeature::MOST)));
            }
            features.push(ContentFeature { name: Arc::from(name), value });
        }
        Ok(Features(features))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(json: &str) -> String {
        read(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn rows_have_features_and_requests() {
        let rows = read(br#"[{"features":{"age":-1.5,"kind":2},"requests":10},{"requests":0,"features":{},"id":[1]}]"#);
        let rows = rows.unwrap();
        assert_eq!((rows.len(), rows[0].requests, rows[1].requests), (2, 10.0, 0.0));
        assert_eq!((&*rows[0].features[0].name, rows[0].features[0].value), ("age", -1.5));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        for (json, what) in [
            ("[]", "empty array"),
            ("", "EOF"),
            ("{}", "expected an array of rows"),
            ("null", "expected an array of rows"),
            ("[1]", "row 1: "),
            (r#"[{"features":{}}]"#, "missing field `requests`"),
            (r#"[{"requests":1}]"#, "missing field `features`"),
            (r#"[{"features":{},"requests":1},{"features":{},"requests":-1}]"#, "row 2: requests -1 must be"),
            (r#"[{"features":{},"requests":"1"}]"#, "row 1: "),
            (r#"[{"features":{},"requests":null}]"#, "row 1: "),
            (r#"[{"features":{},"requests":1e999}]"#, "number out of range"),
            (r#"[{"features":{},"requests":NaN}]"#, "row 1: "),
            (r#"[{"features":{"a":"x"},"requests":1}]"#, "feature 'a'"),
            (r#"[{"features":{"a":null},"requests":1}]"#, "feature 'a'"),
            (r#"[{"features":{"a":1,"a":2},"requests":1}]"#, "'a' is given twice"),
            (r#"[{"features":{"":1},"requests":1}]"#, "a name of 1 to 64 bytes"),
            (r#"[{"features":[1],"requests":1}]"#, "features, an object of numbers"),
            (r#"[{"features":{},"requests":1}] x"#, "trailing characters"),
            (r#"[{"features":{},"requests":1}"#, "EOF"),
        ] {
            let error = refused(json);
            assert!(error.starts_with("ERR ROWS ") && error.contains(what), "{json}: {error}");
            assert!(error.len() < 400, "{error}");
        }
        let many: Vec<String> = (0..65).map(|n| format!("\"f{n}\":1")).collect();
        assert!(refused(&format!(r#"[{{"features":{{{}}},"requests":1}}]"#, many.join(","))).contains("more than 64"));
        assert!(refused(&" ".repeat(MOST_BYTES + 1)).contains("bytes long"));
    }

    #[test]
    fn there_are_at_most_so_many_rows() {
        let row = r#"{"features":{},"requests":1}"#;
        let json = |count: usize| format!("[{}]", vec![row; count].join(","));
        assert_eq!(read(json(MOST_ROWS).as_bytes()).unwrap().len(), MOST_ROWS);
        assert!(refused(&json(MOST_ROWS + 1)).contains("more than 100000 rows"));
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), json in "[\\[\\]{}\",:a1e.-]{0,60}") {
            let _ = read(&bytes);
            if let Ok(rows) = read(json.as_bytes()) {
                prop_assert!(rows.iter().all(|row| row.requests.is_finite() && row.requests >= 0.0));
            }
        }
    }
}
