//! Deletions of keys that are not there. They fire no key event, and yet they matter: an application that invalidates a
//! key while it is being loaded (`DEL` before the load has ended) says that what the load brings is out of date.
//!
//! So the command filter looks for `DEL`, `UNLINK` and `GETDEL` of keys that are in flight or known to be absent: they are
//! *suspects* until the command has run. If a key event tells of the deletion, it has been dealt with there. If none does,
//! the key was not there, and its lease is void; in every database, for the filter does not know the client's, which
//! costs a fetch at worst. So it is with `EXPIRE` and its like, which delete at once if the time has passed: some servers
//! tell of that as if the key had expired by itself. Suspects are judged before the next command and before the next slice, so before anything could
//! be written on a void lease.
//!
//! The filter sees a command of a transaction when it is queued; its deletions are suspects again when it is executed. Where
//! the server tells which client sent a command (from Redis 7.2 on), each client's are kept apart. On Redis 7.0 all
//! transactions share one list, of names that are in flight or known to be absent when they are queued: there, a key
//! whose load begins between the queueing and the execution of its deletion is not seen. All memory is bounded by [`MOST`]
//! names for each of at most [`CLIENTS`] transactions; beyond it every lease is voided when one is executed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::state;
use crate::engine::key::Db;
use crate::engine::progress::Scope;

/// Names remembered, as suspects and for each open transaction.
const MOST: usize = 256;

/// Open transactions whose deletions are remembered; the deletions of further ones are suspects of every execution.
const CLIENTS: usize = 256;

thread_local! {
    /// Main thread.
    static DELETIONS: RefCell<Deletions> = const {
        RefCell::new(Deletions { suspects: Names::NONE, transactions: BTreeMap::new() })
    };
}

struct Deletions {
    suspects: Names,
    /// Open transactions by client; under [`Client::Unknown`], all of those that cannot be told apart.
    transactions: BTreeMap<Client, Names>,
}

/// Who sent a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Client {
    /// The server does not tell.
    Unknown,
    /// The client of this id.
    Id(u64),
}

/// A bounded list of names.
#[derive(Clone)]
struct Names {
    list: Vec<Box<[u8]>>,
    overflowed: bool,
}

impl Names {
    const NONE: Names = Names { list: Vec::new(), overflowed: false };

    fn push(&mut self, name: &[u8]) {
        if self.list.len() < MOST {
            self.list.push(name.into());
        } else {
            self.overflowed = true;
        }
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.overflowed
    }
}

/// A command was sent: by whom, and its words. Costs a look at the first word's length for most commands.
pub fn command_seen<'w>(client: impl Fn() -> Client, words: &mut impl Iterator<Item = &'w [u8]>) {
    judge();
    let Some(command) = words.next() else { return };
    let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
    let suspect = |name| suspect(&client, name);
    match command.len() {
        3 if is("DEL") => words.for_each(suspect),
        6 if is("UNLINK") => words.for_each(suspect),
        6 if is("GETDEL") || is("EXPIRE") => words.take(1).for_each(suspect),
        5 if is("GETEX") => {
            // Without an option it only reads.
            if let (Some(name), Some(_)) = (words.next(), words.next()) {
                suspect(name);
            }
        }
        7 if is("PEXPIRE") => words.take(1).for_each(suspect),
        8 if is("EXPIREAT") => words.take(1).for_each(suspect),
        9 if is("PEXPIREAT") => words.take(1).for_each(suspect),
        5 if is("MULTI") => DELETIONS.with_borrow_mut(|all| {
            let client = all.place(client());
            all.transactions.entry(client).or_insert(Names::NONE);
        }),
        5 if is("RESET") => gone(client()),
        7 if is("DISCARD") => gone(client()),
        4 if is("EXEC") => DELETIONS.with_borrow_mut(|all| {
            let own = all.transactions.remove(&client()).unwrap_or(Names::NONE);
            // Those that could not be told apart may be this client's.
            let shared = all.transactions.get_mut(&Client::Unknown).map(|names| std::mem::replace(names, Names::NONE));
            all.suspects = own;
            for name in shared.iter().flat_map(|shared| &shared.list) {
                all.suspects.push(name);
            }
            all.suspects.overflowed |= shared.is_some_and(|shared| shared.overflowed);
        }),
        _ => {}
    }
}

/// A client left, or ended its transaction without executing it.
pub fn gone(client: Client) {
    if client != Client::Unknown {
        DELETIONS.with_borrow_mut(|all| all.transactions.remove(&client));
    }
}

/// A key event told of a change of this key.
pub fn told_of(name: &[u8]) {
    DELETIONS.with_borrow_mut(|all| all.suspects.list.retain(|suspect| **suspect != *name));
}

/// Voids the leases of the suspects that no key event told of. Costs a branch when there are none.
pub fn judge() {
    let suspects = DELETIONS
        .with_borrow_mut(|all| (!all.suspects.is_empty()).then(|| std::mem::replace(&mut all.suspects, Names::NONE)));
    let Some(Names { list, overflowed }) = suspects else { return };
    state::with(|state| {
        let dbs: Vec<Db> = state.dbs.clone();
        for (name, db) in list.iter().flat_map(|name| dbs.iter().map(move |db| (name, *db))) {
            state.key_changed(db, name);
        }
        if overflowed {
            state.flights.void_all(Scope::All);
        }
    });
}

fn suspect(client: impl Fn() -> Client, name: &[u8]) {
    let concerns = state::with(|state| {
        state.dbs.iter().any(|db| state.flights.state(*db, name).is_some() || state.absent.knows(*db, name))
    });
    DELETIONS.with_borrow_mut(|all| {
        if concerns == Some(true) {
            all.suspects.push(name);
        }
        if all.transactions.is_empty() {
            return;
        }
        let client = all.place(client());
        if let Some(names) = all.transactions.get_mut(&client)
            && (client != Client::Unknown || concerns == Some(true))
        {
            names.push(name);
        }
    });
}

impl Deletions {
    /// Under whom a client's transaction is kept.
    fn place(&self, client: Client) -> Client {
        let room = self.transactions.len() < CLIENTS || self.transactions.contains_key(&client);
        if room { client } else { Client::Unknown }
    }
}
