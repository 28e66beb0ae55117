//! How much a hit must be worth: the price at which the origin's budget is spent and not exceeded.
//!
//! Fetching a key ahead with probability `p` of being asked for in time gains `p` hits. Measured against filling on demand, it
//! costs `1 − p` requests when nobody asks, and when somebody does, the part of a life that passed before: `p` times the
//! mean of that part. The *rate of return* is the gain over the cost; every decision is taken where the return is at least the
//! **price**, so that the last request is spent as well everywhere: refreshes, warming anew, followers.
//!
//! The price follows the ledger: origin requests that were made, over those that filling on demand alone would have
//! made (counted for every tracked key by its shadow). Above the budget the price rises, below it falls, slowly. Cost: O(1). The ledger forgets by and by.

/// The ledger forgets half after half of all demand fills so far, within these bounds. One that remembered ten times as long
/// missed the budget on recorded traces by up to 15 %, as it made up for its beginnings for days.
const REMEMBERED: (f64, f64) = (1000.0, 4000.0);

/// How far an error moves the log of the price, a demand fill, times the fills remembered: an error of one percent, held for as
/// long as the ledger remembers, moves the price by about a twentieth.
const GAIN: f64 = 5.0;

/// How far below the budget the load is kept, so that it swings below it and not around it.
const MARGIN: f64 = 0.012;

/// How many demand fills lie between two adjustments.
const EVERY: f64 = 32.0;

/// The part of a life that passes before a refreshed copy is read, on average, if it is. Measured on a news portal: 0.30.
const PASSED: f64 = 0.3;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Price {
    budget: f64,
    /// The log of the price.
    log: f64,
    made: f64,
    filled: f64,
    since: f64,
    /// Demand fills ever.
    total: f64,
}

impl Price {
    /// A price that will keep origin requests at `budget` times those of filling on demand.
    pub(super) fn new(budget: f64) -> Self {
        Price { budget, log: 0.0, made: 0.0, filled: 0.0, since: 0.0, total: 0.0 }
    }

    /// Changes the budget.
    pub(super) fn set_budget(&mut self, budget: f64) {
        self.budget = budget;
    }

    /// An origin request was made.
    pub(super) fn request(&mut self) {
        self.made += 1.0;
    }

    /// Filling on demand alone would have made a request now.
    pub(super) fn demand_fill(&mut self) {
        self.filled += 1.0;
        self.since += 1.0;
        self.total += 1.0;
        if self.since < EVERY {
            return;
        }
        self.since = 0.0;
        let remembered = (self.total / 2.0).clamp(REMEMBERED.0, REMEMBERED.1);
        let error = self.load() - (self.budget - MARGIN);
        self.log = (self.log + GAIN * EVERY / remembered * error.clamp(-0.3, 0.3)).clamp(-3.0, 4.0);
        let kept = (-EVERY / remembered).exp2();
        self.made *= kept;
        self.filled *= kept;
    }

    /// Origin requests as a multiple of those of filling on demand, of late.
    pub(super) fn load(&self) -> f64 {
        self.made / self.filled.max(1.0)
    }

    /// Whether refreshing is worth it, at a probability of being asked for within the life of the new copy and at the
    /// relative cost of one request.
    pub(super) fn buys_refresh(&self, probability: f64, cost: f64) -> bool {
        probability >= cost * self.log.exp() * (1.0 - (1.0 - PASSED) * probability)
    }

    /// Whether fetching is worth it just before the key is asked for, as where a key's follower is announced.
    pub(super) fn buys_cue(&self, probability: f64, cost: f64) -> bool {
        probability >= cost * self.log.exp() * (1.0 - probability)
    }

    /// The lowest probability at which a refresh of cost 1 is worth it.
    pub(super) fn threshold(&self) -> f64 {
        let price = self.log.exp();
        (price / (1.0 + (1.0 - PASSED) * price)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world of keys with evenly spread probabilities, each fetched ahead if it is worth it.
    fn settled(budget: f64) -> Price {
        let mut price = Price::new(budget);
        for n in 0..400_000_u64 {
            let probability = (n * 7919 % 1000) as f64 / 1000.0;
            let asked = (n * 104_729 % 997) as f64 / 997.0 < probability;
            price.demand_fill();
            let ahead = price.buys_refresh(probability, 1.0);
            if ahead {
                price.request();
            }
            if !ahead || !asked {
                price.request();
            }
        }
        price
    }

    #[test]
    fn the_load_settles_at_the_budget() {
        for budget in [1.05, 1.1, 1.2] {
            let price = settled(budget);
            assert!((price.load() - budget).abs() < 0.03, "{} for {budget}", price.load());
        }
        assert!(settled(1.05).threshold() > settled(1.2).threshold());
    }

    #[test]
    fn dear_requests_must_be_worth_more() {
        let price = Price::new(1.2);
        assert!(price.buys_refresh(0.7, 1.0));
        assert!(!price.buys_refresh(0.7, 3.0));
        assert!(price.buys_cue(0.55, 1.0) && !price.buys_cue(0.45, 1.0));
        assert!((price.threshold() - 1.0 / 1.7).abs() < 1e-9);
    }
}
