//! Which keys a command means: the grammar that all commands on many keys share, always last.

use super::args::{Args, Parsed, argument, shown, within_length};
use super::commands::spec::{Argument, ArgumentKind};
use crate::engine::foresight::forecast::Class;
use crate::engine::pattern::Pattern;

/// The most keys that `TOP` and `MATCH` may mean.
pub const MOST_KEYS: u64 = 10_000_000;

/// Keys that `MATCH` means without a `LIMIT`.
pub const DEFAULT_LIMIT: usize = 100_000;

/// Which keys a command means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// These.
    Keys(Vec<Vec<u8>>),
    /// The members of a set, sorted set (highest first) or list.
    From(Vec<u8>),
    /// Tracked or existing keys that a pattern matches, at most so many.
    Match(Pattern, usize),
    /// The keys with the most requests expected: how many, and of which class.
    Top(usize, Option<Class>),
}

/// The grammar, for errors.
pub const SYNTAX: &str = "KEYS key [key ...], MATCH pattern [LIMIT n], TOP n [CLASS c] or FROM collection";

/// The grammar, for the server and the documents.
pub const ARGUMENTS: [Argument; 4] = [
    Argument { token: "KEYS", ..Argument::new("key", ArgumentKind::String).repeated() },
    Argument::new("match", ArgumentKind::Block(&MATCH)),
    Argument::new("top", ArgumentKind::Block(&TOP)),
    Argument { token: "FROM", ..Argument::new("collection", ArgumentKind::String) },
];

/// `CLASS`, with the classes that a key is listed by.
pub const CLASS: Argument = Argument::option("class", "CLASS", ArgumentKind::OneOf(&CLASSES));

/// `REGION`.
pub const REGION: Argument = Argument::option("region", "REGION", ArgumentKind::String);

const MATCH: [Argument; 2] = [
    Argument { token: "MATCH", ..Argument::new("pattern", ArgumentKind::Pattern) },
    Argument::option("limit", "LIMIT", ArgumentKind::Integer),
];
const TOP: [Argument; 3] = [Argument { token: "TOP", ..Argument::new("count", ArgumentKind::Integer) }, CLASS, REGION];
const CLASSES: [Argument; 3] = [
    Argument::flag("popular", "popular"),
    Argument::flag("trending", "trending"),
    Argument::flag("seasonal", "seasonal"),
];

impl Target {
    /// The target that begins here, with everything that follows; `None` if none begins.
    pub fn parse(args: &mut Args<'_>) -> Parsed<Option<Target>> {
        if args.option("KEYS") {
            let keys = args.rest("key")?.iter().map(|key| within_length(key).map(<[u8]>::to_vec));
            return Ok(Some(Target::Keys(keys.collect::<Parsed<_>>()?)));
        }
        let (target, nothing_after) = if args.option("FROM") {
            (Target::From(args.next("collection")?.to_vec()), "nothing after FROM collection")
        } else if args.option("MATCH") {
            let pattern = pattern(args)?;
            let limit = if args.option("LIMIT") { count(args, "LIMIT")? } else { DEFAULT_LIMIT };
            (Target::Match(pattern, limit), "LIMIT n after MATCH pattern")
        } else if args.option("TOP") {
            let (count, mut wanted) = (count(args, "TOP")?, None);
            loop {
                if args.option("CLASS") {
                    wanted = Some(class(args)?);
                } else if args.option("REGION") {
                    region(args)?;
                } else {
                    break;
                }
            }
            (Target::Top(count, wanted), "CLASS, REGION after TOP n")
        } else {
            return Ok(None);
        };
        args.end(nothing_after)?;
        Ok(Some(target))
    }
}

/// A class that keys are listed by.
pub fn class(args: &mut Args<'_>) -> Parsed<Class> {
    args.word("CLASS", &[("popular", Class::Popular), ("trending", Class::Trending), ("seasonal", Class::Seasonal)])
}

/// A region's name. None is defined in this version, so whatever it is, it is unknown.
pub fn region(args: &mut Args<'_>) -> Parsed<()> {
    let name = args.name("REGION")?;
    Err(argument(format!("unknown region '{name}', no region is defined")))
}

fn count(args: &mut Args<'_>, what: &str) -> Parsed<usize> {
    args.number(what, 1..=MOST_KEYS).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

fn pattern(args: &mut Args<'_>) -> Parsed<Pattern> {
    let text = args.next("pattern")?;
    Pattern::parse(text).map_err(|error| argument(format!("pattern '{}': {error}", shown(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Parsed<Option<Target>> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        Target::parse(&mut Args::new(&words))
    }

    #[test]
    fn each_form_is_read() {
        let pattern = Pattern::parse(b"content:{id}").unwrap();
        for (words, target) in [
            (vec!["keys", "a", "LIMIT"], Target::Keys(vec![b"a".to_vec(), b"LIMIT".to_vec()])),
            (vec!["FROM", "list"], Target::From(b"list".to_vec())),
            (vec!["match", "content:{id}"], Target::Match(pattern.clone(), DEFAULT_LIMIT)),
            (vec!["MATCH", "content:{id}", "limit", "5"], Target::Match(pattern, 5)),
            (vec!["top", "10"], Target::Top(10, None)),
            (vec!["TOP", "10", "class", "TRENDING"], Target::Top(10, Some(Class::Trending))),
        ] {
            assert_eq!(parse(&words).unwrap(), Some(target), "{words:?}");
        }
        assert_eq!(parse(&["PRIORITY", "1"]).unwrap(), None);
        assert_eq!(parse(&[]).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, error) in [
            (vec!["KEYS"], "ERR key is missing"),
            (vec!["MATCH"], "ERR pattern is missing"),
            (vec!["MATCH", "a{id"], "ERR pattern 'a{id': unbalanced brace at byte 1"),
            (vec!["MATCH", "a", "LIMIT", "0"], "ERR LIMIT '0' must be a whole number from 1 to 10000000"),
            (vec!["MATCH", "a", "x"], "ERR unknown option 'x', allowed: LIMIT n after MATCH pattern"),
            (vec!["TOP", "-1"], "ERR TOP '-1' must be a whole number from 1 to 10000000"),
            (vec!["TOP", "1", "CLASS", "cold"], "ERR CLASS 'cold' must be one of popular, trending, seasonal"),
            (vec!["TOP", "1", "REGION", "eu"], "ERR unknown region 'eu', no region is defined"),
            (vec!["FROM", "a", "b"], "ERR unknown option 'b', allowed: nothing after FROM collection"),
        ] {
            assert_eq!(parse(&words).unwrap_err().to_string(), error, "{words:?}");
        }
    }
}
