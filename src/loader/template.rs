//! URL templates: RFC 6570 levels 1 to 3 over bytes, and lists with `{ids*}`.
//!
//! An expression names one or more variables; its operator decides what stands before, between and around the values
//! and which bytes are percent-encoded. Values are bytes: what is not allowed to stand as it is becomes `%XX`, so no
//! key can break out of its place. Which variables exist is known when the template is read, so an unknown one is an
//! error then and expansion cannot fail except by length. Prefix modifiers (`{id:3}`) are not supported.

use std::fmt;

/// A template, ready to expand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug)]
pub enum Variable<'a> {
    /// One value.
    One(&'a [u8]),
    /// A list: joined with commas, or repeated where the expression says `*`.
    Many(&'a [&'a [u8]]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    Expression { operator: &'static Operator, variables: Box<[Use]> },
}

/// One variable in one expression.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    /// Position in the list of allowed variables.
    variable: usize,
    name: Box<str>,
    explode: bool,
}

/// A row of the table in RFC 6570, appendix A.
#[derive(Debug, PartialEq, Eq)]
struct Operator {
    sign: u8,
    first: &'static str,
    separator: u8,
    named: bool,
    if_empty: &'static str,
    reserved: bool,
}

const fn operator(sign: u8, first: &'static str, separator: u8) -> Operator {
    Operator { sign, first, separator, named: false, if_empty: "", reserved: false }
}

static SIMPLE: Operator = operator(0, "", b',');
static OPERATORS: [Operator; 7] = [
    Operator { reserved: true, ..operator(b'+', "", b',') },
    Operator { reserved: true, ..operator(b'#', "#", b',') },
    operator(b'.', ".", b'.'),
    operator(b'/', "/", b'/'),
    Operator { named: true, ..operator(b';', ";", b';') },
    Operator { named: true, if_empty: "=", ..operator(b'?', "?", b'&') },
    Operator { named: true, if_empty: "=", ..operator(b'&', "&", b'&') },
];

impl Template {
    /// Reads a template whose variables may be those of `allowed`.
    ///
    /// # Errors
    /// What is wrong; an unknown variable is named together with those that exist.
    pub fn parse(text: &str, allowed: &[&str]) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            if rest[brace..].starts_with('}') {
                return Err(TemplateError::Unbalanced);
            }
            push_literal(&mut parts, &rest[..brace]);
            let length = rest[brace..].find('}').ok_or(TemplateError::Unbalanced)?;
            parts.push(expression(&rest[brace + 1..brace + length], allowed)?);
            rest = &rest[brace + length + 1..];
        }
        push_literal(&mut parts, rest);
        Ok(Template { parts: parts.into() })
    }

    /// Whether the variable at position `variable` of the allowed ones is used.
    pub fn uses(&self, variable: usize) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Literal(_) => false,
            Part::Expression { variables, .. } => variables.iter().any(|used| used.variable == variable),
        })
    }

    /// The URL text for `values`, which stand in the order of the allowed variables; a value that is missing counts
    /// as undefined and leaves nothing behind.
    ///
    /// # Errors
    /// [`TooLong`] as soon as the text would have more than `limit` bytes.
    pub fn expand(&self, values: &[Variable<'_>], limit: usize) -> Result<Vec<u8>, TooLong> {
        let mut out = Text { bytes: Vec::with_capacity(128.min(limit)), limit };
        for part in &self.parts {
            match part {
                Part::Literal(literal) => out.push(literal)?,
                Part::Expression { operator, variables } => {
                    let mut first = true;
                    for used in variables {
                        if let Some(value) = values.get(used.variable) {
                            out.variable(operator, used, *value, &mut first)?;
                        }
                    }
                }
            }
        }
        Ok(out.bytes)
    }
}

/// The expanded text would be longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other half.
    #[error("unbalanced brace")]
    Unbalanced,
    /// `{}` or `{?}`.
    #[error("an expression without a variable")]
    Empty,
    /// An operator that RFC 6570 reserves, or a `:n` modifier.
    #[error("`{0}` is not supported in an expression; write {{id}}, {{+id}} or one of the operators # . / ; ? &")]
    Unsupported(char),
    /// A variable that does not exist.
    #[error("unknown variable `{name}`; known are {allowed}")]
    Unknown {
        /// Its name.
        name: String,
        /// The names that may be used.
        allowed: Allowed,
    },
}

/// Names, shown as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(pub Vec<String>);

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            write!(f, "{}{{{name}}}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Text {
    bytes: Vec<u8>,
    limit: usize,
}

impl Text {
    fn variable(
        &mut self,
        operator: &Operator,
        used: &Use,
        value: Variable<'_>,
        first: &mut bool,
    ) -> Result<(), TooLong> {
        let one;
        let (values, explode) = match value {
            Variable::One(bytes) => {
                one = [bytes];
                (&one[..], false)
            }
            Variable::Many(all) => (all, used.explode),
        };
        for (number, bytes) in values.iter().enumerate() {
            let begins = number == 0 || explode;
            if !begins {
                self.push(b",")?;
            } else if std::mem::take(first) {
                self.push(operator.first.as_bytes())?;
            } else {
                self.push(&[operator.separator])?;
            }
            if begins && operator.named {
                self.push(used.name.as_bytes())?;
                let empty = bytes.is_empty() && (explode || values.len() == 1);
                self.push(if empty { operator.if_empty.as_bytes() } else { b"=" })?;
            }
            self.encoded(bytes, operator.reserved)?;
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.limit - self.bytes.len() < bytes.len() {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn encoded(&mut self, bytes: &[u8], reserved: bool) -> Result<(), TooLong> {
        for (at, &byte) in bytes.iter().enumerate() {
            let stands = is_unreserved(byte) || (reserved && (is_reserved(byte) || begins_triplet(&bytes[at..])));
            if stands {
                self.push(&[byte])?;
            } else {
                self.push(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])?;
            }
        }
        Ok(())
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut out = Text { bytes: Vec::new(), limit: usize::MAX };
    if out.encoded(text.as_bytes(), true).is_ok() {
        parts.push(Part::Literal(out.bytes.into()));
    }
}

fn expression(inside: &str, allowed: &[&str]) -> Result<Part, TemplateError> {
    let sign = inside.bytes().next().ok_or(TemplateError::Empty)?;
    let operator = OPERATORS.iter().find(|operator| operator.sign == sign);
    let (operator, list) = match operator {
        Some(operator) => (operator, &inside[1..]),
        None => (&SIMPLE, inside),
    };
    let variables = list.split(',').map(|name| variable(name, allowed)).collect::<Result<_, _>>()?;
    Ok(Part::Expression { operator, variables })
}

fn variable(text: &str, allowed: &[&str]) -> Result<Use, TemplateError> {
    let (name, explode) = match text.strip_suffix('*') {
        Some(name) => (name, true),
        None => (text, false),
    };
    if name.is_empty() {
        return Err(TemplateError::Empty);
    }
    if let Some(strange) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_') {
        return Err(TemplateError::Unsupported(strange));
    }
    let variable = allowed.iter().position(|known| *known == name).ok_or_else(|| TemplateError::Unknown {
        name: name.to_owned(),
        allowed: Allowed(allowed.iter().map(|name| (*name).to_owned()).collect()),
    })?;
    Ok(Use { variable, name: Box::from(name), explode })
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b':' | b'/'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'@'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
    )
}

fn begins_triplet(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = ["var", "hello", "path", "x", "y", "empty", "list", "half"];

    fn expand(template: &str) -> String {
        let list: [&[u8]; 3] = [b"red", b"green", b"blue"];
        let values = [
            Variable::One(b"value"),
            Variable::One(b"Hello World!"),
            Variable::One(b"/foo/bar"),
            Variable::One(b"1024"),
            Variable::One(b"768"),
            Variable::One(b""),
            Variable::Many(&list),
            Variable::One(b"50%"),
        ];
        let text = Template::parse(template, &NAMES).unwrap().expand(&values, 1000).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The examples of RFC 6570 (sections 1.2 and 3.2) that hold for levels 1 to 3 and for lists.
    #[test]
    fn the_examples_of_the_standard() {
        let examples = [
            ("{var}", "value"),
            ("{hello}", "Hello%20World%21"),
            ("{half}", "50%25"),
            ("O{empty}X", "OX"),
            ("{x,y}", "1024,768"),
            ("{x,hello,y}", "1024,Hello%20World%21,768"),
            ("?{x,empty}", "?1024,"),
            ("{list}", "red,green,blue"),
            ("{list*}", "red,green,blue"),
            ("{+var}", "value"),
            ("{+hello}", "Hello%20World!"),
            ("{+half}", "50%25"),
            ("{+path}/here", "/foo/bar/here"),
            ("here?ref={+path}", "here?ref=/foo/bar"),
            ("up{+path}{var}/here", "up/foo/barvalue/here"),
            ("{+x,hello,y}", "1024,Hello%20World!,768"),
            ("{+path,x}/here", "/foo/bar,1024/here"),
            ("{#var}", "#value"),
            ("{#hello}", "#Hello%20World!"),
            ("{#path,x}/here", "#/foo/bar,1024/here"),
            ("{#list}", "#red,green,blue"),
            ("X{.var}", "X.value"),
            ("X{.x,y}", "X.1024.768"),
            ("X{.list}", "X.red,green,blue"),
            ("X{.list*}", "X.red.green.blue"),
            ("{/var}", "/value"),
            ("{/var,x}/here", "/value/1024/here"),
            ("{/var,empty}", "/value/"),
            ("{/list}", "/red,green,blue"),
            ("{/list*}", "/red/green/blue"),
            ("{;x,y}", ";x=1024;y=768"),
            ("{;x,y,empty}", ";x=1024;y=768;empty"),
            ("{;list}", ";list=red,green,blue"),
            ("{;list*}", ";list=red;list=green;list=blue"),
            ("{?x,y}", "?x=1024&y=768"),
            ("{?x,y,empty}", "?x=1024&y=768&empty="),
            ("{?list}", "?list=red,green,blue"),
            ("{?list*}", "?list=red&list=green&list=blue"),
            ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
            ("{&x,y,empty}", "&x=1024&y=768&empty="),
            ("{&list*}", "&list=red&list=green&list=blue"),
        ];
        for (template, expected) in examples {
            assert_eq!(expand(template), expected, "{template}");
        }
    }

    #[test]
    fn literals_are_made_fit_for_a_url() {
        assert_eq!(expand("/a b/é/%41/%/{var}"), "/a%20b/%C3%A9/%41/%25/value");
    }

    #[test]
    fn an_unknown_variable_is_named_with_those_that_exist() {
        let error = Template::parse("/a/{nope}", &["id", "key"]).unwrap_err();
        assert_eq!(error.to_string(), "unknown variable `nope`; known are {id}, {key}");
    }

    #[test]
    fn malformed_expressions_are_refused() {
        let error = |text| Template::parse(text, &["id"]).unwrap_err();
        assert_eq!(error("/{id"), TemplateError::Unbalanced);
        assert_eq!(error("/id}"), TemplateError::Unbalanced);
        assert_eq!(error("/{}"), TemplateError::Empty);
        assert_eq!(error("/{?}"), TemplateError::Empty);
        assert_eq!(error("/{id,}"), TemplateError::Empty);
        assert_eq!(error("/{id:3}"), TemplateError::Unsupported(':'));
        assert_eq!(error("/{=id}"), TemplateError::Unsupported('='));
    }

    #[test]
    fn length_is_bounded() {
        let template = Template::parse("/{id}", &["id"]).unwrap();
        assert_eq!(template.expand(&[Variable::One(b"abc")], 4).unwrap(), b"/abc");
        assert_eq!(template.expand(&[Variable::One(b"abcd")], 4), Err(TooLong));
        assert_eq!(template.expand(&[Variable::One(b"\xff")], 3), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_become_plain_url_text(id in prop::collection::vec(any::<u8>(), 0..50), reserved in any::<bool>()) {
            let text = if reserved { "/{+id}" } else { "/{id}" };
            let out = Template::parse(text, &["id"]).unwrap().expand(&[Variable::One(&id)], 1000).unwrap();
            prop_assert!(out.iter().all(|b| is_unreserved(*b) || is_reserved(*b) || *b == b'%'));
            if !reserved {
                prop_assert!(out[1..].iter().all(|b| is_unreserved(*b) || *b == b'%'));
            }
        }
    }
}
