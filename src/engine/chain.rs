//! A doubly linked list through the values of a [`Keyed`] table: first in, first out, with O(1) removal anywhere and
//! eight bytes a value.

use super::keyed::{Keyed, Slot};

const END: Slot = Slot::MAX;

/// A value's neighbours in the chain that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: Slot,
    after: Slot,
}

impl Default for Links {
    fn default() -> Self {
        Links { before: END, after: END }
    }
}

/// A value that can be in one chain at a time.
pub(super) trait Linked {
    /// Its neighbours.
    fn links(&self) -> &Links;
    /// Its neighbours, to be changed.
    fn links_mut(&mut self) -> &mut Links;
}

/// The two ends of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    head: Slot,
    tail: Slot,
}

impl Chain {
    /// A chain without values.
    pub(super) fn new() -> Self {
        Chain { head: END, tail: END }
    }

    /// The value that has been in the chain longest.
    pub(super) fn head(&self) -> Option<Slot> {
        (self.head != END).then_some(self.head)
    }

    /// Adds the value at `slot`, which is in no chain, at the end.
    pub(super) fn push<V: Linked>(&mut self, table: &mut Keyed<V>, slot: Slot) {
        *table.at_mut(slot).links_mut() = Links { before: self.tail, after: END };
        match self.tail {
            END => self.head = slot,
            tail => table.at_mut(tail).links_mut().after = slot,
        }
        self.tail = slot;
    }

    /// Takes the value at `slot` out of this chain, which it is in.
    pub(super) fn unlink<V: Linked>(&mut self, table: &mut Keyed<V>, slot: Slot) {
        let Links { before, after } = *table.at(slot).links();
        match before {
            END => self.head = after,
            before => table.at_mut(before).links_mut().after = after,
        }
        match after {
            END => self.tail = before,
            after => table.at_mut(after).links_mut().before = before,
        }
    }

    /// The values' places, oldest first.
    pub(super) fn iter<'t, V: Linked>(&self, table: &'t Keyed<V>) -> impl Iterator<Item = Slot> + use<'t, V> {
        std::iter::successors(self.head(), move |&slot| {
            let after = table.at(slot).links().after;
            (after != END).then_some(after)
        })
    }
}
