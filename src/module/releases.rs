//! Waiters whose news is there, let go a few a slice.
//!
//! The server writes all replies of one event-loop turn together, so the release of thousands of clients at once would
//! hold up everyone else's turn; its cost (about [`COST`] each, mostly the server's own) counts against the slice.

use std::collections::VecDeque;
use std::time::Duration;

use super::waiter::{News, Waiter};
use crate::engine::flights::{Flights, Landed};

/// What releasing one client costs the main thread, in the same turn but after the slice.
const COST: Duration = Duration::from_micros(5);

/// Flights that have landed and still have waiters. Bounded by the waiters, whom [`Flights`] bounds.
#[derive(Debug, Default)]
pub struct Releases {
    landed: VecDeque<(Landed<Waiter>, News)>,
}

impl Releases {
    /// Queues the waiters of a flight; nothing if it has none.
    pub fn push(&mut self, landed: Landed<Waiter>, news: News) {
        if landed.waiters() > 0 {
            self.landed.push_back((landed, news));
        }
    }

    /// Whether nobody is to be released.
    pub fn is_empty(&self) -> bool {
        self.landed.is_empty()
    }

    /// Tells as many waiters as `budget` is good for, at least one; whether there was any.
    pub fn release(&mut self, flights: &mut Flights<Waiter>, budget: Duration) -> bool {
        let most = (budget.as_micros() / COST.as_micros()).max(1);
        let mut told = 0;
        while told < most
            && let Some((landed, news)) = self.landed.front_mut()
        {
            match flights.next_waiter(landed) {
                Some(waiter) => {
                    waiter.told(news.clone());
                    told += 1;
                }
                None => {
                    self.landed.pop_front();
                }
            }
        }
        told > 0
    }
}
