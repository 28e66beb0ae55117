//! Keys are settled, and the server's state arrives.

use super::Engine;
use super::jobs::Phase;
use super::keyed::Slot;
use super::progress::Scope;
use super::queue::{Entry, Retake};
use super::request::{JobId, Mode};
use super::settlement::{DropReason, OrderId, Settled, Settlement, Source};
use super::stats::Held;
use super::time::Now;

/// What holds the engine back.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    memory_used: Option<f64>,
    role: Role,
    paused: bool,
}

/// Whether the server may be warmed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Role {
    /// It serves writes.
    #[default]
    Active,
    /// It is a replica, or is loading its data.
    Inactive,
}

impl Engine {
    /// How the warming of one key ended. See the contract: every key of every order is settled once.
    ///
    /// A live load satisfies a key that waits in the queue, unless more was asked for it than the load did; one that
    /// failed leaves it there.
    pub fn settle(&mut self, now: Now, settlement: Settlement) {
        let settlement = cut(settlement);
        let slot = self.entries.find(settlement.key.db(), settlement.key.name());
        match settlement.source {
            Source::Order(order) => match slot.filter(|&slot| self.entries.at(slot).order == Some(order)) {
                Some(slot) => self.settle_ordered(now, order, slot, settlement),
                None => self.demand.stray += 1,
            },
            Source::Live => {
                self.live.add(&settlement.settled);
                match slot {
                    Some(slot) if satisfies(self.entries.at(slot), &settlement.settled) => {
                        self.end(now, slot, settlement);
                    }
                    Some(_) => self.tell_foresight(now, &settlement, None),
                    None => {
                        self.tell_foresight(now, &settlement, None);
                        self.settled.put(now.wall, settlement, None);
                    }
                }
            }
        }
    }

    /// The jobs that ended since the last call, for those who wait for them.
    pub fn ended_jobs(&mut self) -> Vec<JobId> {
        self.jobs.take_ended()
    }

    /// How the server is: the used share of its memory limit (`None` without a limit), and its role.
    pub fn set_vitals(&mut self, memory_used: Option<f64>, role: Role) {
        self.vitals.memory_used = memory_used;
        self.vitals.role = role;
    }

    /// No order leaves until [`Engine::resume`]; those that are out are settled as always.
    pub fn pause(&mut self) {
        self.vitals.paused = true;
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.vitals.paused = false;
    }

    /// Databases were flushed or swapped: what was completed there is forgotten. What is queued stays, and what is
    /// ordered is settled by the owner, which voids its fetch.
    pub fn flushed(&mut self, scope: Scope) {
        self.settled.flushed(scope);
        self.foresight.flushed(scope);
        for (key, entry) in self.entries.iter_mut() {
            if entry.order.is_some() && entry.retake == Retake::Unneeded && scope.holds(key.db()) {
                entry.retake = Retake::Lost;
            }
        }
    }

    /// Why no order leaves, if none does.
    pub fn held(&self) -> Held {
        let over = |used: f64| used > self.settings.pause_above_memory;
        if self.vitals.paused {
            Held::Paused
        } else if self.vitals.role == Role::Inactive {
            Held::Inactive
        } else if self.vitals.memory_used.is_some_and(over) {
            Held::Memory
        } else {
            Held::No
        }
    }

    /// Ends an entry: takes it from wherever it is, and tells its jobs.
    pub(super) fn end(&mut self, now: Now, slot: Slot, settlement: Settlement) {
        let entry = self.entries.at(slot);
        let phase = if entry.order.is_some() { Phase::Ordered } else { Phase::Waiting };
        if phase == Phase::Waiting {
            self.queued -= 1;
            if let Some(lane) = self.lanes.get_mut(&entry.loader) {
                lane.waiting.unlink(&mut self.entries, slot);
            }
        }
        let (_, entry) = self.entries.remove(slot);
        let reason = matches!(settlement.source, Source::Order(_)).then_some(entry.reason);
        self.tell_foresight(now, &settlement, reason);
        self.shared -= entry.wanted.jobs().len().saturating_sub(1);
        for &job in entry.wanted.jobs() {
            self.jobs.settled(now, job, phase, &settlement.settled);
        }
        self.settled.put(now.wall, settlement, Some(&entry));
    }

    fn settle_ordered(&mut self, now: Now, order: OrderId, slot: Slot, settlement: Settlement) {
        self.close(now, order);
        let in_vain = matches!(
            settlement.settled,
            Settled::Fresh | Settled::Dropped(DropReason::Cancelled | DropReason::Flushed)
        );
        if self.entries.at(slot).retake == Retake::Wanted && in_vain {
            self.requeue(now, slot);
        } else {
            self.warm.add(&settlement.settled);
            self.end(now, slot, settlement);
        }
    }

    /// One key of an order is settled.
    fn close(&mut self, now: Now, order: OrderId) {
        let Some(out) = self.orders.get_mut(&order) else { return };
        out.left -= 1;
        if out.left == 0 {
            if let Some(lane) = self.lanes.get_mut(&out.loader) {
                lane.settled(now.mono, out.since);
            }
            self.orders.remove(&order);
        }
    }

    fn requeue(&mut self, now: Now, slot: Slot) {
        let entry = self.entries.at_mut(slot);
        entry.order = None;
        entry.retake = Retake::Unneeded;
        let loader = entry.loader;
        entry.wanted.jobs().iter().for_each(|&job| self.jobs.requeued(job));
        self.queued += 1;
        match self.lanes.get_mut(&loader) {
            Some(lane) => lane.waiting.push(&mut self.entries, slot),
            None => self.give_up(now, slot, DropReason::NoLoader),
        }
    }
}

/// Whether a live load did what an entry waits for.
fn satisfies(entry: &Entry, settled: &Settled) -> bool {
    let enough = entry.plan.mode == Mode::Missing || entry.plan.ttl.is_none();
    match settled {
        _ if entry.order.is_some() => false,
        Settled::Loaded { .. } | Settled::Renewed { .. } => enough,
        Settled::Absent => true,
        Settled::Fresh | Settled::Failed { .. } | Settled::Dropped(_) => false,
    }
}

fn cut(mut settlement: Settlement) -> Settlement {
    if let Settled::Failed { message } = &settlement.settled
        && message.len() > Settled::MESSAGE_MAX
    {
        settlement.settled = Settled::failed(message);
    }
    settlement
}
