//! Reads the warm file: statements, one a line, in the quoting of redis.conf, with values from the environment. Pure; what
//! the statements mean is decided elsewhere.
//!
//! Words are separated by blanks. `"double quotes"` know `\n \r \t \b \a \xHH`, and `\` before any other byte stands for
//! that byte; `'single quotes'` know only `\'`. A line whose first word begins with `#` is a comment. `${NAME}` takes a
//! value from the environment, in bare words and double quotes; the value is neither split nor read again. In single
//! quotes, and as `\${NAME}` in double quotes, it is text.
//!
//! Errors carry the line's number and never a value from the environment. All sizes are bounded by the constants below.

use std::fmt;

/// The largest file, in bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// The most lines.
pub const MOST_LINES: usize = 10_000;

/// The most bytes of all words together, with the environment's values in place.
pub const MOST_EXPANDED: usize = 4 << 20;

/// How a value from the environment is shown.
const MASK: &[u8] = b"***";

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Its line, from 1.
    pub line: usize,
    /// Its words, at least one.
    pub words: Vec<Word>,
}

/// One word, as it is used and as it may be shown: with `***` for what the environment gave.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// The bytes to work with. Never go into a log, a reply or an error.
    pub used: Vec<u8>,
    /// The bytes to show.
    pub shown: Vec<u8>,
}

impl Word {
    /// A word without secret parts, as a client sends it.
    pub fn plain(bytes: &[u8]) -> Self {
        Word { used: bytes.to_vec(), shown: bytes.to_vec() }
    }

    /// Whether a part of it must not be shown.
    pub fn is_masked(&self) -> bool {
        self.used != self.shown
    }

    fn push(&mut self, byte: u8) {
        self.used.push(byte);
        self.shown.push(byte);
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({})", self.shown.escape_ascii())
    }
}

/// What is wrong with a warm file, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// The file is too large.
    #[error("the file is larger than {MOST_BYTES} bytes")]
    TooLarge,
    /// The file has too many lines.
    #[error("the file has more than {MOST_LINES} lines")]
    TooManyLines,
    /// The environment's values make it too large.
    #[error("with the values of the environment in place the file is larger than {MOST_EXPANDED} bytes")]
    TooLargeExpanded,
    /// A quote is open at the end of the line.
    #[error("a {0} quote is not closed")]
    Unclosed(&'static str),
    /// Something other than a blank follows a closing quote.
    #[error("a blank must follow a closing quote")]
    Glued,
    /// `${` without a good name and `}`.
    #[error("'${{' must be followed by a name of A-Z a-z 0-9 _ and by '}}'")]
    Reference,
    /// The environment has no such variable.
    #[error("the environment has no variable {0}")]
    NoVariable(String),
}

/// The statements of a warm file. `environment` looks up a variable.
pub fn parse(file: &[u8], environment: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<Statement>, Fault> {
    if file.len() > MOST_BYTES {
        return Err(Fault { line: 1, kind: FaultKind::TooLarge });
    }
    let mut statements = Vec::new();
    let mut room = MOST_EXPANDED;
    for (index, text) in file.split(|byte| *byte == b'\n').enumerate() {
        let at = |kind| Fault { line: index + 1, kind };
        if index >= MOST_LINES && !text.is_empty() {
            return Err(at(FaultKind::TooManyLines));
        }
        if text.trim_ascii_start().first() == Some(&b'#') {
            continue;
        }
        let words = Line { rest: text, environment: &environment, room: &mut room }.words().map_err(at)?;
        if !words.is_empty() {
            statements.push(Statement { line: index + 1, words });
        }
    }
    Ok(statements)
}

/// A line that is being read.
struct Line<'a, E> {
    rest: &'a [u8],
    environment: &'a E,
    /// How many more bytes the environment may add to the file.
    room: &'a mut usize,
}

impl<E: Fn(&str) -> Option<Vec<u8>>> Line<'_, E> {
    fn words(mut self) -> Result<Vec<Word>, FaultKind> {
        let mut words = Vec::new();
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.is_empty() {
                return Ok(words);
            }
            words.push(self.word()?);
        }
    }

    /// A word; like in redis.conf, quotes may begin inside it, and end it.
    fn word(&mut self) -> Result<Word, FaultKind> {
        let mut word = Word::default();
        while let Some(byte) = self.take() {
            match byte {
                b'"' => {
                    self.double(&mut word)?;
                    return self.after_quote(word);
                }
                b'\'' => {
                    self.single(&mut word)?;
                    return self.after_quote(word);
                }
                b'$' if self.rest.first() == Some(&b'{') => self.variable(&mut word)?,
                _ if byte.is_ascii_whitespace() => break,
                _ => word.push(byte),
            }
        }
        Ok(word)
    }

    fn double(&mut self, word: &mut Word) -> Result<(), FaultKind> {
        loop {
            match self.take().ok_or(FaultKind::Unclosed("double"))? {
                b'"' => return Ok(()),
                b'\\' => {
                    let byte = self.escape()?;
                    word.push(byte);
                }
                b'$' if self.rest.first() == Some(&b'{') => self.variable(word)?,
                byte => word.push(byte),
            }
        }
    }

    fn single(&mut self, word: &mut Word) -> Result<(), FaultKind> {
        loop {
            match self.take().ok_or(FaultKind::Unclosed("single"))? {
                b'\'' => return Ok(()),
                b'\\' if self.rest.first() == Some(&b'\'') => {
                    self.take();
                    word.push(b'\'');
                }
                byte => word.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<u8, FaultKind> {
        Ok(match self.take().ok_or(FaultKind::Unclosed("double"))? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'a' => 0x07,
            b'x' => match (self.hex(0), self.hex(1)) {
                (Some(high), Some(low)) => {
                    self.rest = &self.rest[2..];
                    high << 4 | low
                }
                _ => b'x',
            },
            other => other,
        })
    }

    fn hex(&self, ahead: usize) -> Option<u8> {
        let digit = char::from(*self.rest.get(ahead)?).to_digit(16)?;
        u8::try_from(digit).ok()
    }

    /// The variable after a `$`; `rest` begins with its `{`.
    fn variable(&mut self, word: &mut Word) -> Result<(), FaultKind> {
        let inner = self.rest.get(1..).unwrap_or(&[]);
        let length = inner.iter().position(|byte| *byte == b'}').ok_or(FaultKind::Reference)?;
        let name = std::str::from_utf8(&inner[..length]).map_err(|_| FaultKind::Reference)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(FaultKind::Reference);
        }
        self.rest = &inner[length + 1..];
        let value = (self.environment)(name).ok_or_else(|| FaultKind::NoVariable(name.to_owned()))?;
        *self.room = self.room.checked_sub(value.len()).ok_or(FaultKind::TooLargeExpanded)?;
        word.used.extend(value);
        word.shown.extend(MASK);
        Ok(())
    }

    fn after_quote(&self, word: Word) -> Result<Word, FaultKind> {
        match self.rest.first() {
            Some(byte) if !byte.is_ascii_whitespace() => Err(FaultKind::Glued),
            _ => Ok(word),
        }
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(name: &str) -> Option<Vec<u8>> {
        match name {
            "TOKEN" => Some(b"s3cret \"x\" ${TOKEN}".to_vec()),
            "LONG" => Some(vec![b'x'; 100_000]),
            _ => None,
        }
    }

    fn used(file: &str) -> Vec<Vec<String>> {
        let text = |word: &Word| String::from_utf8_lossy(&word.used).into_owned();
        let statements = parse(file.as_bytes(), environment).unwrap();
        statements.iter().map(|statement| statement.words.iter().map(text).collect()).collect()
    }

    fn fault(file: &str) -> String {
        parse(file.as_bytes(), environment).unwrap_err().to_string()
    }

    #[test]
    fn quoting_is_that_of_redis_conf() {
        assert_eq!(used("a 'b c' \"d\\x41\\n\\\"\\q\"\r\n"), [["a", "b c", "dA\n\"q"]]);
        assert_eq!(used(r#"'it\'s' "" '\n' pre"fix" "\xg1""#), [["it's", "", "\\n", "prefix", "xg1"]]);
        assert_eq!(used("\n  # comment 'open\n\t\nb #c\n"), [["b", "#c"]]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let statements = parse(b"\n# x\nLOADER SET a\n\nLOADER", environment).unwrap();
        assert_eq!(statements.iter().map(|s| s.line).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn the_environment_is_used_but_never_shown() {
        let statements = parse(b"HEADER \"Authorization: Bearer ${TOKEN}\" x${TOKEN}", environment).unwrap();
        let word = &statements[0].words[1];
        assert_eq!(word.used, b"Authorization: Bearer s3cret \"x\" ${TOKEN}");
        assert_eq!(word.shown, b"Authorization: Bearer ***");
        assert!(word.is_masked());
        assert_eq!(statements[0].words[2].shown, b"x***");
        assert!(!format!("{statements:?}").contains("s3cret"));
    }

    #[test]
    fn a_reference_may_be_kept_as_text() {
        assert_eq!(used(r#"'${TOKEN}' "\${TOKEN}" $x {id} $"#), [["${TOKEN}", "${TOKEN}", "$x", "{id}", "$"]]);
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(fault("a\nb \"c"), "line 2: a double quote is not closed");
        assert_eq!(fault("a\nb 'c"), "line 2: a single quote is not closed");
        assert_eq!(fault("\"a\"b"), "line 1: a blank must follow a closing quote");
        assert_eq!(fault("\n\na ${NO_SUCH}"), "line 3: the environment has no variable NO_SUCH");
        let reference = "line 1: '${' must be followed by a name of A-Z a-z 0-9 _ and by '}'";
        for bad in ["${", "${}", "${a b}", "${a-b}", "\"${é}\""] {
            assert_eq!(fault(bad), reference, "{bad}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(fault(&"x".repeat(MOST_BYTES + 1)), "line 1: the file is larger than 1048576 bytes");
        assert_eq!(fault(&"x\n".repeat(MOST_LINES + 1)), "line 10001: the file has more than 10000 lines");
        assert_eq!(used(&"x\n".repeat(MOST_LINES)).len(), MOST_LINES);
        assert!(fault(&"${LONG}\n".repeat(50)).starts_with("line 42: with the values of the environment"));
    }

    fn quoted(bytes: &[u8]) -> Vec<u8> {
        let mut text = vec![b'"'];
        for byte in bytes {
            match byte {
                b'\n' => text.extend(b"\\n"),
                b'"' | b'\\' | b'$' => text.extend([b'\\', *byte]),
                0x20..0x7f => text.push(*byte),
                _ => text.extend(format!("\\x{byte:02x}").bytes()),
            }
        }
        text.push(b'"');
        text
    }

    proptest! {
        #[test]
        fn any_bytes_survive_quoting(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..5)) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ');
            let statements = parse(&line, environment).unwrap();
            let read: Vec<Vec<u8>> = statements[0].words.iter().map(|word| word.used.clone()).collect();
            prop_assert_eq!(read, words);
        }

        #[test]
        fn no_bytes_can_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file, environment);
        }

        #[test]
        fn no_marks_can_panic(file in r#"[ab"'\\${}x#TOKEN \n]{0,40}"#) {
            if let Err(fault) = parse(file.as_bytes(), environment) {
                prop_assert!(!fault.to_string().contains("s3cret"));
            }
        }
    }
}
