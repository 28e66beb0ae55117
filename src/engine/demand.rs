//! Keys come in: jobs are opened, filled, sealed and cancelled, loaders defined.
//!
//! A key that is queued or ordered already is joined, not queued again: its priority rises to the highest that was asked
//! for, and its plan to the one that fetches and replaces more. Adding, joining and raising a key cost O(log n) in the
//! number of priorities, loaders and jobs in use; cancelling a job costs O(keys queued).

use std::collections::btree_map;

use super::Engine;
use super::jobs::Opening;
use super::key::Key;
use super::keyed::Slot;
use super::lane::Lane;
use super::queue::{Entry, Few, Retake, Wanted};
use super::request::{JobId, JobSpec, LoaderRules, Mode, Priority, Reason, Request};
use super::settlement::{DropReason, OrderId, Settled, Settlement, Source};
use super::time::Now;

/// How many keys of an [`enqueue`](Engine::enqueue) became part of the job. `accepted + repeated + rejected` is the
/// number of keys that were given.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Accepted {
    /// Keys that the job waits for now and did not before.
    pub accepted: usize,
    /// Of the accepted: those that were queued or ordered already, for somebody else.
    pub joined: usize,
    /// Keys that the job was waiting for already.
    pub repeated: usize,
    /// Keys for which there was no room or no loader, or that came after the job was sealed.
    pub rejected: usize,
}

/// What became of one wanted key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It waits.
    Queued,
    /// It was queued or ordered already.
    Joined,
    /// The one who asks asked before.
    Repeated,
    /// The queue is full, or the loader unknown.
    Rejected,
}

/// What a cancelled job leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cancelled {
    /// Keys that are not warmed because of it: those that waited, and those to abandon.
    pub dropped: usize,
    /// Keys of orders that nobody wants any more. The owner abandons their fetches, and settles them.
    pub abandon: Vec<(OrderId, Key)>,
}

#[derive(Clone, Copy)]
enum Asker {
    Job(JobId),
    Owner,
}

impl Engine {
    /// Begins a job; keys may come until it is sealed.
    pub fn open_job(&mut self, now: Now, job: JobId, spec: JobSpec) -> Opening {
        self.jobs.open(now, job, spec, &self.settings)
    }

    /// Adds keys to an open job. A large job comes in slices; its first keys are ordered before its last have come.
    pub fn enqueue(&mut self, now: Now, job: JobId, requests: impl IntoIterator<Item = Request>) -> Accepted {
        let mut accepted = Accepted::default();
        let spec = self.jobs.taking(job).map(|spec| (spec.priority, spec.reason));
        for request in requests {
            let admission = match spec {
                Some((priority, reason)) => self.admit(now, request, priority, reason, Asker::Job(job)),
                None => Admission::Rejected,
            };
            match admission {
                Admission::Queued => accepted.accepted += 1,
                Admission::Joined => {
                    accepted.accepted += 1;
                    accepted.joined += 1;
                }
                Admission::Repeated => accepted.repeated += 1,
                Admission::Rejected => {
                    accepted.rejected += 1;
                    self.jobs.rejected(job);
                }
            }
        }
        accepted
    }

    /// Asks for one key without a job.
    pub fn want(&mut self, now: Now, request: Request, priority: Priority, reason: Reason) -> Admission {
        self.admit(now, request, priority, reason, Asker::Owner)
    }

    /// No more keys come. The job ends when its last key is settled, which may be now.
    pub fn seal_job(&mut self, now: Now, job: JobId) {
        self.jobs.seal(now, job);
    }

    /// Ends a running job. Its keys that nobody else wants leave the queue, or are returned to be abandoned. `None` if
    /// it does not run.
    pub fn cancel_job(&mut self, now: Now, job: JobId) -> Option<Cancelled> {
        self.jobs.cancel(now, job)?;
        let slots: Vec<Slot> =
            self.entries.iter().filter(|(.., e)| e.wanted.jobs().contains(&job)).map(|e| e.0).collect();
        let mut cancelled = Cancelled { dropped: 0, abandon: Vec::new() };
        for slot in slots {
            let entry = self.entries.at_mut(slot);
            self.shared -= usize::from(entry.wanted.jobs().len() > 1);
            entry.wanted.leave(job);
            if !entry.wanted.is_nobody() {
                continue;
            }
            cancelled.dropped += 1;
            match entry.order {
                Some(order) => {
                    entry.retake = Retake::Abandoned;
                    cancelled.abandon.push((order, self.entries.key(slot).clone()));
                }
                None => self.give_up(now, slot, DropReason::Cancelled),
            }
        }
        Some(cancelled)
    }

    /// Says which loaders there are. What waits for one that is not among them is dropped; what is ordered from it is
    /// settled as any other. A loader that stays keeps its queue and its pace.
    pub fn set_loaders(&mut self, now: Now, loaders: impl IntoIterator<Item = LoaderRules>) {
        let mut gone = std::mem::take(&mut self.lanes);
        for rules in loaders {
            let lane = match gone.remove(&rules.id) {
                Some(mut lane) => {
                    lane.set_rules(now.mono, rules);
                    lane
                }
                None => {
                    let out = self.orders.values().filter(|out| out.loader == rules.id).count();
                    Lane::new(rules, u32::try_from(out).unwrap_or(u32::MAX))
                }
            };
            self.lanes.insert(lane.rules.id, lane);
        }
        for lane in gone.values() {
            let slots: Vec<Slot> = lane.waiting.iter(&self.entries).collect();
            for slot in slots {
                self.give_up(now, slot, DropReason::NoLoader);
            }
        }
    }

    /// Ends an entry that waits.
    pub(super) fn give_up(&mut self, now: Now, slot: Slot, reason: DropReason) {
        let key = self.entries.key(slot).clone();
        let loader = self.entries.at(slot).loader;
        let settled = Settled::Dropped(reason);
        self.warm.add(&settled);
        self.end(now, slot, Settlement { source: Source::Live, key, loader, settled, attempts: 0 });
    }

    fn admit(&mut self, now: Now, request: Request, priority: Priority, reason: Reason, by: Asker) -> Admission {
        let admission = match self.entries.find(request.key.db(), request.key.name()) {
            Some(slot) => self.join(slot, &request, priority, by),
            None => self.add(now, request, priority, reason, by),
        };
        match admission {
            Admission::Queued => self.demand.accepted += 1,
            Admission::Joined => {
                self.demand.accepted += 1;
                self.demand.joined += 1;
            }
            Admission::Repeated => {}
            Admission::Rejected => self.demand.rejected += 1,
        }
        admission
    }

    fn add(&mut self, now: Now, request: Request, priority: Priority, reason: Reason, by: Asker) -> Admission {
        let Request { key, loader, plan } = request;
        let btree_map::Entry::Occupied(mut lane) = self.lanes.entry(loader) else { return Admission::Rejected };
        if self.queued >= self.settings.queue_length as usize {
            return Admission::Rejected;
        }
        let wanted = match by {
            Asker::Job(job) => {
                self.jobs.joined_waiting(job);
                Wanted::Jobs(Few::One(job))
            }
            Asker::Owner => Wanted::Standing(Few::None),
        };
        let slot = self.entries.insert(key, Entry::new(loader, plan, priority, reason, wanted, now.wall));
        lane.get_mut().waiting.push(&mut self.entries, slot);
        self.queued += 1;
        Admission::Queued
    }

    fn join(&mut self, slot: Slot, request: &Request, priority: Priority, by: Asker) -> Admission {
        let entry = self.entries.at_mut(slot);
        let repeated = match by {
            Asker::Job(job) => entry.wanted.jobs().contains(&job),
            Asker::Owner => matches!(entry.wanted, Wanted::Standing(_)),
        };
        match by {
            Asker::Job(_) if repeated => {}
            Asker::Job(job) => {
                let others = usize::from(!entry.wanted.jobs().is_empty());
                if others > 0 && self.shared >= self.settings.queue_length as usize {
                    return Admission::Rejected;
                }
                self.shared += others;
                entry.wanted.add(job);
                match entry.order {
                    Some(_) => self.jobs.joined_warming(job),
                    None => self.jobs.joined_waiting(job),
                }
            }
            Asker::Owner => entry.wanted.stand(),
        }
        let forced = request.plan.mode == Mode::Force && entry.plan.mode == Mode::Missing;
        if entry.order.is_some() && (forced || matches!(entry.retake, Retake::Abandoned | Retake::Lost)) {
            entry.retake = Retake::Wanted;
        }
        entry.plan = entry.plan.merge(request.plan);
        self.raise(slot, priority);
        if repeated { Admission::Repeated } else { Admission::Joined }
    }

    fn raise(&mut self, slot: Slot, priority: Priority) {
        let entry = self.entries.at_mut(slot);
        if priority <= entry.priority {
            return;
        }
        let waits = entry.order.is_none();
        match self.lanes.get_mut(&entry.loader) {
            Some(lane) if waits => {
                lane.waiting.unlink(&mut self.entries, slot);
                self.entries.at_mut(slot).priority = priority;
                lane.waiting.push(&mut self.entries, slot);
            }
            _ => entry.priority = priority,
        }
    }
}
