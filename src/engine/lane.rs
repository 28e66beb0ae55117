//! What the engine keeps for one loader: its waiting keys, its pace, and how many of its orders are out.

use std::time::Duration;

use super::pace::Pace;
use super::queue::Levels;
use super::request::{Activity, LoaderRules};
use super::settings::Settings;
use super::time::Instant;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) rules: LoaderRules,
    pub(super) waiting: Levels,
    /// Orders with keys that are not settled.
    pub(super) outstanding: u32,
    /// How long orders take from leaving to their last settlement: a moving average; `None` before the first.
    took: Option<Duration>,
    pace: Pace,
    lingering: Option<Instant>,
}

/// Whether an order may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ready {
    /// Now.
    Now,
    /// At this instant, if nothing changes before.
    At(Instant),
    /// Not before an input changes something.
    Blocked,
}

impl Lane {
    /// A lane in which nothing waits, `outstanding` orders of an earlier life being out.
    pub(super) fn new(rules: LoaderRules, outstanding: u32) -> Self {
        let pace = Pace::new(rules.rate);
        Lane { rules, waiting: Levels::default(), outstanding, took: None, pace, lingering: None }
    }

    /// Changes the rules, keeping everything else.
    pub(super) fn set_rules(&mut self, now: Instant, rules: LoaderRules) {
        if rules.rate != self.rules.rate {
            self.pace.set_rate(now, rules.rate);
        }
        self.rules = rules;
    }

    /// Keys in one order, at most.
    pub(super) fn batch(&self) -> usize {
        self.rules.batch.max(1) as usize
    }

    /// Whether an order may leave. Remembers since when a batch lingers.
    ///
    /// A batch that is not full waits for more keys only while the loader is busy with other orders: a small job
    /// starts at once.
    pub(super) fn ready(&mut self, now: Instant, settings: &Settings) -> Ready {
        let pipeline = self.rules.concurrency.saturating_mul(1 + self.ahead(settings));
        let stopped = self.rules.activity == Activity::Paused || self.rules.concurrency == 0;
        if stopped || self.waiting.len() == 0 || self.outstanding >= pipeline {
            return Ready::Blocked;
        }
        let due = self.pace.next().max(self.lingers_until(now, settings.linger));
        if due <= now { Ready::Now } else { Ready::At(due) }
    }

    /// An order left.
    pub(super) fn ordered(&mut self, now: Instant) {
        self.pace.spend(now);
        self.outstanding += 1;
        self.lingering = None;
    }

    /// An order left at `left` and is settled.
    pub(super) fn settled(&mut self, now: Instant, left: Instant) {
        self.outstanding = self.outstanding.saturating_sub(1);
        let took = now.since(left);
        self.took = Some(self.took.map_or(took, |average| (average * 7 + took) / 8));
    }

    /// How many times its concurrency a loader is kept supplied beyond what it fetches now.
    ///
    /// An order ahead keeps the loader busy during the hand-over, but its keys can no longer be overtaken: worth it only
    /// where orders end soon. A loader that has shown nothing yet gets none.
    fn ahead(&self, settings: &Settings) -> u32 {
        if self.took.is_some_and(|took| took < settings.quick_order) { settings.orders_ahead } else { 0 }
    }

    fn lingers_until(&mut self, now: Instant, linger: Duration) -> Instant {
        if self.waiting.len() >= self.batch() || self.outstanding == 0 {
            self.lingering = None;
            return Instant::default();
        }
        self.lingering.get_or_insert(now).after(linger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::key::{Db, Key};
    use crate::engine::queue::{Entries, Entry, Few, Wanted};
    use crate::engine::request::{LoaderId, Plan, Priority, Reason};
    use crate::engine::time::Wall;

    fn rules(batch: u32) -> LoaderRules {
        LoaderRules { id: LoaderId(1), concurrency: 2, rate: None, batch, activity: Activity::Working }
    }

    fn wait(lane: &mut Lane, entries: &mut Entries, n: u32) {
        let wanted = Wanted::Standing(Few::None);
        let entry =
            Entry::new(LoaderId(1), Plan::MISSING, Priority::default(), Reason::Request, wanted, Wall::default());
        let slot = entries.insert(Key::new(Db(0), &n.to_le_bytes()), entry);
        lane.waiting.push(entries, slot);
    }

    #[test]
    fn a_batch_lingers_only_behind_others() {
        let (mut lane, mut entries) = (Lane::new(rules(3), 0), Entries::new(0));
        let (settings, now) = (Settings::default(), Instant::from_micros(1000));
        assert_eq!(lane.ready(now, &settings), Ready::Blocked, "nothing waits");
        wait(&mut lane, &mut entries, 1);
        assert_eq!(lane.ready(now, &settings), Ready::Now, "the loader is idle");
        lane.outstanding = 1;
        let until = now.after(settings.linger);
        assert_eq!(lane.ready(now, &settings), Ready::At(until));
        assert_eq!(lane.ready(Instant::from_micros(3000), &settings), Ready::At(until), "since the first look");
        assert_eq!(lane.ready(until, &settings), Ready::Now);
        wait(&mut lane, &mut entries, 2);
        wait(&mut lane, &mut entries, 3);
        assert_eq!(lane.ready(now, &settings), Ready::Now, "it is full");
    }

    #[test]
    fn the_pipeline_is_bounded_and_deeper_where_orders_end_soon() {
        let (mut lane, mut entries) = (Lane::new(rules(1), 1), Entries::new(0));
        let settings = Settings::default();
        let now = Instant::from_micros(1_000_000);
        wait(&mut lane, &mut entries, 1);
        assert_eq!(lane.ready(now, &settings), Ready::Now);
        lane.ordered(now);
        assert_eq!(lane.ready(now, &settings), Ready::Blocked, "as many are out as it fetches at once");
        lane.settled(now, Instant::from_micros(999_000));
        lane.outstanding = 2 * (1 + settings.orders_ahead) - 1;
        assert_eq!(lane.ready(now, &settings), Ready::Now, "an order took 1 ms");
        lane.ordered(now);
        assert_eq!(lane.ready(now, &settings), Ready::Blocked);
        lane.settled(now, Instant::from_micros(0));
        lane.outstanding = 2;
        assert_eq!(lane.ready(now, &settings), Ready::Blocked, "an order took 1 s");
    }
}
