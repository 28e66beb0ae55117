//! A reply, as a test wants to look at it.

use std::fmt;

use redis::Value;

/// One reply of a server. An error is a reply like any other.
///
/// It compares with what a test expects: `assert_eq!(reply, "text")`, `assert_eq!(reply, 3)`.
#[derive(Clone, PartialEq)]
pub(crate) struct Reply(pub(crate) Value);

impl Reply {
    /// Whether the server said "nothing", in either protocol.
    pub(crate) fn is_null(&self) -> bool {
        self.0 == Value::Nil
    }

    /// The error as the server sent it: the code, then the sentence.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        self.as_error().unwrap_or_else(|| unreachable!("an error was expected, not {self:?}"))
    }

    /// The error, if it is one.
    pub(crate) fn as_error(&self) -> Option<String> {
        match &self.0 {
            Value::ServerError(error) => {
                Some(format!("{} {}", error.code(), error.details().unwrap_or("")).trim_end().to_owned())
            }
            _ => None,
        }
    }

    /// The same reply, after making sure that it is no error.
    #[track_caller]
    pub(crate) fn fine(self) -> Self {
        assert!(self.as_error().is_none(), "the server answered {self:?}");
        self
    }

    /// The bytes of a bulk, simple or verbatim string.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.as_bytes()),
            Value::Okay => Some(b"OK"),
            _ => None,
        }
    }

    /// A string reply as text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let bytes = self.bytes().unwrap_or_else(|| unreachable!("a string was expected, not {self:?}"));
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// An integer reply.
    #[track_caller]
    pub(crate) fn int(&self) -> i64 {
        match &self.0 {
            Value::Int(number) => *number,
            _ => unreachable!("an integer was expected, not {self:?}"),
        }
    }

    /// A number: an integer, a double, or (in RESP2) its text.
    #[track_caller]
    pub(crate) fn number(&self) -> f64 {
        match &self.0 {
            Value::Int(number) => *number as f64,
            Value::Double(number) => *number,
            _ => self.text().parse().unwrap_or_else(|_| unreachable!("a number was expected, not {self:?}")),
        }
    }

    /// The elements of an array or set.
    #[track_caller]
    pub(crate) fn items(&self) -> Vec<Reply> {
        match &self.0 {
            Value::Array(items) | Value::Set(items) => items.iter().cloned().map(Reply).collect(),
            _ => unreachable!("an array was expected, not {self:?}"),
        }
    }

    /// The elements of an array of strings, as text.
    #[track_caller]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().map(Reply::text).collect()
    }

    /// Whether this is a RESP3 map.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.0, Value::Map(_))
    }

    /// The names of a record's fields, in the order sent.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<String> {
        self.pairs().into_iter().map(|(name, _)| name).collect()
    }

    /// A field of a record: of a RESP3 map, or of the flat array that stands for it in RESP2.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Reply {
        let found = self.pairs().into_iter().find(|(field, _)| field == name);
        found.unwrap_or_else(|| unreachable!("no field {name} in {self:?}")).1
    }

    /// Whether a record has this field.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        self.fields().iter().any(|field| field == name)
    }

    fn pairs(&self) -> Vec<(String, Reply)> {
        let named = |name: &Value, value: &Value| (Reply(name.clone()).text(), Reply(value.clone()));
        match &self.0 {
            Value::Map(pairs) => pairs.iter().map(|(name, value)| named(name, value)).collect(),
            Value::Array(items) => {
                items.chunks(2).filter(|pair| pair.len() == 2).map(|pair| named(&pair[0], &pair[1])).collect()
            }
            _ => unreachable!("a record was expected, not {self:?}"),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for Reply {
    fn eq(&self, text: &str) -> bool {
        self.bytes() == Some(text.as_bytes())
    }
}

impl PartialEq<&str> for Reply {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl PartialEq<String> for Reply {
    fn eq(&self, text: &String) -> bool {
        self == text.as_str()
    }
}

impl PartialEq<&[u8]> for Reply {
    fn eq(&self, bytes: &&[u8]) -> bool {
        self.bytes() == Some(*bytes)
    }
}

impl PartialEq<i64> for Reply {
    fn eq(&self, number: &i64) -> bool {
        self.0 == Value::Int(*number)
    }
}
