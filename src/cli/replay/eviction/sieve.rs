//! SIEVE: keys stand in the order in which they came in; a hand goes from old to new, passes over those that were read
//! since it last came by, and evicts the first that was not.
//!
//! A read sets a bit and moves nothing. 9 bytes a key. Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.

use super::Eviction;
use super::chain::{Links, List, NONE};

/// The held keys by their arrival.
#[derive(Debug)]
pub(crate) struct Sieve {
    links: Links,
    held: List,
    visited: Vec<bool>,
    hand: u32,
}

impl Eviction for Sieve {
    fn new(keys: usize) -> Self {
        Sieve { links: Links::new(keys), held: List::EMPTY, visited: vec![false; keys], hand: NONE }
    }

    fn insert(&mut self, key: u32) {
        self.visited[key as usize] = false;
        self.links.push(&mut self.held, key);
    }

    fn touch(&mut self, key: u32) {
        self.visited[key as usize] = true;
    }

    fn remove(&mut self, key: u32) {
        if self.hand == key {
            self.hand = self.links.newer(key);
        }
        self.links.remove(&mut self.held, key);
    }

    fn evict(&mut self, _newcomer: u32) -> Option<u32> {
        loop {
            let key = if self.hand == NONE { self.held.oldest()? } else { self.hand };
            self.hand = self.links.newer(key);
            if !std::mem::take(&mut self.visited[key as usize]) {
                self.links.remove(&mut self.held, key);
                return Some(key);
            }
        }
    }
}
