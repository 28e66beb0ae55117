//! Doubly linked lists over dense numbers, in arrays: no allocation, constant time. A key is in at most one list of those
//! that share their links. 8 bytes a key.

/// Ends a list.
pub(super) const NONE: u32 = u32::MAX;

/// The links of all keys.
#[derive(Debug)]
pub(super) struct Links(Vec<Link>);

/// One list over some [`Links`].
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    newest: u32,
    oldest: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

impl Links {
    /// For keys below `keys`.
    pub(super) fn new(keys: usize) -> Self {
        Links(vec![Link { newer: NONE, older: NONE }; keys])
    }

    /// Appends a key that is in no list.
    pub(super) fn push(&mut self, list: &mut List, key: u32) {
        self.0[key as usize] = Link { newer: NONE, older: list.newest };
        match list.newest {
            NONE => list.oldest = key,
            newest => self.0[newest as usize].newer = key,
        }
        list.newest = key;
        list.len += 1;
    }

    /// Takes a key out of the list that it is in.
    pub(super) fn remove(&mut self, list: &mut List, key: u32) {
        let Link { newer, older } = self.0[key as usize];
        match newer {
            NONE => list.newest = older,
            newer => self.0[newer as usize].older = older,
        }
        match older {
            NONE => list.oldest = newer,
            older => self.0[older as usize].newer = newer,
        }
        list.len -= 1;
    }

    /// Takes out the oldest.
    pub(super) fn pop(&mut self, list: &mut List) -> Option<u32> {
        let oldest = list.oldest()?;
        self.remove(list, oldest);
        Some(oldest)
    }

    /// Makes a key the newest of its list.
    pub(super) fn renew(&mut self, list: &mut List, key: u32) {
        if list.newest != key {
            self.remove(list, key);
            self.push(list, key);
        }
    }

    /// Moves all of `from` behind the newest of `into`.
    pub(super) fn append(&mut self, into: &mut List, from: List) {
        match (into.oldest(), from.oldest()) {
            (_, None) => {}
            (None, Some(_)) => *into = from,
            (Some(_), Some(first)) => {
                self.0[into.newest as usize].newer = first;
                self.0[first as usize].older = into.newest;
                *into = List { newest: from.newest, oldest: into.oldest, len: into.len + from.len };
            }
        }
    }

    /// The next newer key, or [`NONE`].
    pub(super) fn newer(&self, key: u32) -> u32 {
        self.0[key as usize].newer
    }
}

impl List {
    /// An empty list.
    pub(super) const EMPTY: List = List { newest: NONE, oldest: NONE, len: 0 };

    /// The one that came first.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// How many keys.
    pub(super) fn len(&self) -> u32 {
        self.len
    }
}
