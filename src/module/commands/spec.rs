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
