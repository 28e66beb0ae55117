//! Which commands count as an access, read from the server's own list of commands (`COMMAND`), so that those of other
//! modules count too. Made at load and again when a module comes or goes, for less than 6 ms of the main
//! thread: that is what loading the module takes in all.
//!
//! # The rule
//!
//! A command is an access of each key for which the server says that it *returns or uses the value* (the flag `access` of
//! a key specification), if the command
//!
//! * only reads (`readonly`), or is one of [`READ_ALTHOUGH_WRITES`], which the server calls writes because they change when
//!   a key expires;
//! * is not about keys as such (category `@keyspace`: `EXISTS`, `TTL`, `TYPE`, `OBJECT`, `DUMP`, `TOUCH`, `SCAN`, …);
//! * is not a script (`@scripting`): what a script reads is seen command by command.
//!
//! So `GET`, `MGET`, `HGET`, `LRANGE`, `ZUNION`, `GRAPH.RO_QUERY`, `JSON.GET` count; `STRLEN`, `LLEN` and `HEXISTS` do not (the
//! server says that they look at the key, not at what it holds); `INCR` and `LPOP` do not, for what they return is not
//! what an origin could have given. Of the module's own commands those count that read a value. Keys that only the command
//! itself could name (`BY` and `GET` of `SORT_RO`) are not seen, nor is a command that `rename-command` renamed.

use super::table::{Begin, Command, Find, Place, Reads, Table};
use crate::module::api::call::Tree;
use crate::module::commands::TABLE;
use crate::module::commands::spec::{Access, Keys, Spec};
use crate::module::register::Entry;

/// Writes that only read the value.
const READ_ALTHOUGH_WRITES: [&[u8]; 2] = [b"getex", b"hgetex"];

/// Commands that say what others mean.
const OTHERS: [(&[u8], Command); 3] =
    [(b"exec", Command::Executes), (b"select", Command::Selects), (b"reset", Command::Selects)];

/// The table of what `COMMAND` answered, and of our own commands. What is not understood is left out.
pub fn table(listed: &Tree) -> Table {
    let mut all: Vec<(Box<[u8]>, Command)> = own();
    all.extend(OTHERS.map(|(name, command)| (Box::from(name), command)));
    for description in listed.list() {
        describe(description, &mut all);
    }
    Table::new(all)
}

fn describe(description: &Tree, all: &mut Vec<(Box<[u8]>, Command)>) {
    let field = |place| description.list().get(place).unwrap_or(&Tree::Nothing);
    let name = field(0).text().to_ascii_lowercase().into_boxed_slice();
    if name.is_empty() || all.iter().any(|(known, _)| *known == name) {
        return;
    }
    let (flags, categories, subcommands) = (field(2), field(6), field(9).list());
    let reads = flags.has(b"readonly") || READ_ALTHOUGH_WRITES.contains(&name.as_ref());
    if categories.has(b"@scripting") {
        if subcommands.is_empty() && !name.contains(&b'|') {
            all.push((name, Command::Scripts));
        }
        return;
    }
    if reads && !categories.has(b"@keyspace") {
        let arity = field(1).integer();
        let mut places: Vec<Place> = field(8).list().iter().filter_map(place).collect();
        if field(8).list().is_empty() {
            places.extend(triple(field(3).integer(), field(4).integer(), field(5).integer()));
        }
        if !places.is_empty() {
            all.push((name, Command::Reads(Reads::new(arity, places))));
            return;
        }
    }
    let before = all.len();
    subcommands.iter().for_each(|subcommand| describe(subcommand, all));
    if all[before..].iter().any(|(sub, _)| sub.starts_with(&name)) {
        all.push((name, Command::Holds));
    }
}

/// A key specification, if its keys' values are read and it says where they are.
fn place(specification: &Tree) -> Option<Place> {
    if !specification.field(b"flags").has(b"access") {
        return None;
    }
    let (begin, find) = (specification.field(b"begin_search"), specification.field(b"find_keys"));
    let number = |of: &Tree, name: &[u8]| of.field(b"spec").field(name).integer();
    let place = |of: &Tree, name: &[u8]| usize::try_from(number(of, name)).ok();
    let begin = match begin.field(b"type").text() {
        b"index" => Begin::At(place(begin, b"index")?),
        b"keyword" => {
            let word = Box::from(begin.field(b"spec").field(b"keyword").text());
            Begin::After { word, from: place(begin, b"startfrom")? }
        }
        _ => return None,
    };
    let find = match find.field(b"type").text() {
        b"range" => Find::Range {
            last: number(find, b"lastkey"),
            step: place(find, b"keystep")?,
            limit: place(find, b"limit")?,
        },
        b"keynum" => Find::Counted {
            count: place(find, b"keynumidx")?,
            first: place(find, b"firstkey")?,
            step: place(find, b"keystep")?,
        },
        _ => return None,
    };
    Some(Place { begin, find })
}

/// Where keys are by the older form: first, last (from the name, or negative from the end) and step.
fn triple(first: i64, last: i64, step: i64) -> Option<Place> {
    let begin = usize::try_from(first).ok().filter(|first| *first > 0)?;
    let last = if last < 0 { last } else { last - first };
    Some(Place { begin: Begin::At(begin), find: Find::Range { last, step: usize::try_from(step).ok()?, limit: 0 } })
}

/// Our own commands that read values: they are clients' accesses. The server cannot be told where `WARM.MGET`'s keys end.
fn own() -> Vec<(Box<[u8]>, Command)> {
    let reads = |entry: &Entry| {
        let Spec { name, keys, arity, .. } = entry.spec;
        let find = match keys {
            Keys::First(Access::Read) => Find::Range { last: 0, step: 1, limit: 0 },
            Keys::All(Access::Read) => Find::Range { last: -1, step: 1, limit: 0 },
            Keys::AllUntil(Access::Read, word) => Find::Until(Box::from(word.as_bytes())),
            _ => return None,
        };
        let name = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let places = vec![Place { begin: Begin::At(1), find }];
        Some((name, Command::Reads(Reads::new(i64::from(arity), places))))
    };
    TABLE.iter().filter_map(reads).collect()
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    /// What servers answered to `COMMAND INFO` of some commands.
    const RECORDED: [&[u8]; 3] = [
        include_bytes!("../../../tests/recorded/command-info-redis-7.0.resp"),
        include_bytes!("../../../tests/recorded/command-info-redis-8.2.resp"),
        include_bytes!("../../../tests/recorded/command-info-valkey-9.1.resp"),
    ];

    fn tree(value: Value) -> Tree {
        match value {
            Value::Array(items) => Tree::List(items.into_iter().map(tree).collect()),
            Value::Int(number) => Tree::Integer(number),
            Value::BulkString(bytes) => Tree::Text(bytes),
            Value::SimpleString(text) => Tree::Text(text.into_bytes()),
            _ => Tree::Nothing,
        }
    }

    fn tables() -> impl Iterator<Item = Table> {
        RECORDED.into_iter().map(|bytes| table(&tree(parse_redis_value(bytes).unwrap())))
    }

    fn keys(table: &Table, text: &str) -> Vec<String> {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let Some(Command::Reads(reads)) = table.find(&words) else { return Vec::new() };
        let mut found = Vec::new();
        if reads.admits(words.len()) {
            reads.keys(&words, 100, |key| found.push(String::from_utf8_lossy(key).into_owned()));
        }
        found
    }

    #[test]
    fn what_returns_a_value_is_an_access() {
        for table in tables() {
            assert_eq!(keys(&table, "GET a"), ["a"]);
            assert_eq!(keys(&table, "mget a b c"), ["a", "b", "c"]);
            assert_eq!(keys(&table, "GETEX a EX 10"), ["a"]);
            assert_eq!(keys(&table, "LCS a b LEN"), ["a", "b"]);
            assert_eq!(keys(&table, "ZUNION 2 a b WITHSCORES"), ["a", "b"]);
            assert_eq!(keys(&table, "XREAD COUNT 1 STREAMS a b 0 0"), ["a", "b"]);
            assert_eq!(keys(&table, "SORT_RO a BY w_*"), ["a"]);
            assert_eq!(keys(&table, "XINFO STREAM a"), ["a"]);
        }
    }

    #[test]
    fn what_only_looks_writes_or_runs_others_is_none() {
        for table in tables() {
            for text in [
                "TTL a",
                "DUMP a",
                "EXISTS a",
                "STRLEN a",
                "OBJECT ENCODING a",
                "SET a b",
                "EVAL_RO x 1 a",
                "GET a b",
                "GET",
            ] {
                assert_eq!(keys(&table, text), [""; 0], "{text}");
            }
            let is = |text: &str, command| assert_eq!(table.find(&vec![text.as_bytes()]), Some(&command), "{text}");
            is("EVAL", Command::Scripts);
            is("fcall", Command::Scripts);
            is("EXEC", Command::Executes);
            is("SELECT", Command::Selects);
        }
    }

    #[test]
    fn our_own_reads_are_accesses() {
        let table = table(&Tree::Nothing);
        assert_eq!(keys(&table, "WARM.GET a TIMEOUT 5s"), ["a"]);
        assert_eq!(keys(&table, "WARM.MGET a b TIMEOUT 5s"), ["a", "b"]);
        assert_eq!(keys(&table, "WARM.LEASE a"), ["a"]);
        assert_eq!(keys(&table, "WARM.PROGRESS a"), [""; 0]);
        assert_eq!(keys(&table, "WARM.TRACK a"), [""; 0]);
    }

    #[test]
    fn a_command_without_key_specifications_is_taken_by_its_triple() {
        let text = |text: &str| Tree::Text(text.as_bytes().to_vec());
        let number = Tree::Integer;
        let description = Tree::List(vec![
            text("DOC.GET"),
            number(-2),
            Tree::List(vec![text("readonly")]),
            number(2),
            number(-1),
            number(2),
            Tree::List(vec![text("@read")]),
        ]);
        let table = table(&Tree::List(vec![description, Tree::Nothing, Tree::List(Vec::new()), number(3)]));
        assert_eq!(keys(&table, "doc.get path a x b"), ["a", "b"]);
    }
}
