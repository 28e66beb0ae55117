//! What happens at which time: instants with a key, taken out in the order of time.
//!
//! With one TTL for all, copies run out in the order in which they were fetched; so what is not earlier than everything
//! before it joins a queue in constant time, and only the rest goes through a heap. 16 bytes each. Nothing is taken back: who
//! takes an instant out checks that it still means something (a copy's expiry is still this one).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Instants in milliseconds, each with a key.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    rising: VecDeque<(u64, u32)>,
    others: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Expiries {
    /// Adds an instant.
    pub(crate) fn push(&mut self, at: u64, key: u32) {
        if self.rising.back().is_none_or(|&(last, _)| last <= at) {
            self.rising.push_back((at, key));
        } else {
            self.others.push(Reverse((at, key)));
        }
    }

    /// Takes out the earliest instant at or before `until`.
    pub(crate) fn pop(&mut self, until: u64) -> Option<(u64, u32)> {
        let queued = self.rising.front().map(|&(at, _)| at);
        let heaped = self.others.peek().map(|&Reverse((at, _))| at);
        match (queued, heaped) {
            (Some(at), heaped) if heaped.is_none_or(|other| at <= other) => {
                (at <= until).then(|| self.rising.pop_front()).flatten()
            }
            (_, Some(at)) if at <= until => self.others.pop().map(|Reverse(entry)| entry),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everything_comes_out_once_in_order_and_not_early(
            steps in prop::collection::vec((0_u64..50, any::<bool>()), 0..200),
        ) {
            let (mut expiries, mut model) = (Expiries::default(), Vec::new());
            for (key, (at, push)) in steps.into_iter().enumerate() {
                if push {
                    expiries.push(at, key as u32);
                    model.push(at);
                } else {
                    model.sort_unstable();
                    let due = model.partition_point(|&time| time <= at);
                    let expected: Vec<u64> = model.drain(..due).collect();
                    let found: Vec<u64> = std::iter::from_fn(|| expiries.pop(at)).map(|(time, _)| time).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
