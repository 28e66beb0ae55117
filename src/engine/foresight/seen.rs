//! What is seen to happen to a key: the engine's sixth input.

use crate::engine::key::Db;
use crate::engine::time::Wall;

/// One thing that happened to one key.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The database.
    pub db: Db,
    /// The key's bytes.
    pub name: &'a [u8],
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What<'a> {
    /// A read command named the key; whether it found it is told by a [`What::Missed`] right after, or not.
    Read {
        /// How many accesses this one stands for, when only one in so many is watched; 0 is taken as 1.
        count: u32,
        /// Who read it, where the server tells.
        client: Option<u64>,
    },
    /// An access that the server did not see itself.
    Told {
        /// How many accesses; 0 is taken as 1.
        count: u32,
        /// Who.
        user: Option<&'a [u8]>,
        /// Where.
        region: Option<&'a [u8]>,
    },
    /// The read that was told of last found nothing.
    Missed,
    /// Somebody else wrote the key, or changed when it expires.
    Written {
        /// When it expires; `None`: never.
        expires_at: Option<Wall>,
        /// The value's size in bytes, where known.
        bytes: Option<u64>,
    },
    /// The key is no more.
    Gone(Gone),
}

/// Why a key is no more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Gone {
    /// Its time was up.
    Expired,
    /// The server needed the room.
    Evicted,
    /// Somebody deleted it.
    Deleted,
}
