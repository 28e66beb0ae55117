//! The command table: from the words of a command to the keys whose values it reads.
//!
//! Open addressing, at most a quarter full, over one word of 8 bytes per name: the name itself in lower case if it is
//! short, else its hash, and then the names are compared, too. A lookup allocates nothing: about 10 ns for `GET`. The positions
//! of keys are those of the server's key specifications, in their own terms.

/// The longest name of a command or subcommand that is looked up, in bytes.
const LONGEST_NAME: usize = 64;

/// How far a word that stands before keys (`STREAMS`) is looked for, in words.
const SEARCHED: usize = 64;

/// A command's words, its name among them.
pub trait Words {
    /// How many there are.
    fn count(&self) -> usize;

    /// The word at this place; `None` beyond the end.
    fn at(&self, place: usize) -> Option<&[u8]>;
}

/// What matters of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// It reads the values of keys.
    Reads(Reads),
    /// It has subcommands, which are in the table under `name|sub`.
    Holds,
    /// It runs others that were queued: `EXEC`.
    Executes,
    /// It changes its client's database: `SELECT`, `RESET`.
    Selects,
    /// It runs a script, whose commands are seen one by one.
    Scripts,
}

/// A command that reads the values of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reads {
    /// As the server counts: with the name; negative: at least.
    arity: i64,
    /// Where the keys are.
    places: Vec<Place>,
    /// Where the key is, if there is never more than one, and always there: the shape of most commands.
    only: Option<usize>,
}

/// Where keys are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// From where on.
    pub begin: Begin,
    /// Which from there.
    pub find: Find,
}

/// Where keys begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At this word; the name is word 0.
    At(usize),
    /// After this word, which stands at `from` or later.
    After {
        /// The word, in any case.
        word: Box<[u8]>,
        /// Where the search begins.
        from: usize,
    },
}

/// Which words are keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Find {
    /// Every `step`th up to `last`, which counts from the first key, or, if negative, from the end; the keys then are one
    /// part of `limit` of what is left (0: all of it).
    Range {
        /// The last one.
        last: i64,
        /// The distance of two.
        step: usize,
        /// The parts that what is left is divided into.
        limit: usize,
    },
    /// As many as a word says.
    Counted {
        /// Where the count stands, from where keys begin.
        count: usize,
        /// Where the first key stands, from where keys begin.
        first: usize,
        /// The distance of two.
        step: usize,
    },
    /// All up to this word, in any case, or to the end; the first is a key whatever it is.
    Until(Box<[u8]>),
}

/// All commands that matter.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    word: u64,
    /// A place in `entries`, one more; 0 is empty.
    place: u16,
}

#[derive(Debug)]
struct Entry {
    name: Box<[u8]>,
    /// Whether its name has two words; no client can name it by one.
    nested: bool,
    command: Command,
}

impl Table {
    /// The table of these; a name in lower case, a subcommand's as `name|sub`. Of two of one name the first counts.
    /// More than 65,534 are not taken in.
    pub fn new(commands: impl IntoIterator<Item = (Box<[u8]>, Command)>) -> Self {
        let entry = |(name, command): (Box<[u8]>, Command)| Entry { nested: name.contains(&b'|'), name, command };
        let entries: Vec<Entry> = commands.into_iter().take(usize::from(u16::MAX) - 1).map(entry).collect();
        let empty = Slot { word: 0, place: 0 };
        let mut slots = vec![empty; (entries.len() * 4).next_power_of_two().max(4)].into_boxed_slice();
        for (place, Entry { name, .. }) in entries.iter().enumerate() {
            let word = word_of([name.as_ref()]);
            let mut at = start(word, slots.len());
            while slots[at].place != 0 {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = Slot { word, place: place as u16 + 1 };
        }
        Table { entries, slots }
    }

    /// What the command of these words is; `None` if it does not matter.
    pub fn find(&self, words: &impl Words) -> Option<&Command> {
        let name = words.at(0).filter(|name| name.len() <= LONGEST_NAME)?;
        let is = |entry: &Entry| {
            let short = name.len() <= SHORT && entry.name.len() <= SHORT;
            !entry.nested && (short || entry.name.eq_ignore_ascii_case(name))
        };
        let found = self.probe(word_of([name]), is)?;
        if *found != Command::Holds {
            return Some(found);
        }
        let sub = words.at(1).filter(|sub| sub.len() <= LONGEST_NAME)?;
        self.probe(word_of([name, b"|", sub]), |entry| {
            entry.name.split_at_checked(name.len()).is_some_and(|(first, rest)| {
                first.eq_ignore_ascii_case(name)
                    && rest.split_first().is_some_and(|(bar, rest)| *bar == b'|' && rest.eq_ignore_ascii_case(sub))
            })
        })
    }

    /// Commands and subcommands that read values.
    pub fn reading(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.command, Command::Reads(_))).count()
    }

    fn probe(&self, word: u64, is: impl Fn(&Entry) -> bool) -> Option<&Command> {
        let mut at = start(word, self.slots.len());
        loop {
            // At most a quarter is in use, so that an empty slot always comes.
            let slot = self.slots.get(at)?;
            let entry = self.entries.get(usize::from(slot.place).checked_sub(1)?)?;
            if slot.word == word && is(entry) {
                return Some(&entry.command);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Table::new([])
    }
}

impl Reads {
    /// A command of this arity with keys in these places.
    pub fn new(arity: i64, places: Vec<Place>) -> Self {
        let only = match places.as_slice() {
            [Place { begin: Begin::At(place), find: Find::Range { last: 0, step: 1.., .. } }] => Some(*place),
            _ => None,
        };
        Reads { arity, places, only }
    }

    /// Whether the server will run a command of so many words.
    pub fn admits(&self, count: usize) -> bool {
        let wanted = usize::try_from(self.arity.unsigned_abs()).unwrap_or(usize::MAX);
        if self.arity < 0 { count >= wanted } else { count == wanted }
    }

    /// Hands every key among the words to `each`, at most `most` of them; how many more there are. Costs nothing but
    /// the reading of those words.
    #[inline]
    pub fn keys<'w>(&self, words: &'w impl Words, most: usize, mut each: impl FnMut(&'w [u8])) -> usize {
        if let Some(key) = self.only {
            words.at(key).into_iter().for_each(each);
            return 0;
        }
        let (mut seen, mut all) = (0, 0);
        for place in &self.places {
            let Some((first, last, step)) = place.positions(words) else { continue };
            let here = (last - first) / step + 1;
            all += here;
            for key in (0..here).take(most - seen).filter_map(|n| words.at(first + n * step)) {
                seen += 1;
                each(key);
            }
        }
        all - seen
    }
}

impl Place {
    /// The first, the last and the distance, if there is any; the last is within the words.
    fn positions(&self, words: &impl Words) -> Option<(usize, usize, usize)> {
        let count = words.count();
        let begin = match &self.begin {
            Begin::At(place) => *place,
            Begin::After { word, from } => {
                let end = count.min(from.saturating_add(SEARCHED));
                let is = |place: &usize| words.at(*place).is_some_and(|found| found.eq_ignore_ascii_case(word));
                (*from..end).find(is)? + 1
            }
        };
        let (first, last, step) = match &self.find {
            Find::Range { last, step, .. } if *last >= 0 => {
                (begin, begin.saturating_add(usize::try_from(*last).ok()?), *step)
            }
            Find::Range { last, step, limit } => {
                let left = count.checked_sub(begin)?;
                let last = usize::try_from(last.unsigned_abs()).ok()?;
                let end = if *limit > 1 { begin + left / limit } else { count };
                (begin, end.checked_sub(last)?, *step)
            }
            Find::Counted { count: place, first, step } => {
                let keys = words.at(begin.checked_add(*place)?)?;
                let keys: usize = std::str::from_utf8(keys).ok()?.parse().ok()?;
                let first = begin.checked_add(*first)?;
                (first, first.checked_add(keys.checked_sub(1)?.checked_mul(*step)?)?, *step)
            }
            Find::Until(word) => {
                let is = |place: &usize| words.at(*place).is_some_and(|found| found.eq_ignore_ascii_case(word));
                let end = (begin + 1..count).find(is).unwrap_or(count);
                (begin, end.checked_sub(1)?, 1)
            }
        };
        (first <= last && last < count && step > 0).then_some((first, last, step))
    }
}

/// Names up to this length, in bytes, are their own word.
const SHORT: usize = 7;

/// The word of a name in any case, given in parts. Those of short names differ from each other (a bit marks the length);
/// those of long ones may be any.
fn word_of<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let short = parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT;
    let mut word = if short { 1 } else { 0xcbf2_9ce4_8422_2325 };
    for part in parts {
        for byte in part {
            let byte = u64::from(byte.to_ascii_lowercase());
            // FNV-1a, if it is long.
            word = if short { word << 8 | byte } else { (word ^ byte).wrapping_mul(0x0100_0000_01b3) };
        }
    }
    word
}

/// Where the search for a word begins in a table of `len` slots, a power of two.
fn start(word: u64, len: usize) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (len - 1)
}

#[cfg(test)]
impl Words for Vec<&[u8]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, place: usize) -> Option<&[u8]> {
        self.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<&[u8]> {
        text.split(' ').map(str::as_bytes).collect()
    }

    fn keys(place: Place, text: &str) -> Vec<String> {
        let reads = Reads::new(-1, vec![place]);
        let mut found = Vec::new();
        reads.keys(&words(text), usize::MAX, |key| found.push(String::from_utf8_lossy(key).into_owned()));
        found
    }

    fn at(begin: usize, find: Find) -> Place {
        Place { begin: Begin::At(begin), find }
    }

    fn range(last: i64) -> Find {
        Find::Range { last, step: 1, limit: 0 }
    }

    #[test]
    fn positions_are_those_of_the_servers_specifications() {
        assert_eq!(keys(at(1, range(0)), "get a b"), ["a"]);
        assert_eq!(keys(at(1, range(-1)), "mget a b c"), ["a", "b", "c"]);
        assert_eq!(keys(at(1, range(-2)), "x a b timeout"), ["a", "b"]);
        assert_eq!(keys(at(1, Find::Range { last: -1, step: 2, limit: 0 }), "x a 1 b"), ["a", "b"]);
        assert_eq!(keys(at(1, range(1)), "lcs a b LEN"), ["a", "b"]);
        let counted = || Find::Counted { count: 0, first: 1, step: 1 };
        assert_eq!(keys(at(1, counted()), "zunion 2 a b WITHSCORES"), ["a", "b"]);
        assert_eq!(keys(at(1, Find::Until(Box::from(*b"TIMEOUT"))), "m TIMEOUT a timeout 5s"), ["TIMEOUT", "a"]);
        let streams = Place {
            begin: Begin::After { word: Box::from(*b"STREAMS"), from: 1 },
            find: Find::Range { last: -1, step: 1, limit: 2 },
        };
        assert_eq!(keys(streams, "xread COUNT 2 streams a b 0 0"), ["a", "b"]);
    }

    #[test]
    fn what_makes_no_sense_names_no_keys() {
        let counted = || Find::Counted { count: 0, first: 1, step: 1 };
        for text in ["z 3 a b", "z 0 a", "z -1 a", "z x a", "z 99999999999999999999 a", "z 18446744073709551615 a", "z"]
        {
            assert_eq!(keys(at(1, counted()), text), [""; 0], "{text}");
        }
        assert_eq!(keys(at(1, range(0)), "get"), [""; 0]);
        assert_eq!(keys(at(3, range(-1)), "get a"), [""; 0]);
    }

    #[test]
    fn keys_beyond_the_most_are_counted() {
        let reads = Reads::new(-2, vec![at(1, range(-1)), at(1, range(0))]);
        let mut seen = 0;
        assert_eq!(reads.keys(&words("mget a b c d e"), 3, |_| seen += 1), 3);
        assert_eq!(seen, 3);
        assert_eq!(reads.keys(&words("mget a b c d e"), 6, |_| ()), 0);
    }

    #[test]
    fn names_are_found_in_any_case_and_subcommands_by_both_words() {
        let reads = || Command::Reads(Reads::new(2, Vec::new()));
        let names: [(&[u8], Command); 4] =
            [(b"get", reads()), (b"object", Command::Holds), (b"object|peek", reads()), (b"exec", Command::Executes)];
        let table = Table::new(names.map(|(name, command)| (Box::from(name), command)));
        assert_eq!(table.find(&words("GeT a")), Some(&reads()));
        assert_eq!(table.find(&words("OBJECT PEEK a")), Some(&reads()));
        assert_eq!(table.find(&words("exec")), Some(&Command::Executes));
        for text in ["set a", "object", "object help", "object|peek a b", "objectpeek a", "", "GETT a", "g%t"] {
            assert_eq!(table.find(&words(text)), None, "{text}");
        }
        assert_eq!(table.reading(), 2);
        assert_eq!(Table::default().find(&words("get a")), None);
    }

    #[test]
    fn arity_is_the_servers() {
        let reads = |arity| Reads::new(arity, Vec::new());
        assert!(reads(2).admits(2) && !reads(2).admits(3) && !reads(2).admits(1));
        assert!(reads(-2).admits(2) && reads(-2).admits(9) && !reads(-2).admits(1));
    }

    proptest! {
        #[test]
        fn every_name_is_found_and_no_other(names in prop::collection::btree_set("[a-z.]{1,12}", 0..200), other in "[a-z.]{1,12}") {
            let entry = |name: &String| (Box::from(name.as_bytes()), Command::Scripts);
            let table = Table::new(names.iter().map(entry));
            for name in &names {
                prop_assert!(table.find(&words(&name.to_uppercase())).is_some());
            }
            prop_assert_eq!(table.find(&words(&other)).is_some(), names.contains(&other));
        }

        #[test]
        fn no_words_can_panic(
            text in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..8),
            first in 0..4_usize, last in -3..4_i64, step in 0..3_usize, limit in 0..4_usize,
        ) {
            let words: Vec<&[u8]> = text.iter().map(Vec::as_slice).collect();
            let finds = [Find::Range { last, step, limit }, Find::Counted { count: first, first: limit, step }, Find::Until(Box::from(*b"a"))];
            for find in finds {
                let reads = Reads::new(last, vec![at(first, find)]);
                reads.admits(words.len());
                reads.keys(&words, 5, |_| ());
            }
        }
    }
}
