//! The keys that are to be warmed: those that wait, in order of priority, and those that an order is out for.
//!
//! A key is here once, however many jobs want it. Structure: one [`Keyed`] table of entries; a loader's waiting entries
//! hang on one chain per priority in use ([`Levels`]), so that adding, raising and taking cost O(log p) for p priorities
//! in use, and a key costs eight bytes of links. Within a priority the order is that of arrival.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::chain::{Chain, Linked, Links};
use super::keyed::{Keyed, Slot};
use super::request::{JobId, LoaderId, Plan, Priority, Reason};
use super::settlement::OrderId;
use super::time::Wall;

/// All entries.
pub(super) type Entries = Keyed<Entry>;

/// One key that waits or is being warmed.
#[derive(Debug)]
pub(super) struct Entry {
    /// How it is to be warmed.
    pub(super) plan: Plan,
    /// Who wants it.
    pub(super) wanted: Wanted,
    /// When it was asked for.
    pub(super) scheduled_at: Wall,
    /// When its order left; meaningless before.
    pub(super) started_at: Wall,
    /// The order that is out for it; none: it waits.
    pub(super) order: Option<OrderId>,
    /// Who loads it.
    pub(super) loader: LoaderId,
    /// How urgent it is.
    pub(super) priority: Priority,
    /// Why it is warmed.
    pub(super) reason: Reason,
    /// What to do if the order that is out brings nothing.
    pub(super) retake: Retake,
    links: Links,
}

impl Entry {
    /// An entry that waits, in no chain yet.
    pub(super) fn new(
        loader: LoaderId,
        plan: Plan,
        priority: Priority,
        reason: Reason,
        wanted: Wanted,
        at: Wall,
    ) -> Self {
        Entry {
            plan,
            wanted,
            scheduled_at: at,
            started_at: at,
            order: None,
            loader,
            priority,
            reason,
            retake: Retake::Unneeded,
            links: Links::default(),
        }
    }
}

/// What to do with an entry whose order was cancelled, flushed or found the key fresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Retake {
    /// Settle it: the order answered what was asked.
    Unneeded,
    /// Nobody wants it any more; the owner was told to abandon it.
    Abandoned,
    /// Its database was flushed after the order left: who asks from now on wants it anew.
    Lost,
    /// Queue it again: more was asked after the order left.
    Wanted,
}

/// Who wants a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// These jobs, each named once; none: an abandoned key.
    Jobs(Few),
    /// The engine's owner without a job, and these jobs.
    Standing(Few),
}

impl Wanted {
    /// The jobs.
    pub(super) fn jobs(&self) -> &[JobId] {
        let (Wanted::Jobs(few) | Wanted::Standing(few)) = self;
        match few {
            Few::None => &[],
            Few::One(job) => std::slice::from_ref(job),
            Few::Many(jobs) => jobs,
        }
    }

    /// Adds a job that is not among them.
    pub(super) fn add(&mut self, job: JobId) {
        let (Wanted::Jobs(few) | Wanted::Standing(few)) = self;
        match few {
            Few::None => *few = Few::One(job),
            Few::One(first) => *few = Few::Many(vec![*first, job]),
            Few::Many(jobs) => jobs.push(job),
        }
    }

    /// Takes a job away; says whether it was among them.
    pub(super) fn leave(&mut self, job: JobId) -> bool {
        let (Wanted::Jobs(few) | Wanted::Standing(few)) = self;
        match few {
            Few::One(one) if *one == job => *few = Few::None,
            Few::Many(jobs) => match jobs.iter().position(|&other| other == job) {
                Some(at) => {
                    jobs.swap_remove(at);
                    if let [last] = jobs[..] {
                        *few = Few::One(last);
                    }
                }
                None => return false,
            },
            Few::None | Few::One(_) => return false,
        }
        true
    }

    /// The owner wants it too.
    pub(super) fn stand(&mut self) {
        if let Wanted::Jobs(few) = self {
            *self = Wanted::Standing(std::mem::replace(few, Few::None));
        }
    }

    /// Whether nobody wants it.
    pub(super) fn is_nobody(&self) -> bool {
        *self == Wanted::Jobs(Few::None)
    }
}

/// A list that is nearly always of one: it takes no memory of its own then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Few {
    /// Empty.
    None,
    /// One.
    One(JobId),
    /// Two or more.
    Many(Vec<JobId>),
}

impl Linked for Entry {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// The waiting entries of one loader, by priority.
#[derive(Debug, Default)]
pub(super) struct Levels {
    chains: BTreeMap<Reverse<Priority>, Chain>,
    len: usize,
}

impl Levels {
    /// The number of entries that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry behind those of its priority.
    pub(super) fn push(&mut self, entries: &mut Entries, slot: Slot) {
        let priority = entries.at(slot).priority;
        self.chains.entry(Reverse(priority)).or_insert_with(Chain::new).push(entries, slot);
        self.len += 1;
    }

    /// Takes an entry out that waits here.
    pub(super) fn unlink(&mut self, entries: &mut Entries, slot: Slot) {
        let level = Reverse(entries.at(slot).priority);
        if let Some(chain) = self.chains.get_mut(&level) {
            chain.unlink(entries, slot);
            self.len -= 1;
            if chain.head().is_none() {
                self.chains.remove(&level);
            }
        }
    }

    /// Takes the first entry.
    pub(super) fn pop(&mut self, entries: &mut Entries) -> Option<Slot> {
        let slot = self.chains.first_key_value()?.1.head()?;
        self.unlink(entries, slot);
        Some(slot)
    }

    /// The waiting entries, first to last.
    pub(super) fn iter<'t>(&'t self, entries: &'t Entries) -> impl Iterator<Item = Slot> + 't {
        self.chains.values().flat_map(move |chain| chain.iter(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::key::{Db, Key};

    #[derive(Clone, Debug)]
    enum Act {
        Push(u16),
        Pop,
        Unlink(usize),
        Raise(usize, u16),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..4u16).prop_map(Act::Push),
            2 => Just(Act::Pop),
            1 => any::<usize>().prop_map(Act::Unlink),
            1 => (any::<usize>(), 0..6u16).prop_map(|(at, p)| Act::Raise(at, p)),
        ]
    }

    proptest! {
        /// Levels are a list that is kept sorted by priority, and by arrival within one.
        #[test]
        fn levels_agree_with_a_sorted_list(acts in prop::collection::vec(act(), 0..200)) {
            let (mut entries, mut levels) = (Entries::new(3), Levels::default());
            let mut model: Vec<(u16, Slot)> = Vec::new();
            for (n, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Push(p) => {
                        let key = Key::new(Db(0), &n.to_le_bytes());
                        let priority = Priority::new(p).unwrap();
                        let wanted = Wanted::Jobs(Few::One(JobId(1)));
                        let entry =
                            Entry::new(LoaderId(0), Plan::MISSING, priority, Reason::Request, wanted, Wall::default());
                        let slot = entries.insert(key, entry);
                        levels.push(&mut entries, slot);
                        model.push((p, slot));
                    }
                    Act::Pop => {
                        let slot = levels.pop(&mut entries);
                        prop_assert_eq!(slot, model.first().map(|&(_, slot)| slot));
                        if let Some(slot) = slot {
                            entries.remove(slot);
                            model.remove(0);
                        }
                    }
                    Act::Unlink(at) if !model.is_empty() => {
                        let (_, slot) = model.remove(at % model.len());
                        levels.unlink(&mut entries, slot);
                        entries.remove(slot);
                    }
                    Act::Raise(at, p) if !model.is_empty() => {
                        let at = at % model.len();
                        let (_, slot) = model.remove(at);
                        levels.unlink(&mut entries, slot);
                        entries.at_mut(slot).priority = Priority::new(p).unwrap();
                        levels.push(&mut entries, slot);
                        model.push((p, slot));
                    }
                    Act::Unlink(_) | Act::Raise(..) => {}
                }
                model.sort_by_key(|&(p, _)| Reverse(p));
                prop_assert_eq!(levels.len(), model.len());
                prop_assert!(levels.iter(&entries).eq(model.iter().map(|&(_, slot)| slot)));
                entries.validate();
            }
        }
    }

    #[test]
    fn jobs_join_and_leave_a_key() {
        let mut wanted = Wanted::Jobs(Few::One(JobId(1)));
        wanted.add(JobId(2));
        wanted.add(JobId(3));
        assert!(wanted.leave(JobId(1)) && !wanted.leave(JobId(1)));
        assert!(wanted.leave(JobId(3)));
        assert_eq!(wanted, Wanted::Jobs(Few::One(JobId(2))));
        wanted.stand();
        assert!(wanted.leave(JobId(2)));
        assert!(!wanted.is_nobody(), "the owner still wants it");
        assert!(wanted.jobs().is_empty());
    }
}
