//! A flight's number, which a client must show to fill the key.

/// A flight's number: no two flights of a table have the same, and who sees some cannot guess others in any useful time
/// without the seed. It is no secret against who may write the key anyway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(u64);

impl Token {
    /// The token of a number that a client showed; it may be worth nothing.
    pub fn from_u64(number: u64) -> Self {
        Token(number)
    }

    /// The number to show to a client.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// Where tokens come from: a counter, whitened with two secrets around a permutation (the Even-Mansour construction
/// with the finalizer of SplitMix64). Every step is a bijection, so tokens repeat after 2⁶⁴ flights.
#[derive(Debug)]
pub(super) struct Tokens {
    drawn: u64,
    before: u64,
    after: u64,
}

impl Tokens {
    /// A source of its own for every seed.
    pub(super) fn new(seed: u64) -> Self {
        let before = permute(seed);
        Tokens { drawn: 0, before, after: permute(before) }
    }

    /// A token that was not drawn before.
    pub(super) fn draw(&mut self) -> Token {
        self.drawn = self.drawn.wrapping_add(1);
        Token(permute(permute(self.drawn ^ self.before)) ^ self.after)
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood, 2014), with its increment.
fn permute(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
