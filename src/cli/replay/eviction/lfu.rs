//! Least frequently used, with aging: who was read least often since it came in leaves; of several, who came to that count
//! first.
//!
//! Exact, not sampled as in Redis: a list for each count up to 255, constant time. A key comes in with a count of one. Once
//! held keys were read ten times their number, all counts are halved: neighbouring lists are joined, and a key learns of it
//! when it is next touched. 16 bytes a key.

use super::Eviction;
use super::chain::{Links, List};

/// The held keys by how often they were read.
#[derive(Debug)]
pub(crate) struct Lfu {
    links: Links,
    counts: Vec<Count>,
    levels: Vec<List>,
    held: u64,
    reads: u64,
    halvings: u32,
}

/// A count as it was after so many halvings.
#[derive(Clone, Copy, Debug)]
struct Count {
    count: u8,
    halvings: u32,
}

impl Lfu {
    fn level(&self, key: u32) -> usize {
        let Count { count, halvings } = self.counts[key as usize];
        usize::from(count.checked_shr(self.halvings - halvings).unwrap_or(0))
    }

    fn place(&mut self, key: u32, level: usize) {
        self.counts[key as usize] = Count { count: level as u8, halvings: self.halvings };
        self.links.push(&mut self.levels[level], key);
    }

    fn halve(&mut self) {
        self.halvings += 1;
        let before = std::mem::replace(&mut self.levels, vec![List::EMPTY; MOST + 1]);
        for (count, list) in before.into_iter().enumerate() {
            self.links.append(&mut self.levels[count / 2], list);
        }
    }
}

impl Eviction for Lfu {
    fn new(keys: usize) -> Self {
        Lfu {
            links: Links::new(keys),
            counts: vec![Count { count: 0, halvings: 0 }; keys],
            levels: vec![List::EMPTY; MOST + 1],
            held: 0,
            reads: 0,
            halvings: 0,
        }
    }

    fn insert(&mut self, key: u32) {
        self.held += 1;
        self.place(key, 1);
    }

    fn touch(&mut self, key: u32) {
        let level = self.level(key);
        self.links.remove(&mut self.levels[level], key);
        self.place(key, (level + 1).min(MOST));
        self.reads += 1;
        if self.reads >= self.held * READS_PER_HALVING {
            self.reads = 0;
            self.halve();
        }
    }

    fn remove(&mut self, key: u32) {
        let level = self.level(key);
        self.held -= 1;
        self.links.remove(&mut self.levels[level], key);
    }

    fn evict(&mut self, _newcomer: u32) -> Option<u32> {
        let lowest = self.levels.iter_mut().find(|list| list.len() > 0)?;
        self.held -= 1;
        self.links.pop(lowest)
    }
}

const MOST: usize = 255;
const READS_PER_HALVING: u64 = 10;
