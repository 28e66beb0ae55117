//! The name of a cached value: a database number and bytes.

use std::fmt;
use std::sync::Arc;

/// The number of one of the server's logical databases, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Db(pub u32);

/// A key: where it lives and what it is called. Cloning shares the name's bytes; it costs one atomic increment.
///
/// ```
/// use redis_warm::engine::key::{Db, Key};
/// let key = Key::new(Db(0), b"content:7");
/// assert_eq!(key.name(), b"content:7");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    db: Db,
    name: Arc<[u8]>,
}

impl Key {
    /// The longest name that is loaded, leased or remembered, in bytes: tables are bounded by their count of keys, and
    /// this bounds each.
    pub const MOST_BYTES: usize = 8192;

    /// A key with a copy of `name`.
    pub fn new(db: Db, name: &[u8]) -> Self {
        Key { db, name: Arc::from(name) }
    }

    /// The database the key lives in.
    pub fn db(&self) -> Db {
        self.db
    }

    /// The key's bytes; any bytes, not necessarily UTF-8.
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.db.0, self.name.escape_ascii())
    }
}
