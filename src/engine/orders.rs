//! Keys leave: loaders take turns, and whoever may, gets an order of its most urgent keys.
//!
//! Asking costs O(loaders) and, for an order, O(log n) a key.

use std::num::NonZeroU64;
use std::ops::Bound;

use super::Engine;
use super::key::Key;
use super::lane::Ready;
use super::request::{LoaderId, Plan};
use super::settlement::OrderId;
use super::stats::Held;
use super::time::{Instant, Now};

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Carry this out, then ask again.
    Order(Order),
    /// Nothing before this instant, unless an input comes.
    WaitUntil(Instant),
    /// Nothing before an input comes.
    Idle,
}

/// Keys to fetch from one loader in one request. Every key gets one settlement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its number; comes back in the settlements.
    pub id: OrderId,
    /// Who loads.
    pub loader: LoaderId,
    /// At least one, at most the loader's batch; the most urgent first.
    pub keys: Vec<OrderKey>,
}

/// One key of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderKey {
    /// The key.
    pub key: Key,
    /// How it is to be warmed; the keys of an order may differ in this.
    pub plan: Plan,
    /// How hot it is, for the server to know when it evicts: 1 is coldest, 255 hottest; 0: nothing is said.
    pub heat: u8,
}

/// An order that is out.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) loader: LoaderId,
    /// Keys that are not settled.
    pub(super) left: usize,
    /// When it left.
    pub(super) since: Instant,
}

impl Engine {
    /// What to do next. Ask after every input until the answer is to wait.
    pub fn poll(&mut self, now: Now) -> Step {
        let foreseen = self.foresee(now);
        if self.held() != Held::No {
            return foreseen.map_or(Step::Idle, Step::WaitUntil);
        }
        let (mut chosen, mut earliest) = (None, foreseen);
        let after_the_last = (Bound::Excluded(self.turn), Bound::Unbounded);
        let up_to_the_last = (Bound::Unbounded, Bound::Included(self.turn));
        'turns: for range in [after_the_last, up_to_the_last] {
            for (&loader, lane) in self.lanes.range_mut(range) {
                match lane.ready(now.mono, &self.settings) {
                    Ready::Now => {
                        chosen = Some(loader);
                        break 'turns;
                    }
                    Ready::At(at) => earliest = Some(earliest.map_or(at, |other| other.min(at))),
                    Ready::Blocked => {}
                }
            }
        }
        match (chosen.and_then(|loader| self.order(now, loader)), earliest) {
            (Some(order), _) => Step::Order(order),
            (None, Some(at)) => Step::WaitUntil(at),
            (None, None) => Step::Idle,
        }
    }

    fn order(&mut self, now: Now, loader: LoaderId) -> Option<Order> {
        let lane = self.lanes.get_mut(&loader)?;
        let next = NonZeroU64::MIN.saturating_add(self.last_order);
        let id = OrderId(next);
        let mut keys = Vec::with_capacity(lane.batch().min(lane.waiting.len()));
        while keys.len() < lane.batch()
            && let Some(slot) = lane.waiting.pop(&mut self.entries)
        {
            let entry = self.entries.at_mut(slot);
            entry.order = Some(id);
            entry.started_at = now.wall;
            let plan = entry.plan;
            entry.wanted.jobs().iter().for_each(|&job| self.jobs.ordered(job));
            let key = self.entries.key(slot).clone();
            let heat = self.foresight.heat(key.db(), key.name());
            keys.push(OrderKey { key, plan, heat });
        }
        lane.ordered(now.mono);
        self.turn = loader;
        self.last_order = next.get();
        self.queued -= keys.len();
        self.demand.orders += 1;
        self.demand.ordered_keys += keys.len() as u64;
        self.orders.insert(id, Out { loader, left: keys.len(), since: now.mono });
        Some(Order { id, loader, keys })
    }
}
