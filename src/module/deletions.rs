//! Deletions of keys that are not there. They fire no key event, and yet they matter: an application that invalidates a
//! key while it is being loaded (`DEL` before the load has ended) says that what the load brings is out of date.
//!
//! So the command filter looks for `DEL`, `UNLINK` and `GETDEL`, and voids the leases on their keys. The
//! filter does not know the client's database: a lease on a key of that name is void in every database, which costs a
//! fetch at worst. It sees a command of a transaction when it is queued, not when it is executed; therefore names that
//! were deleted while a transaction was open are remembered, and voided again when one is executed. The memory is
//! bounded by [`REMEMBERED`]; beyond it every lease is voided.

use std::cell::RefCell;

use super::state;
use crate::engine::progress::Scope;

/// Names remembered for open transactions.
const REMEMBERED: usize = 256;

thread_local! {
    /// Main thread.
    static OPEN: RefCell<Open> = const { RefCell::new(Open { transactions: 0, names: Vec::new(), overflowed: false }) };
}

/// What is known of transactions that clients have begun. A client that leaves within one is never missed: then the names
/// are voided once too often.
struct Open {
    transactions: u32,
    names: Vec<Box<[u8]>>,
    overflowed: bool,
}

/// A command was sent: its words. Costs a look at the first word's length for most commands.
pub fn command_seen<'w>(words: &mut impl Iterator<Item = &'w [u8]>) {
    let Some(command) = words.next() else { return };
    let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
    match command.len() {
        3 if is("DEL") => words.for_each(deleted),
        6 if is("UNLINK") => words.for_each(deleted),
        6 if is("GETDEL") => words.take(1).for_each(deleted),
        5 if is("MULTI") => OPEN.with_borrow_mut(|open| open.transactions = open.transactions.saturating_add(1)),
        7 if is("DISCARD") => close(),
        4 if is("EXEC") => {
            OPEN.with_borrow(|open| {
                open.names.iter().for_each(|name| void(name));
                if open.overflowed {
                    state::with(|state| state.flights.void_all(Scope::All));
                }
            });
            close();
        }
        _ => {}
    }
}

fn deleted(name: &[u8]) {
    void(name);
    OPEN.with_borrow_mut(|open| {
        if open.transactions == 0 {
            return;
        }
        if open.names.len() < REMEMBERED {
            open.names.push(name.into());
        } else {
            open.overflowed = true;
        }
    });
}

fn void(name: &[u8]) {
    state::with(|state| state.deleted(name));
}

fn close() {
    OPEN.with_borrow_mut(|open| {
        open.transactions = open.transactions.saturating_sub(1);
        if open.transactions == 0 {
            open.names.clear();
            open.overflowed = false;
        }
    });
}
