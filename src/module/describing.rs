//! What origins say of keys' content, on its way to the engine: gathered while values are written, sent with the slice.

use super::engine_thread::Message;
use super::state::State;
use crate::engine::foresight::forecast::ContentFeature;
use crate::engine::key::Key;

/// A key and its features.
pub type Description = (Key, Vec<ContentFeature>);

/// Descriptions that wait; further ones are dropped, and come again with the key's next load.
const MOST: usize = 4096;

/// Descriptions that wait to be sent.
#[derive(Debug, Default)]
pub struct Described {
    waiting: Vec<Description>,
}

impl Described {
    /// Notes what a key is like.
    pub fn note(&mut self, key: &Key, features: Vec<ContentFeature>) {
        if !features.is_empty() && self.waiting.len() < MOST {
            self.waiting.push((key.clone(), features));
        }
    }
}

impl State {
    /// Sends what waits; without room it waits on.
    pub fn send_described(&mut self) {
        if self.described.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.described.waiting);
        if let Err(Message::Describe(waiting)) = self.engine.send(Message::Describe(waiting)) {
            self.described.waiting = waiting;
        }
    }
}
