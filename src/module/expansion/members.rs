//! Where the names of a target come from: the members of a collection, keys that the engine knows, keys that exist.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use foldhash::fast::RandomState;

use crate::engine::Engine;
use crate::engine::foresight::Selection;
use crate::engine::foresight::forecast::{Class, Ranked};
use crate::engine::key::Db;
use crate::engine::pattern::Pattern;
use crate::engine::time::Now;
use crate::module::api::Context;
use crate::module::api::call::Effect;
use crate::module::engine_thread::Message;
use crate::module::reply::Refusal;
use crate::module::state;

/// Members read in one step, of a collection or of all keys.
const MEMBERS_A_STEP: usize = 64;

/// What a target asks of the engine.
#[derive(Debug)]
pub enum Listing {
    /// The keys with the most requests expected.
    Top(Selection),
    /// Tracked keys of one database that a pattern matches, at most so many.
    Matching(Pattern, Db, usize),
}

/// What the engine knows.
#[derive(Debug, Default)]
pub struct Listed {
    names: Vec<Vec<u8>>,
    hashes: Hashes,
}

/// The names that were listed, so that those that exist are not met twice. Two names of one hash are one in 2^64.
#[derive(Debug, Default)]
struct Hashes {
    set: HashSet<u64, RandomState>,
    hasher: RandomState,
}

/// Where more names come from.
#[derive(Debug)]
pub(super) enum Members {
    /// Nowhere.
    None,
    /// A set.
    Set { collection: Vec<u8>, cursor: Vec<u8> },
    /// A sorted set.
    Sorted { collection: Vec<u8>, next: u64 },
    /// A list.
    List { collection: Vec<u8>, next: u64 },
    /// The engine; then, for a pattern, what exists, up to so many in all.
    Listed { answer: Receiver<Listed>, then: Option<(Pattern, usize)> },
    /// The keys of the database that a pattern matches.
    Existing(Box<Scan>),
}

/// A walk over all keys.
#[derive(Debug)]
pub(super) struct Scan {
    cursor: Vec<u8>,
    pattern: Pattern,
    glob: Vec<u8>,
    left: usize,
    listed: Hashes,
}

/// What is there of a source.
#[derive(Debug)]
pub(super) enum Batch {
    /// The next names; maybe none, although more come.
    Names(Vec<Vec<u8>>),
    /// The engine has not answered yet.
    NotYet,
}

impl Listing {
    /// What the engine knows. Runs on its thread.
    pub fn answered(&self, now: Now, engine: &Engine) -> Listed {
        let (ranked, db) = match self {
            Listing::Top(selection) => (engine.top(now, selection), None),
            Listing::Matching(pattern, db, limit) => (engine.matching(now, pattern, *limit), Some(*db)),
        };
        let here = |ranked: &Ranked| db.is_none_or(|db| ranked.key.db() == db);
        let names: Vec<Vec<u8>> =
            ranked.iter().filter(|ranked| here(ranked)).map(|ranked| ranked.key.name().to_vec()).collect();
        let mut hashes = Hashes::default();
        if db.is_some() {
            hashes.set.extend(names.iter().map(|name| hashes.hasher.hash_one(name.as_slice())));
        }
        Listed { names, hashes }
    }
}

impl Members {
    /// The members of a collection.
    pub(super) fn of(ctx: &Context<'_>, collection: Vec<u8>) -> Result<Self, Refusal> {
        let kind = ctx.call(c"TYPE", Effect::Read, &[&collection]).map_err(Refusal::Argument)?;
        match kind.bytes() {
            b"set" => Ok(Members::Set { collection, cursor: b"0".to_vec() }),
            b"zset" => Ok(Members::Sorted { collection, next: 0 }),
            b"list" => Ok(Members::List { collection, next: 0 }),
            b"none" => Ok(Members::None),
            _ => Err(Refusal::WrongType),
        }
    }

    /// Whether no more names come.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Members::None)
    }

    /// Tracked keys of a database that a pattern matches, the most expected first, and then those that exist; at most
    /// `limit`.
    pub(super) fn matching(db: Db, pattern: Pattern, limit: usize) -> Result<Self, Refusal> {
        let answer = ask(Listing::Matching(pattern.clone(), db, limit))?;
        Ok(Members::Listed { answer, then: Some((pattern, limit)) })
    }

    /// The tracked keys of a database that the most requests are expected for.
    pub(super) fn top(db: Db, count: usize, class: Option<Class>) -> Result<Self, Refusal> {
        let answer = ask(Listing::Top(Selection { count, class, db: Some(db), horizon: None }))?;
        Ok(Members::Listed { answer, then: None })
    }

    /// The next names; the source is none once it is read out. A collection that was deleted or changed its type
    /// meanwhile has no more members.
    pub(super) fn next(&mut self, ctx: &Context<'_>) -> Batch {
        match self {
            Members::Listed { answer, .. } => match answer.try_recv() {
                Ok(listed) => Batch::Names(self.listed(listed)),
                Err(TryRecvError::Empty) => Batch::NotYet,
                // The engine was built anew meanwhile.
                Err(TryRecvError::Disconnected) => Batch::Names(self.listed(Listed::default())),
            },
            _ => Batch::Names(self.read(ctx)),
        }
    }

    /// Takes over what the engine listed, and goes on with what exists beside it.
    fn listed(&mut self, listed: Listed) -> Vec<Vec<u8>> {
        let Listed { names, hashes } = listed;
        *self = match std::mem::replace(self, Members::None) {
            Members::Listed { then: Some((pattern, limit)), .. } if names.len() < limit => {
                let glob = glob(pattern.literal_prefix());
                let left = limit - names.len();
                Members::Existing(Box::new(Scan { cursor: b"0".to_vec(), pattern, glob, left, listed: hashes }))
            }
            _ => Members::None,
        };
        names
    }

    fn read(&mut self, ctx: &Context<'_>) -> Vec<Vec<u8>> {
        let owned = |names: Vec<&[u8]>| names.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        match self {
            Members::None | Members::Listed { .. } => Vec::new(),
            Members::Existing(scan) => {
                let names = scan.next(ctx);
                if scan.is_over() {
                    *self = Members::None;
                }
                names
            }
            Members::Set { collection, cursor } => {
                let count = MEMBERS_A_STEP.to_string();
                let args: [&[u8]; 4] = [collection, cursor, b"COUNT", count.as_bytes()];
                let (names, next) = match ctx.call(c"SSCAN", Effect::Read, &args) {
                    Ok(answer) => (owned(answer.strings_in(1)), answer.bytes_in(0).to_vec()),
                    Err(_) => (Vec::new(), b"0".to_vec()),
                };
                if next == b"0" {
                    *self = Members::None;
                } else {
                    *cursor = next;
                }
                names
            }
            Members::Sorted { collection, next } => {
                let names = range(ctx, c"ZREVRANGE", collection, *next);
                self.moved_on(names)
            }
            Members::List { collection, next } => {
                let names = range(ctx, c"LRANGE", collection, *next);
                self.moved_on(names)
            }
        }
    }

    fn moved_on(&mut self, names: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if names.len() < MEMBERS_A_STEP {
            *self = Members::None;
        } else if let Members::Sorted { next, .. } | Members::List { next, .. } = self {
            *next += names.len() as u64;
        }
        names
    }
}

fn range(ctx: &Context<'_>, command: &std::ffi::CStr, collection: &[u8], from: u64) -> Vec<Vec<u8>> {
    let (from, to) = (from.to_string(), (from + MEMBERS_A_STEP as u64 - 1).to_string());
    match ctx.call(command, Effect::Read, &[collection, from.as_bytes(), to.as_bytes()]) {
        Ok(answer) => answer.strings().into_iter().map(<[u8]>::to_vec).collect(),
        Err(_) => Vec::new(),
    }
}

impl Scan {
    /// The next keys that match and were not listed before.
    fn next(&mut self, ctx: &Context<'_>) -> Vec<Vec<u8>> {
        let count = MEMBERS_A_STEP.to_string();
        let args: [&[u8]; 5] = [&self.cursor, b"MATCH", &self.glob, b"COUNT", count.as_bytes()];
        let Ok(answer) = ctx.call(c"SCAN", Effect::Read, &args) else {
            self.left = 0;
            return Vec::new();
        };
        let new = |name: &&[u8]| self.pattern.is_match(name) && !self.listed.contain(name);
        let names: Vec<Vec<u8>> =
            answer.strings_in(1).into_iter().filter(new).take(self.left).map(<[u8]>::to_vec).collect();
        self.left -= names.len();
        let cursor = answer.bytes_in(0);
        if cursor == b"0" || cursor.is_empty() {
            self.left = 0;
        } else {
            self.cursor = cursor.to_vec();
        }
        names
    }

    fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl Hashes {
    fn contain(&self, name: &[u8]) -> bool {
        self.set.contains(&self.hasher.hash_one(name))
    }
}

fn ask(listing: Listing) -> Result<Receiver<Listed>, Refusal> {
    let (reply, answer) = bounded(1);
    let sent = state::with(|state| state.engine.send(Message::List(listing, reply)));
    sent.and_then(Result::ok).map(|()| answer).ok_or(Refusal::ENGINE_BUSY)
}

/// A glob for all names that begin so.
fn glob(prefix: &[u8]) -> Vec<u8> {
    let mut glob = Vec::with_capacity(prefix.len() + 1);
    for byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            glob.push(b'\\');
        }
        glob.push(*byte);
    }
    glob.push(b'*');
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_literally() {
        assert_eq!(glob(b"content:"), b"content:*");
        assert_eq!(glob(b"a[b]?*\\"), b"a\\[b\\]\\?\\*\\\\*");
        assert_eq!(glob(b""), b"*");
    }
}
