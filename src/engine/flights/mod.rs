//! The flight table: one flight for each key that is being fetched, whoever asked. The main thread owns it.
//!
//! It is the single place of two rules. *One fetch per key*: who asks for a key that is in flight joins the flight and
//! shares its outcome. *Never replace newer data*: a flight is a lease on its key; when anybody else changes the key, the
//! lease is void, and the outcome is not written.
//!
//! Cost: [`Flights::void`], which runs for every write of the server, takes one branch while nothing is in flight and one
//! hash look-up otherwise. Joining, leaving and deadlines cost O(log n) in waiters. Landing costs O(1), whatever the
//! number of waiters: they are drawn from the [`Landed`] flight one at a time, so that releasing a crowd can be spread
//! over slices. Memory is bounded by the numbers of flights and waiters given to [`Flights::new`].
//!
//! Absent on purpose: what is fetched and how (the owner knows it by the token), values, clocks.

mod deadlines;
mod token;

use std::collections::BTreeMap;

use super::key::{Db, Key};
use super::keyed::{Keyed, Slot};
use super::progress::Scope;
use super::settlement::OrderId;
use super::time::Instant;
use deadlines::{Deadlines, Due};
pub use token::Token;
use token::Tokens;

/// The flights of type-`W` waiters; see the module's text.
#[derive(Debug)]
pub struct Flights<W> {
    table: Keyed<Flight<W>>,
    tokens: Tokens,
    deadlines: Deadlines,
    waiting: u32,
    last_ticket: u64,
    most_flights: u32,
    most_waiters: u32,
}

/// One key on its way.
#[derive(Debug)]
struct Flight<W> {
    state: FlightState,
    orders: Vec<OrderId>,
    waiters: BTreeMap<u64, Waiter<W>>,
}

#[derive(Debug)]
struct Waiter<W> {
    waiter: W,
    deadline: Option<Instant>,
}

/// What is known of a flight besides who waits for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlightState {
    /// Its number, and the client's proof that it may fill the key.
    pub token: Token,
    /// Who fetches.
    pub owner: Owner,
    /// Why its outcome may not be written.
    pub voided: Option<Void>,
    /// How often it was begun anew after it was void, or after its client did not fill.
    pub restarts: u32,
}

/// Who fetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A loader, with the owner's number of the fetch.
    Loader {
        /// The fetch.
        fetch: u64,
    },
    /// A client that took a lease.
    Client {
        /// When the lease ends.
        expires: Instant,
    },
}

/// Why a flight's outcome may not be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Void {
    /// Somebody else wrote, deleted, renamed or expired the key.
    Written,
    /// The database was flushed or swapped.
    Flushed,
    /// Newer content is known to exist at the origin.
    Outdated,
    /// Nobody wants it any more.
    Abandoned,
}

/// What beginning a flight came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Begun {
    /// The caller fetches.
    Started(Token),
    /// The key is in flight.
    Joined(FlightState),
    /// There is no room for a flight.
    Full,
}

/// A waiter's place, to leave by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket {
    slot: Slot,
    number: u64,
}

/// Why somebody could not wait; gives back what was to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused<W> {
    /// The key is not in flight.
    NotInFlight(W),
    /// Too many wait.
    Full(W),
}

/// What giving up one order's interest came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abandoned {
    /// Nobody else wanted the key: the flight is void.
    Void,
    /// Others want it: it goes on without the order.
    StillWanted,
    /// The order has no part in a flight of this key.
    NotInFlight,
}

/// What came to its time.
#[derive(Debug)]
pub enum Expired<W> {
    /// This waiter waited long enough; it is no longer in the flight, which goes on.
    Waiter {
        /// What it waited for.
        key: Key,
        /// Who waited.
        waiter: W,
    },
    /// This client's lease ended. The flight is still there: [`Flights::restart`] it for its waiters, or
    /// [`Flights::land`] it.
    Lease {
        /// The leased key.
        key: Key,
        /// The lease.
        token: Token,
    },
}

/// A flight that is over. Its waiters are drawn with [`Flights::next_waiter`] until there is none; until then they count
/// against the table's bound.
#[derive(Debug)]
#[must_use]
pub struct Landed<W> {
    /// The key.
    pub key: Key,
    /// How it ended.
    pub state: FlightState,
    /// The orders that wait for its outcome.
    pub orders: Vec<OrderId>,
    slot: Slot,
    waiters: BTreeMap<u64, Waiter<W>>,
}

impl<W> Landed<W> {
    /// Waiters that were not drawn yet.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }
}

impl<W> Flights<W> {
    /// A table of at most `most_flights` keys and, over all of them, `most_waiters` waiters. Tokens are drawn from `seed`.
    pub fn new(most_flights: u32, most_waiters: u32, seed: u64) -> Self {
        Flights {
            table: Keyed::new(seed),
            tokens: Tokens::new(seed),
            deadlines: Deadlines::default(),
            waiting: 0,
            last_ticket: 0,
            most_flights,
            most_waiters,
        }
    }

    /// Takes the lease on a key, or says who holds it.
    pub fn begin(&mut self, key: Key, owner: Owner) -> Begun {
        if let Some(slot) = self.table.find(key.db(), key.name()) {
            return Begun::Joined(self.table.at(slot).state);
        }
        if self.table.len() >= self.most_flights as usize {
            return Begun::Full;
        }
        let token = self.tokens.draw();
        let state = FlightState { token, owner, voided: None, restarts: 0 };
        let slot = self.table.insert(key, Flight { state, orders: Vec::new(), waiters: BTreeMap::new() });
        self.deadlines.add_lease(slot, &state);
        Begun::Started(token)
    }

    /// Begins a flight anew, with its waiters and orders: because it was void, or its client did not fill. The old
    /// token is worth nothing any more. `None` if the key is not in flight under `token`.
    pub fn restart(&mut self, db: Db, name: &[u8], token: Token, owner: Owner) -> Option<Token> {
        let slot = self.find_token(db, name, token)?;
        let fresh = self.tokens.draw();
        let state = &mut self.table.at_mut(slot).state;
        self.deadlines.remove_lease(slot, state);
        *state = FlightState { token: fresh, owner, voided: None, restarts: state.restarts.saturating_add(1) };
        self.deadlines.add_lease(slot, state);
        Some(fresh)
    }

    /// What is known of a key's flight.
    pub fn state(&self, db: Db, name: &[u8]) -> Option<FlightState> {
        self.table.find(db, name).map(|slot| self.table.at(slot).state)
    }

    /// Whether anybody waits for the outcome of a key's flight: a waiter or an order.
    pub fn is_wanted(&self, db: Db, name: &[u8]) -> bool {
        self.table.find(db, name).is_some_and(|slot| {
            let flight = self.table.at(slot);
            !flight.waiters.is_empty() || !flight.orders.is_empty()
        })
    }

    /// Whether a waiter waits for the outcome of a key's flight.
    pub fn has_waiters(&self, db: Db, name: &[u8]) -> bool {
        self.table.find(db, name).is_some_and(|slot| !self.table.at(slot).waiters.is_empty())
    }

    /// Lets somebody wait for a key that is in flight, until `deadline` if there is one.
    pub fn wait(&mut self, db: Db, name: &[u8], waiter: W, deadline: Option<Instant>) -> Result<Ticket, Refused<W>> {
        let Some(slot) = self.table.find(db, name) else { return Err(Refused::NotInFlight(waiter)) };
        if self.waiting >= self.most_waiters {
            return Err(Refused::Full(waiter));
        }
        self.waiting += 1;
        self.last_ticket += 1;
        let number = self.last_ticket;
        self.table.at_mut(slot).waiters.insert(number, Waiter { waiter, deadline });
        self.deadlines.add_waiter(slot, number, deadline);
        Ok(Ticket { slot, number })
    }

    /// Lets an order share the outcome of a key's flight. Says whether the key is in flight.
    pub fn join_order(&mut self, db: Db, name: &[u8], order: OrderId) -> bool {
        let Some(slot) = self.table.find(db, name) else { return false };
        let orders = &mut self.table.at_mut(slot).orders;
        if !orders.contains(&order) {
            orders.push(order);
        }
        true
    }

    /// Somebody leaves (its client is gone). `None` if it was released or left before.
    pub fn leave(&mut self, ticket: Ticket) -> Option<W> {
        self.table.try_at(ticket.slot)?;
        let gone = self.table.at_mut(ticket.slot).waiters.remove(&ticket.number)?;
        self.waiting -= 1;
        self.deadlines.remove_waiter(ticket.slot, ticket.number, gone.deadline);
        Some(gone.waiter)
    }

    /// Somebody else changed a key: if it is in flight, its outcome may not be written. Says whether it is in flight.
    /// The first reason stays.
    pub fn void(&mut self, db: Db, name: &[u8], why: Void) -> bool {
        let Some(slot) = self.table.find(db, name) else { return false };
        self.table.at_mut(slot).state.voided.get_or_insert(why);
        true
    }

    /// Databases were flushed or swapped: voids their flights and says how many there are. O(room for flights).
    pub fn void_all(&mut self, scope: Scope) -> usize {
        let mut count = 0;
        for (_, flight) in self.table.iter_mut().filter(|(key, _)| scope.holds(key.db())) {
            flight.state.voided.get_or_insert(Void::Flushed);
            count += 1;
        }
        count
    }

    /// Takes an order out of a key's flight; if nobody else wants the key, the flight is void. The caller settles the
    /// order's key.
    pub fn abandon(&mut self, db: Db, name: &[u8], order: OrderId) -> Abandoned {
        let Some(slot) = self.table.find(db, name) else { return Abandoned::NotInFlight };
        let flight = self.table.at_mut(slot);
        let Some(at) = flight.orders.iter().position(|&other| other == order) else { return Abandoned::NotInFlight };
        flight.orders.swap_remove(at);
        let leased = matches!(flight.state.owner, Owner::Client { .. });
        if leased || !flight.orders.is_empty() || !flight.waiters.is_empty() {
            return Abandoned::StillWanted;
        }
        flight.state.voided.get_or_insert(Void::Abandoned);
        Abandoned::Void
    }

    /// Whether a client may fill a key now with the token that it shows: it holds the lease, in time, and nobody changed
    /// the key since.
    pub fn may_fill(&self, now: Instant, db: Db, name: &[u8], token: Token) -> bool {
        self.find_token(db, name, token).is_some_and(|slot| {
            let state = &self.table.at(slot).state;
            let in_time = matches!(state.owner, Owner::Client { expires } if now < expires);
            in_time && state.voided.is_none()
        })
    }

    /// Ends the flight of a key: its outcome is there. `None` if the key is not in flight under `token`: the outcome is
    /// of a flight that was begun anew since.
    pub fn land(&mut self, db: Db, name: &[u8], token: Token) -> Option<Landed<W>> {
        let slot = self.find_token(db, name, token)?;
        let (key, Flight { state, orders, waiters }) = self.table.remove(slot);
        self.deadlines.remove_lease(slot, &state);
        Some(Landed { key, state, orders, slot, waiters })
    }

    /// The next waiter of a flight that is over, in order of arrival.
    pub fn next_waiter(&mut self, landed: &mut Landed<W>) -> Option<W> {
        let (number, Waiter { waiter, deadline }) = landed.waiters.pop_first()?;
        self.waiting -= 1;
        self.deadlines.remove_waiter(landed.slot, number, deadline);
        Some(waiter)
    }

    /// What came to its time; ask until there is nothing. Waiters of a landed flight are not timed out: they are about
    /// to be released.
    pub fn next_expired(&mut self, now: Instant) -> Option<Expired<W>> {
        while let Some((slot, due)) = self.deadlines.pop(now) {
            match due {
                Due::Lease(token) => {
                    return Some(Expired::Lease { key: self.table.key(slot).clone(), token });
                }
                Due::Waiter(number) => {
                    if self.table.try_at(slot).is_none() {
                        continue;
                    }
                    if let Some(Waiter { waiter, .. }) = self.table.at_mut(slot).waiters.remove(&number) {
                        self.waiting -= 1;
                        return Some(Expired::Waiter { key: self.table.key(slot).clone(), waiter });
                    }
                }
            }
        }
        None
    }

    /// When to ask for [`Flights::next_expired`] again.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// Keys in flight.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key is in flight.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Waiters, those of landed flights included until they are drawn.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// The keys in flight and their states, in no order. O(room for flights).
    pub fn iter(&self) -> impl Iterator<Item = (&Key, FlightState)> {
        self.table.iter().map(|(_, key, flight)| (key, flight.state))
    }

    /// Bytes of memory held, without what the waiters own; an estimate.
    pub fn memory(&self) -> usize {
        let waiter = size_of::<(u64, Waiter<W>)>() + size_of::<(Instant, Due)>();
        self.table.bytes() + self.waiting as usize * waiter
    }

    fn find_token(&self, db: Db, name: &[u8], token: Token) -> Option<Slot> {
        self.table.find(db, name).filter(|&slot| self.table.at(slot).state.token == token)
    }
}

#[cfg(test)]
mod tests;
