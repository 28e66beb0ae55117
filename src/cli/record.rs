//! A record of the module's replies: named fields. RESP3 sends it as a map, RESP2 as a flat array of names and values.

use redis::Value;

use super::error::Error;

/// A record, in the server's order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Record {
    command: &'static str,
    fields: Vec<(String, Value)>,
}

impl Record {
    /// Reads the reply to `command`.
    pub(crate) fn new(command: &'static str, reply: Value) -> Result<Self, Error> {
        let pairs = match reply {
            Value::Map(pairs) => pairs,
            Value::Array(items) if items.len().is_multiple_of(2) => {
                let mut items = items.into_iter();
                std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
            }
            _ => return Err(Error::Reply { command, field: "fields" }),
        };
        let fields = pairs.into_iter().map(|(name, value)| (text(&name), value)).collect();
        Ok(Record { command, fields })
    }

    /// A count; an error if the field is missing or not a number.
    pub(crate) fn count(&self, field: &'static str) -> Result<u64, Error> {
        self.number(field).map(|number| number as u64).ok_or(Error::Reply { command: self.command, field })
    }

    /// A number, if the field is there and is one.
    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        match self.value(field)? {
            Value::Int(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            value => text(value).parse().ok(),
        }
    }

    /// The field as text; empty if it is missing or null.
    pub(crate) fn text(&self, field: &str) -> String {
        self.value(field).map(text).unwrap_or_default()
    }

    /// The field's value.
    pub(crate) fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}

/// A value as one line for people: scalars as they are, lists joined by commas, maps as `name=value`.
pub(crate) fn text(value: &Value) -> String {
    let list = |items: &[Value]| items.iter().map(text).collect::<Vec<_>>().join(", ");
    match value {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{}", (number * 1000.0).round() / 1000.0),
        Value::Boolean(truth) => truth.to_string(),
        Value::BulkString(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(|c: char| c.is_control()) => text.to_owned(),
            _ => bytes.escape_ascii().to_string(),
        },
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Array(items) | Value::Set(items) => list(items),
        Value::Map(pairs) => {
            pairs.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Attribute { data, .. } => text(data),
        Value::BigNumber(digits) => digits.escape_ascii().to_string(),
        Value::Push { data, .. } => list(data),
        Value::ServerError(error) => format!("{} {}", error.code(), error.details().unwrap_or_default()),
        // The client's type may grow.
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn maps_and_flat_arrays_read_the_same() {
        let pairs = [(bulk("job"), Value::Int(7)), (bulk("rate"), bulk("1.5"))];
        let flat = pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
        let map = Record::new("X", Value::Map(pairs.to_vec())).unwrap();
        assert_eq!(map, Record::new("X", Value::Array(flat)).unwrap());
        assert_eq!(map.count("job").unwrap(), 7);
        assert_eq!(map.number("rate"), Some(1.5));
        assert_eq!(map.text("absent"), "");
    }

    #[test]
    fn missing_fields_and_other_replies_are_errors() {
        assert!(Record::new("X", Value::Int(1)).is_err());
        assert!(Record::new("X", Value::Array(vec![Value::Int(1)])).is_err());
        let error = Record::new("WARM.LOAD", Value::Map(vec![])).unwrap().count("job").unwrap_err();
        assert!(error.to_string().contains("WARM.LOAD has no job"));
    }

    #[test]
    fn values_are_shown_on_one_line() {
        assert_eq!(text(&bulk("a\nb")), "a\\nb");
        assert_eq!(text(&Value::Double(0.33333)), "0.333");
        assert_eq!(text(&Value::Map(vec![(bulk("p50"), Value::Int(3))])), "p50=3");
    }
}
