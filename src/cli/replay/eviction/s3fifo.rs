//! S3-FIFO: a tenth of the room is for newcomers; those that were read twice there move to the main queue, the others leave
//! and are remembered for a while, and enter the main queue at once if they come back meanwhile. In the main queue who was
//! read goes round again, up to three times.
//!
//! The memory of who left is a number for each key, its place in the order of leaving; it lasts for as many leavings as
//! there are keys in the main queue. 14 bytes a key. Yang et al., "FIFO queues are all you need", SOSP 2023.

use super::Eviction;
use super::chain::{Links, List};

/// The held keys in two queues.
#[derive(Debug)]
pub(crate) struct S3Fifo {
    links: Links,
    small: List,
    main: List,
    state: Vec<State>,
    leavings: u32,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The number of the leaving, from 1; 0: never left.
    left: u32,
    reads: u8,
    queue: Queue,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Queue {
    Small,
    Main,
}

impl S3Fifo {
    fn remembers(&self, key: u32) -> bool {
        let left = self.state[key as usize].left;
        left > 0 && self.leavings - left < self.main.len()
    }

    fn enter_main(&mut self, key: u32, reads: u8) {
        let state = &mut self.state[key as usize];
        (state.queue, state.reads) = (Queue::Main, reads);
        self.links.push(&mut self.main, key);
    }
}

impl Eviction for S3Fifo {
    fn new(keys: usize) -> Self {
        let state = vec![State { left: 0, reads: 0, queue: Queue::Small }; keys];
        S3Fifo { links: Links::new(keys), small: List::EMPTY, main: List::EMPTY, state, leavings: 0 }
    }

    fn insert(&mut self, key: u32) {
        if self.remembers(key) {
            self.enter_main(key, 0);
        } else {
            let state = &mut self.state[key as usize];
            (state.queue, state.reads) = (Queue::Small, 0);
            self.links.push(&mut self.small, key);
        }
    }

    fn touch(&mut self, key: u32) {
        let state = &mut self.state[key as usize];
        state.reads = (state.reads + 1).min(MOST_READS);
    }

    fn remove(&mut self, key: u32) {
        match self.state[key as usize].queue {
            Queue::Small => self.links.remove(&mut self.small, key),
            Queue::Main => self.links.remove(&mut self.main, key),
        }
    }

    fn evict(&mut self, _newcomer: u32) -> Option<u32> {
        loop {
            let share = (self.small.len() + self.main.len()) / SMALL_SHARE;
            if self.small.len() > share || self.main.len() == 0 {
                let key = self.links.pop(&mut self.small)?;
                if self.state[key as usize].reads > 1 {
                    self.enter_main(key, 0);
                    continue;
                }
                self.leavings += 1;
                self.state[key as usize].left = self.leavings;
                return Some(key);
            }
            let key = self.links.pop(&mut self.main)?;
            match self.state[key as usize].reads {
                0 => return Some(key),
                reads => self.enter_main(key, reads - 1),
            }
        }
    }
}

const SMALL_SHARE: u32 = 10;
const MOST_READS: u8 = 3;
