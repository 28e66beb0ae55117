//! The documents that come from the tables: `docs/commands.md` and `redis.conf.example`. Pure; `tests/docs.rs` compares
//! them with what is committed.

use std::fmt::Write;

use super::commands::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::directives::{self, Change, Directive, Kind, size_written, span_written};
use super::register::Entry;

/// Columns of a comment in `redis.conf.example`.
const WIDTH: usize = 78;

const COMMANDS_HEAD: &str = "\
# Commands

Generated from the command table; `UPDATE_DOCS=1 cargo test --test docs` writes it anew.

## Common rules

- Arguments are bytes. Option words are case-insensitive and follow the arguments without one. Keys need not be UTF-8.
- A command with a wrong argument changes nothing.
- **Names** (of loaders): 1 to 64 of `A-Z a-z 0-9 _ . -`.
- **Durations**: `250ms`, `30s`, `5m`, `1h`, `7d`; a bare integer is seconds.
- **Sizes**: bytes; arguments accept `64kb`, `8mb`, `1gb` (powers of 1024).
- **Instants** in replies: Unix time in milliseconds, an integer. **Ratios**: doubles from 0 to 1. **Rates**: doubles,
  per second.
- A **record** is a RESP3 map; for RESP2 clients the flat array of names and values. Absent values are null.
- **Key patterns**: `content:{id}`, `page:{site}:{path}`. `{name}` captures one or more bytes up to the next literal,
  the last one the rest; `*` captures without a name. If several loaders match a key, the longest literal prefix wins.
- **URL templates** (RFC 6570): `{id}` is percent-encoded, `{+id}` keeps reserved characters; `{key}` is the whole key,
  `{ids}` the ids of a batch.
- Secrets are shown as `***`: header values, passwords in URLs, and what the warm file took from the environment.

### Errors

The first word of an error is its code.

| code | meaning |
|---|---|
| `ERR` | syntax, range or unknown name; the message names the argument, its value and what is allowed |
| `NOLOADER` | no loader matches the key |
| `LOADFAIL` | `LOADFAIL loader reason`: the origin failed, after retries |
| `TIMEOUT` | the wait ran out; the load goes on |
| `QUEUEFULL` | a bounded queue is full; see `warm.queue-length` |
| `PAUSED` | the loader is paused |
| `STALETOKEN` | the token is not, or no longer, the key's lease |
| `WRONGTYPE` `NOPERM` `READONLY` `MOVED` `CLUSTERDOWN` | as the server itself uses them |

### Access

Where the server has ACL categories for modules (Redis 7.4, Valkey 8 and later), all commands are in `@warm`; what else
they are in stands at each. On older servers module commands are in no category: name them (`+warm.get`,
`-warm.loader|set`), and mind that rules such as `-@admin` do not reach them.

From Redis 7.2 and Valkey 7.2 on, `MODULE UNLOAD warm` is refused while a user's rules name a command of the module or
`@warm`.
";

const CONF_HEAD: &str = "\
# redis-warm: directives for redis.conf or valkey.conf.
#
# Generated from the directive table; `UPDATE_DOCS=1 cargo test --test docs`
# writes it anew. Every line is commented out and shows the default.
#
# The server refuses to start if a warm.* line has a value out of range or an
# unknown name, or if it has warm.* lines but no loadmodule line. It takes no
# arguments after the library's path.
#
# Sizes are bytes; 1kb, 1mb and 1gb are powers of 1024. Spans of time are
# whole seconds; 90s, 5m, 1h and 7d are understood, and CONFIG GET shows
# seconds. CONFIG SET changes a directive while the server runs unless it says
# otherwise, and CONFIG REWRITE keeps the change.
#
# Never write a secret into a directive: CONFIG GET and SLOWLOG show it. Take
# it from the environment in the warm file: HEADER \"Authorization: ${TOKEN}\".

# loadmodule /usr/lib/redis/modules/libredis_warm.so
";

/// `docs/commands.md`, from the table of all commands.
pub fn commands_markdown(table: &[Entry]) -> String {
    let mut page = COMMANDS_HEAD.to_owned();
    page.push_str("\n## All commands\n\n");
    for (title, spec) in leaves(table) {
        line(&mut page, format_args!("- [{title}](#{}) – {}", anchor(&title), spec.summary));
    }
    for (title, spec) in leaves(table) {
        describe(&mut page, &title, spec);
    }
    page
}

/// `redis.conf.example`, from the table of all directives.
pub fn redis_conf_example() -> String {
    let mut page = CONF_HEAD.to_owned();
    for directive in &directives::TABLE {
        page.push('\n');
        explain(&mut page, directive);
        line(&mut page, format_args!("# warm.{} {}", directive.name, directive.kind.default_written()));
    }
    page
}

/// Two lines for each command of `table` or of one container: its syntax, and what it does.
pub fn help(table: &[Entry]) -> Vec<String> {
    leaves(table).flat_map(|(title, spec)| [syntax(&title, spec.arguments), format!("    {}.", spec.summary)]).collect()
}

/// A command's syntax line, for example `WARM.GET key [TIMEOUT duration]`.
pub fn syntax(title: &str, arguments: &[Argument]) -> String {
    arguments.iter().fold(title.to_owned(), |text, argument| text + " " + &argument_syntax(argument))
}

/// Everything a client can call, with its full name: commands without children, and the children of the others.
fn leaves(table: &[Entry]) -> impl Iterator<Item = (String, &Spec)> {
    table.iter().flat_map(|entry| {
        let own = (entry.children.is_empty()).then(|| (entry.spec.name.to_owned(), &entry.spec));
        let parent = entry.spec.name;
        own.into_iter()
            .chain(entry.children.iter().map(move |child| (format!("{parent} {}", child.spec.name), &child.spec)))
    })
}

fn describe(page: &mut String, title: &str, spec: &Spec) {
    line(page, format_args!("\n## {title}\n\n```\n{}\n```\n\n{}.\n", syntax(title, spec.arguments), spec.summary));
    line(page, format_args!("- **Since**: {}", spec.since));
    line(page, format_args!("- **Complexity**: {}", spec.complexity));
    line(page, format_args!("- **Flags**: {}", words(spec.flags, "")));
    line(page, format_args!("- **ACL**: {}", words(&format!("warm {}", spec.categories), "@")));
    line(page, format_args!("- **Keys**: {}", keys(spec.keys)));
    line(page, format_args!("- **Reply**: {}", spec.reply));
    if !spec.notes.is_empty() {
        line(page, format_args!("\n{}", spec.notes));
    }
}

fn words(list: &str, prefix: &str) -> String {
    let words: Vec<String> = list.split_ascii_whitespace().map(|word| format!("`{prefix}{word}`")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn keys(keys: Keys) -> String {
    let access = match keys.access() {
        None => return "none in the client's slot".to_owned(),
        Some(Access::Read) => "read",
        Some(Access::Look) => "looked at, the value is not read",
        Some(Access::Write) => "written",
    };
    match keys {
        Keys::AllUntil(_, option) => format!("every argument up to `{option}`; {access}"),
        Keys::All(_) => format!("every argument; {access}"),
        Keys::None | Keys::First(_) => format!("the first argument; {access}"),
    }
}

fn argument_syntax(argument: &Argument) -> String {
    let inner = match argument.kind {
        ArgumentKind::Token => argument.token.to_owned(),
        ArgumentKind::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(argument_syntax).collect();
            worded(argument, &choices.join(" | "))
        }
        ArgumentKind::Block(parts) => {
            let parts: Vec<String> = parts.iter().map(argument_syntax).collect();
            worded(argument, &parts.join(" "))
        }
        _ => worded(argument, argument.name),
    };
    let choice = matches!(argument.kind, ArgumentKind::OneOf(_));
    match (argument.optional, choice) {
        (true, _) => format!("[{inner}]"),
        (false, true) => format!("<{inner}>"),
        (false, false) => inner,
    }
}

/// An argument's text behind its option word, repeated as often as it may be.
fn worded(argument: &Argument, text: &str) -> String {
    let text = if argument.multiple { format!("{text} [{text} ...]") } else { text.to_owned() };
    if argument.token.is_empty() { text } else { format!("{} {text}", argument.token) }
}

/// The anchor that Markdown renderers make of a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn explain(page: &mut String, directive: &Directive) {
    comment(page, directive.does);
    page.push_str("#\n");
    match directive.kind {
        Kind::Integer { unit, min, max, default } => {
            comment(page, &format!("Unit: {unit}. Range: {min} to {max}. Default: {default}."));
        }
        Kind::Size { min, max, default } => {
            let (min, max, default) = (size_written(min), size_written(max), size_written(default));
            comment(page, &format!("Unit: bytes. Range: {min} to {max}. Default: {default}."));
        }
        Kind::Percent { min, max, default } => {
            comment(page, &format!("Unit: percent. Range: {min} to {max}. Default: {default}."));
        }
        Kind::Span { min, max, default } => {
            let (min, max, default) = (span_written(min), span_written(max), span_written(default));
            comment(
                page,
                &format!("Unit: seconds; 5m, 1h and 7d are understood. Range: {min} to {max}. Default: {default}."),
            );
        }
        Kind::Enum { words, .. } => {
            let default = directive.kind.default_written();
            comment(page, &format!("One of: {}. Default: {default}.", words.join(", ")));
        }
        Kind::Bool { .. } => {
            comment(page, &format!("One of: yes, no. Default: {}.", directive.kind.default_written()));
        }
        Kind::Text { longest } => comment(page, &format!("A text of at most {longest} bytes. Default: empty.")),
    }
    if !directive.too_small.is_empty() {
        comment(page, &format!("Too small: {}", directive.too_small));
        comment(page, &format!("Too large: {}", directive.too_large));
    }
    if directive.change == Change::AtLoad {
        comment(page, "Cannot be changed while the module is loaded.");
    }
}

/// Wraps `text` into comment lines.
fn comment(page: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_ascii_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            page.push('\n');
            column = 0;
        }
        page.push_str(if column == 0 { "# " } else { " " });
        page.push_str(word);
        column += word.len() + if column == 0 { 2 } else { 1 };
    }
    page.push('\n');
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Argument = Argument::option("duration", "TIMEOUT", ArgumentKind::String);
    const TARGETS: [Argument; 2] = [
        Argument { token: "KEYS", ..Argument::new("key", ArgumentKind::Key).repeated() },
        Argument { token: "FROM", ..Argument::new("collection", ArgumentKind::String) },
    ];
    const HEADER: [Argument; 1] = [Argument { token: "HEADER", ..Argument::new("header", ArgumentKind::String) }];

    const fn spec(name: &'static str, keys: Keys, arguments: &'static [Argument]) -> Spec {
        Spec {
            name,
            summary: "Does it",
            complexity: "O(1)",
            since: "0.1.0",
            flags: "readonly fast",
            categories: "",
            arity: -2,
            keys,
            arguments,
            reply: "a bulk string",
            notes: "",
        }
    }

    static SUBCOMMANDS: [Entry; 1] = [Entry {
        spec: Spec { categories: "admin dangerous", ..spec("SET", Keys::None, &[]) },
        handler: None,
        children: &[],
    }];
    static COMMANDS: [Entry; 2] = [
        Entry {
            spec: spec("WARM.GET", Keys::First(Access::Read), &[Argument::new("key", ArgumentKind::Key), DURATION]),
            handler: None,
            children: &[],
        },
        Entry { spec: spec("WARM.LOADER", Keys::None, &[]), handler: None, children: &SUBCOMMANDS },
    ];

    #[test]
    fn a_syntax_line_shows_options_choices_and_repetition() {
        let arguments = [
            Argument::flag("force", "FORCE").optional(),
            Argument::new("header", ArgumentKind::Block(&HEADER)).repeated().optional(),
            Argument::new("target", ArgumentKind::OneOf(&TARGETS)),
        ];
        assert_eq!(
            syntax("WARM.LOAD", &arguments),
            "WARM.LOAD [FORCE] [HEADER header [HEADER header ...]] <KEYS key [key ...] | FROM collection>"
        );
    }

    #[test]
    fn every_command_has_a_section_and_containers_have_none() {
        let page = commands_markdown(&COMMANDS);
        assert!(page.contains("- [WARM.LOADER SET](#warmloader-set) – Does it\n"), "{page}");
        assert!(page.contains("\n## WARM.GET\n\n```\nWARM.GET key [TIMEOUT duration]\n```\n"), "{page}");
        assert!(page.contains("- **ACL**: `@warm` `@admin` `@dangerous`\n"), "{page}");
        assert!(page.contains("- **Keys**: the first argument; read\n"), "{page}");
        assert!(!page.contains("\n## WARM.LOADER\n"), "{page}");
    }

    #[test]
    fn help_has_two_lines_a_command() {
        let lines = ["WARM.GET key [TIMEOUT duration]", "    Does it.", "WARM.LOADER SET", "    Does it."];
        assert_eq!(help(&COMMANDS), lines);
        assert_eq!(help(&COMMANDS[1..]), lines[2..]);
    }

    #[test]
    fn the_example_has_every_directive_commented_out_at_its_default() {
        let page = redis_conf_example();
        for directive in &directives::TABLE {
            let line = format!("\n# warm.{} {}\n", directive.name, directive.kind.default_written());
            assert!(page.contains(&line), "{line}");
        }
        assert!(page.lines().all(|line| line.is_empty() || line.starts_with('#')), "{page}");
        assert!(page.lines().all(|line| line.len() <= WIDTH), "{page}");
    }
}
