//! What the server says of its memory: how much data it may hold, and what it evicts beyond that.

use super::api::Context;
use super::api::call::Effect;

/// The server's `maxmemory` and `maxmemory-policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryPolicy {
    /// `maxmemory` in bytes; `None`: no limit.
    pub limit: Option<u64>,
    /// What goes first.
    pub evicts: Evicts,
}

/// What a server evicts first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evicts {
    /// Keys that are asked for least often.
    LeastFrequent,
    /// Keys that were not asked for for longest.
    LeastRecent,
    /// Something else, or nothing.
    Other,
}

impl MemoryPolicy {
    /// What is taken for granted until the server was asked.
    pub const UNKNOWN: MemoryPolicy = MemoryPolicy { limit: None, evicts: Evicts::Other };

    /// Asks the server; about 5 µs. `None` if it does not say.
    pub fn ask(ctx: &Context<'_>) -> Option<MemoryPolicy> {
        let answer = ctx.call(c"CONFIG", Effect::Read, &[b"GET", b"maxmemory", b"maxmemory-policy"]).ok()?;
        let words = answer.strings();
        let value = |name: &[u8]| words.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        let limit: u64 = std::str::from_utf8(value(b"maxmemory")?).ok()?.parse().ok()?;
        let evicts = Evicts::by(value(b"maxmemory-policy")?);
        Some(MemoryPolicy { limit: (limit > 0).then_some(limit), evicts })
    }
}

impl Evicts {
    /// What the policy of this name evicts.
    pub fn by(policy: &[u8]) -> Self {
        if policy.ends_with(b"-lfu") {
            Evicts::LeastFrequent
        } else if policy.ends_with(b"-lru") {
            Evicts::LeastRecent
        } else {
            Evicts::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_told_apart_by_their_end() {
        for (name, evicts) in [
            ("allkeys-lfu", Evicts::LeastFrequent),
            ("volatile-lfu", Evicts::LeastFrequent),
            ("allkeys-lru", Evicts::LeastRecent),
            ("volatile-lru", Evicts::LeastRecent),
            ("volatile-ttl", Evicts::Other),
            ("noeviction", Evicts::Other),
            ("allkeys-random", Evicts::Other),
            ("", Evicts::Other),
        ] {
            assert_eq!(Evicts::by(name.as_bytes()), evicts, "{name}");
        }
    }
}
