//! What the server and the documents are told of a command.

/// A command's description. All texts are ours; units are in them.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// As typed, for example `WARM.GET`, or the subcommand's word alone, for example `SET`.
    pub name: &'static str,
    /// One line, no full stop.
    pub summary: &'static str,
    /// For example `O(1)`.
    pub complexity: &'static str,
    /// The version it came with.
    pub since: &'static str,
    /// The server's command flags, blank-separated, for example `readonly fast`.
    pub flags: &'static str,
    /// ACL categories beside `@warm`, for example `admin dangerous`; blank-separated.
    pub categories: &'static str,
    /// As the server counts: with the command's (and subcommand's) name; negative: at least.
    pub arity: i32,
    /// Where the keys are.
    pub keys: Keys,
    /// The arguments, in order.
    pub arguments: &'static [Argument],
    /// What it replies, and its errors: for the documents.
    pub reply: &'static str,
    /// What else a user should know: for the documents. May be empty.
    pub notes: &'static str,
}

/// Where a command names keys in the client's slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// Nowhere, or keys of any slot that the command checks itself.
    None,
    /// The first argument, with this access.
    First(Access),
    /// All arguments from the first up to the option word `TIMEOUT` or the end.
    AllUntil(Access, &'static str),
    /// All arguments from the first to the last.
    All(Access),
}

impl Keys {
    /// How many of a command's `arguments` (those after its name) are keys.
    ///
    /// Parsers and access checks use this one rule. For [`Keys::AllUntil`] the first argument is a key whatever it is
    /// called; from the second on, the option word in any case ends the keys.
    pub fn count(self, arguments: &[&[u8]]) -> usize {
        match self {
            Keys::None => 0,
            Keys::First(_) => arguments.len().min(1),
            Keys::All(_) => arguments.len(),
            Keys::AllUntil(_, option) => {
                let ends = |word: &&[u8]| word.eq_ignore_ascii_case(option.as_bytes());
                arguments.iter().skip(1).position(ends).map_or(arguments.len(), |found| found + 1)
            }
        }
    }

    /// What the command does with its keys, if it names any.
    pub fn access(self) -> Option<Access> {
        match self {
            Keys::None => None,
            Keys::First(access) | Keys::AllUntil(access, _) | Keys::All(access) => Some(access),
        }
    }
}

/// What a command does with its keys, for `COMMAND GETKEYSANDFLAGS` and ACL key permissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads the value (`RO ACCESS`).
    Read,
    /// Reads about the key, never its value (`RO`).
    Look,
    /// Writes the value without reading it (`OW UPDATE`).
    Write,
}

/// One argument, for `COMMAND DOCS`.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name in lower case.
    pub name: &'static str,
    /// Its kind.
    pub kind: ArgumentKind,
    /// The option word before it, or empty.
    pub token: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
}

impl Argument {
    /// A required argument without an option word.
    pub const fn new(name: &'static str, kind: ArgumentKind) -> Self {
        Argument { name, kind, token: "", optional: false, multiple: false }
    }

    /// An option word that stands for itself.
    pub const fn flag(name: &'static str, token: &'static str) -> Self {
        Argument { name, kind: ArgumentKind::Token, token, optional: false, multiple: false }
    }

    /// An optional argument after an option word.
    pub const fn option(name: &'static str, token: &'static str, kind: ArgumentKind) -> Self {
        Argument { name, kind, token, optional: true, multiple: false }
    }

    /// The same argument, which may be left out.
    pub const fn optional(self) -> Self {
        Argument { optional: true, ..self }
    }

    /// The same argument, which may be repeated. An option word stands once before all of them; to repeat the word as
    /// well, repeat a [`ArgumentKind::Block`] of word and value.
    pub const fn repeated(self) -> Self {
        Argument { multiple: true, ..self }
    }
}

/// The kinds of arguments that the server knows.
#[derive(Clone, Copy, Debug)]
pub enum ArgumentKind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A decimal number.
    Double,
    /// A key.
    Key,
    /// A key pattern.
    Pattern,
    /// A word that stands for itself (its token).
    Token,
    /// One of these.
    OneOf(&'static [Argument]),
    /// These, together.
    Block(&'static [Argument]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_word_ends_the_keys_but_may_be_the_first_key() {
        let keys = Keys::AllUntil(Access::Read, "TIMEOUT");
        assert_eq!(keys.count(&[b"a", b"b", b"timeout", b"5s"]), 2);
        assert_eq!(keys.count(&[b"TIMEOUT", b"b"]), 2);
        assert_eq!(keys.count(&[b"TIMEOUT", b"TimeOut", b"5s"]), 1);
        assert_eq!(keys.count(&[b"a"]), 1);
        assert_eq!(keys.count(&[]), 0);
        assert_eq!(Keys::First(Access::Look).count(&[b"a", b"b"]), 1);
        assert_eq!(Keys::All(Access::Look).count(&[b"a", b"b"]), 2);
        assert_eq!(Keys::None.count(&[b"a"]), 0);
    }
}
