//! `FEATURES n name value ...`: what a caller says of a key's content.

use std::sync::Arc;

use super::spec::{Argument, ArgumentKind};
use crate::engine::foresight::forecast::ContentFeature;
use crate::module::args::{Args, Parsed, argument, shown};

/// The option, for the server and the documents.
pub const FEATURES: Argument = Argument::new("features", ArgumentKind::Block(&PARTS)).optional();

const PARTS: [Argument; 2] = [
    Argument { token: "FEATURES", ..Argument::new("count", ArgumentKind::Integer) },
    Argument::new("feature", ArgumentKind::Block(&PAIR)).repeated(),
];
const PAIR: [Argument; 2] = [Argument::new("name", ArgumentKind::String), Argument::new("value", ArgumentKind::Double)];

/// The features after the word `FEATURES`.
pub fn features(args: &mut Args<'_>) -> Parsed<Vec<ContentFeature>> {
    let count = args.number("FEATURES", 0..=ContentFeature::MOST as u64)?;
    let mut features: Vec<ContentFeature> = Vec::new();
    for _ in 0..count {
        let name = name(args)?;
        let value = value(args, name)?;
        if features.iter().any(|feature| *feature.name == *name) {
            return Err(argument(format!("feature name '{}' is given twice", shown(name.as_bytes()))));
        }
        features.push(ContentFeature { name: Arc::from(name), value });
    }
    Ok(features)
}

fn name<'a>(args: &mut Args<'a>) -> Parsed<&'a str> {
    let name = args.text("feature name")?;
    if (1..=ContentFeature::NAME_MAX).contains(&name.len()) {
        return Ok(name);
    }
    let (shown, most) = (shown(name.as_bytes()), ContentFeature::NAME_MAX);
    Err(argument(format!("feature name '{shown}' must be 1 to {most} bytes long")))
}

fn value(args: &mut Args<'_>, name: &str) -> Parsed<f64> {
    let of = || format!("value of feature '{}'", shown(name.as_bytes()));
    let bytes = args.next(&of())?;
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| argument(format!("{} '{}' must be a finite number", of(), shown(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Parsed<Vec<(String, f64)>> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let features = features(&mut Args::new(&words))?;
        Ok(features.iter().map(|feature| (feature.name.to_string(), feature.value)).collect())
    }

    #[test]
    fn names_and_values_alternate() {
        let read = read(&["3", "age", "-1.5", "größe", "1e3", "n", "0", "MORE"]).unwrap();
        assert_eq!(read, [("age".to_owned(), -1.5), ("größe".to_owned(), 1000.0), ("n".to_owned(), 0.0)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(65);
        for (words, error) in [
            (vec![], "ERR FEATURES is missing"),
            (vec!["65"], "ERR FEATURES '65' must be a whole number from 0 to 64"),
            (vec!["-1"], "ERR FEATURES '-1' must be a whole number from 0 to 64"),
            (vec!["2", "a", "1"], "ERR feature name is missing"),
            (vec!["1", "a"], "ERR value of feature 'a' is missing"),
            (vec!["1", "a", "x"], "ERR value of feature 'a' 'x' must be a finite number"),
            (vec!["1", "a", "NaN"], "ERR value of feature 'a' 'NaN' must be a finite number"),
            (vec!["1", "a", "-inf"], "ERR value of feature 'a' '-inf' must be a finite number"),
            (vec!["1", "a", "1e999"], "ERR value of feature 'a' '1e999' must be a finite number"),
            (vec!["1", "", "1"], "ERR feature name '' must be 1 to 64 bytes long"),
            (vec!["2", "a", "1", "a", "2"], "ERR feature name 'a' is given twice"),
        ] {
            assert_eq!(read(&words).unwrap_err().to_string(), error, "{words:?}");
        }
        assert!(read(&["1", &long, "1"]).unwrap_err().to_string().contains("1 to 64 bytes"));
        let words: [&[u8]; 3] = [b"1", b"\xff", b"1"];
        assert!(features(&mut Args::new(&words)).unwrap_err().to_string().contains("not UTF-8"));
    }
}
