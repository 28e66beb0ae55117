//! The least worth of a sample leaves, as where a server's own policy works on hints.
//!
//! Each key has a number that says what it is worth; of [`LOOKED_AT`] held keys at random the one worth least leaves. The
//! newcomer is not spared. Which keys left is noted for whoever must know.

use super::Eviction;

/// Keys looked at for a victim: Redis looks at 5 and remembers the best 16 of earlier looks.
const LOOKED_AT: usize = 16;

/// The held keys and what all are worth.
#[derive(Debug)]
pub(crate) struct Worth {
    worth: Vec<f64>,
    held: Vec<u32>,
    place: Vec<u32>,
    left: Vec<u32>,
    chance: u64,
}

impl Worth {
    /// Says what a key is worth.
    pub(crate) fn set(&mut self, key: u32, worth: f64) {
        if let Some(place) = self.worth.get_mut(key as usize) {
            *place = worth;
        }
    }

    /// The keys that had to leave since the last call.
    pub(crate) fn left(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.left)
    }

    fn drop(&mut self, key: u32) {
        let place = self.place[key as usize];
        self.held.swap_remove(place as usize);
        if let Some(&moved) = self.held.get(place as usize) {
            self.place[moved as usize] = place;
        }
    }

    fn draw(&mut self) -> usize {
        self.chance = self.chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.chance >> 33) as usize % self.held.len()
    }
}

impl Eviction for Worth {
    fn new(keys: usize) -> Self {
        Worth { worth: vec![0.0; keys], held: Vec::new(), place: vec![0; keys], left: Vec::new(), chance: 1 }
    }

    fn insert(&mut self, key: u32) {
        self.place[key as usize] = self.held.len() as u32;
        self.held.push(key);
    }

    fn touch(&mut self, _key: u32) {}

    fn remove(&mut self, key: u32) {
        self.drop(key);
    }

    fn evict(&mut self, _newcomer: u32) -> Option<u32> {
        if self.held.is_empty() {
            return None;
        }
        let looked_at: [u32; LOOKED_AT] = std::array::from_fn(|_| {
            let place = self.draw();
            self.held[place]
        });
        let worth = |key: &u32| self.worth[*key as usize];
        let victim = looked_at.into_iter().min_by(|a, b| worth(a).total_cmp(&worth(b)))?;
        self.drop(victim);
        self.left.push(victim);
        Some(victim)
    }
}
