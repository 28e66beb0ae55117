//! Belady's rule: who is asked for furthest in the future leaves, and who comes in is itself among the candidates. Optimal
//! for values of one size; only a replay can know the future, and its owner says it with [`expect`](Belady::expect).
//!
//! A heap with an entry for each time that a held key's future became known; those that are out of date are skipped when
//! they come to the top. O(log n) a request.

use std::collections::BinaryHeap;

use super::Eviction;

/// The held keys by their next request.
#[derive(Debug)]
pub(crate) struct Belady {
    next: Vec<Future>,
    furthest: BinaryHeap<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Future {
    at: u32,
    held: bool,
}

impl Belady {
    /// The next request that a copy of `key` can serve, or [`USELESS`].
    pub(crate) fn expect(&mut self, key: u32, at: u32) {
        if let Some(next) = self.next.get_mut(key as usize) {
            next.at = at;
            if next.held {
                self.furthest.push((at, key));
            }
        }
    }
}

impl Eviction for Belady {
    fn new(keys: usize) -> Self {
        Belady { next: vec![Future { at: USELESS, held: false }; keys], furthest: BinaryHeap::new() }
    }

    fn insert(&mut self, key: u32) {
        let next = &mut self.next[key as usize];
        next.held = true;
        self.furthest.push((next.at, key));
    }

    fn touch(&mut self, _key: u32) {}

    fn remove(&mut self, key: u32) {
        self.next[key as usize].held = false;
    }

    fn evict(&mut self, newcomer: u32) -> Option<u32> {
        let candidate = self.next[newcomer as usize].at;
        loop {
            let &(at, key) = self.furthest.peek()?;
            let next = self.next[key as usize];
            if next.held && next.at == at {
                if at <= candidate && key != newcomer {
                    return None;
                }
                self.next[key as usize].held = false;
                self.furthest.pop();
                return Some(key);
            }
            self.furthest.pop();
        }
    }
}

/// A copy that serves nothing more.
pub(crate) const USELESS: u32 = u32::MAX;
