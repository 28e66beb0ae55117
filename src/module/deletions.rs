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
//! The filter sees a command of a transaction when it is queued. Names that were deleted while a transaction was open
//! are suspects again when one is executed. All memory is bounded by [`MOST`]; beyond it every lease is voided.

use std::cell::RefCell;

use super::state;
use crate::engine::key::Db;
use crate::engine::progress::Scope;

/// Names remembered, as suspects and for open transactions each.
const MOST: usize = 256;

thread_local! {
    /// Main thread.
    static DELETIONS: RefCell<Deletions> = const {
        RefCell::new(Deletions { suspects: Names::NONE, transactions: 0, queued: Names::NONE })
    };
}

struct Deletions {
    suspects: Names,
    /// Transactions that clients have begun. A refused MULTI within one counts as another: then names are suspected once
    /// too often.
    transactions: u32,
    queued: Names,
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

/// A command was sent: its words. Costs a look at the first word's length for most commands.
pub fn command_seen<'w>(words: &mut impl Iterator<Item = &'w [u8]>) {
    judge();
    let Some(command) = words.next() else { return };
    let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
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
        5 if is("MULTI") => DELETIONS.with_borrow_mut(|all| all.transactions = all.transactions.saturating_add(1)),
        7 if is("DISCARD") => DELETIONS.with_borrow_mut(Deletions::close),
        4 if is("EXEC") => DELETIONS.with_borrow_mut(|all| {
            all.suspects = all.queued.clone();
            if all.suspects.overflowed {
                all.queued = Names::NONE;
            }
            all.close();
        }),
        _ => {}
    }
}

/// A client left within a transaction.
pub fn abandoned() {
    DELETIONS.with_borrow_mut(Deletions::close);
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

fn suspect(name: &[u8]) {
    let concerns = state::with(|state| {
        state.dbs.iter().any(|db| state.flights.state(*db, name).is_some() || state.absent.knows(*db, name))
    });
    if concerns == Some(true) {
        DELETIONS.with_borrow_mut(|all| {
            all.suspects.push(name);
            if all.transactions > 0 {
                all.queued.push(name);
            }
        });
    }
}

impl Deletions {
    /// A transaction ended.
    fn close(&mut self) {
        self.transactions = self.transactions.saturating_sub(1);
        if self.transactions == 0 {
            self.queued = Names::NONE;
        }
    }
}
