//! Least recently used: who was not read for the longest time leaves. A key that comes in counts as read.

use super::Eviction;
use super::chain::{Links, List};

/// The held keys by their last read.
#[derive(Debug)]
pub(crate) struct Lru {
    links: Links,
    held: List,
}

impl Eviction for Lru {
    fn new(keys: usize) -> Self {
        Lru { links: Links::new(keys), held: List::EMPTY }
    }

    fn insert(&mut self, key: u32) {
        self.links.push(&mut self.held, key);
    }

    fn touch(&mut self, key: u32) {
        self.links.renew(&mut self.held, key);
    }

    fn remove(&mut self, key: u32) {
        self.links.remove(&mut self.held, key);
    }

    fn evict(&mut self, _newcomer: u32) -> Option<u32> {
        self.links.pop(&mut self.held)
    }
}
