//! Who leaves when the room is full: one file for each rule, over [`chain`], the lists they keep.

mod chain;

pub(super) mod belady;
pub(super) mod lfu;
pub(super) mod lru;
pub(super) mod s3fifo;
pub(super) mod sieve;
#[cfg(test)]
mod tests;
pub(super) mod worth;

/// An order of eviction over the keys that are held. Keys are dense numbers; all state is in arrays indexed by them.
pub(crate) trait Eviction {
    /// Without keys; ids will be below `keys`.
    fn new(keys: usize) -> Self;

    /// A key came in. It was not held.
    fn insert(&mut self, key: u32);

    /// A held key was read.
    fn touch(&mut self, key: u32);

    /// A held key left because it ran out.
    fn remove(&mut self, key: u32);

    /// Chooses a held key and forgets it, so that `newcomer` finds room; none: the newcomer is worth less than any of them.
    fn evict(&mut self, newcomer: u32) -> Option<u32>;
}
