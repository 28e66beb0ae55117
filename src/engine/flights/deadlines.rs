//! Who must be told by when: one ordered set of waiters' and leases' deadlines. Every operation is O(log n).

use std::collections::BTreeSet;

use super::super::keyed::Slot;
use super::super::time::Instant;
use super::{FlightState, Owner, Token};

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    /// The waiter with this number.
    Waiter(u64),
    /// The client with this token.
    Lease(Token),
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    set: BTreeSet<(Instant, Slot, Due)>,
}

impl Deadlines {
    pub(super) fn add_waiter(&mut self, slot: Slot, number: u64, deadline: Option<Instant>) {
        self.set.extend(deadline.map(|at| (at, slot, Due::Waiter(number))));
    }

    pub(super) fn remove_waiter(&mut self, slot: Slot, number: u64, deadline: Option<Instant>) {
        if let Some(at) = deadline {
            self.set.remove(&(at, slot, Due::Waiter(number)));
        }
    }

    pub(super) fn add_lease(&mut self, slot: Slot, state: &FlightState) {
        if let Owner::Client { expires } = state.owner {
            self.set.insert((expires, slot, Due::Lease(state.token)));
        }
    }

    pub(super) fn remove_lease(&mut self, slot: Slot, state: &FlightState) {
        if let Owner::Client { expires } = state.owner {
            self.set.remove(&(expires, slot, Due::Lease(state.token)));
        }
    }

    /// The earliest deadline.
    pub(super) fn first(&self) -> Option<Instant> {
        self.set.first().map(|&(at, ..)| at)
    }

    /// Takes the earliest deadline if it has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Slot, Due)> {
        let &(at, ..) = self.set.first()?;
        if now < at {
            return None;
        }
        self.set.pop_first().map(|(_, slot, due)| (slot, due))
    }
}
