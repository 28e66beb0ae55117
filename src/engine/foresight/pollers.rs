//! Clients that ask for one key over and over: a single source must not make a key popular.
//!
//! Structure: for each of a bounded number of clients, the key that is more than half of its accesses, if one is, by the
//! majority vote of Boyer and Moore: the candidate's lead rises with each access to it and falls with each to another. While
//! the lead is below [`FREE`] accesses count in full (a client may well ask often for what it needs); beyond, the `n`th in a row
//! counts [`FREE`] / n, so a loop of any length counts as its logarithm. A client that serves many users asks for many
//! keys, has no majority, and is never damped. Clients share places by their hash; the newcomer wears the old one's lead
//! down first. 24 bytes a client, O(1). Source: Boyer and Moore, "MJRTY" (1991).

/// Accesses in a row that count in full.
const FREE: u32 = 16;

/// Places for clients.
const PLACES: usize = 1024;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Pollers {
    places: Box<[Poller]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Poller {
    client: u64,
    key: u32,
    lead: u32,
}

impl Pollers {
    /// Nobody was seen.
    pub(super) fn new() -> Self {
        Pollers { places: vec![Poller::default(); PLACES].into_boxed_slice() }
    }

    /// How much an access of `client` to `key` counts: above 0, at most 1.
    pub(super) fn weight(&mut self, client: u64, key: u32) -> f32 {
        let place = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let poller = &mut self.places[place as usize % PLACES];
        if (poller.client, poller.key) == (client, key) {
            poller.lead = poller.lead.saturating_add(1);
            return if poller.lead <= FREE { 1.0 } else { FREE as f32 / poller.lead as f32 };
        }
        if poller.lead == 0 {
            *poller = Poller { client, key, lead: 1 };
        } else {
            poller.lead -= 1;
        }
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_counts_as_its_logarithm_and_a_crowd_in_full() {
        let mut pollers = Pollers::new();
        let alone: f32 = (0..100_000).map(|_| pollers.weight(7, 1)).sum();
        assert!((100.0..200.0).contains(&alone), "{alone}");
        let crowd: f32 = (0..1000).map(|client| pollers.weight(1000 + client, 2)).sum();
        assert_eq!(crowd, 1000.0);
    }

    #[test]
    fn a_client_of_many_keys_is_not_damped() {
        let mut pollers = Pollers::new();
        let all: f32 = (0..10_000_u32).map(|n| pollers.weight(7, if n % 5 == 0 { 1 } else { n })).sum();
        assert_eq!(all, 10_000.0);
    }
}
