//! Clients that ask for a key that is not there: what they are told at once, or whom they wait for.
//!
//! Here is "one fetch per key": who asks for a key in flight joins it; only the first begins a fetch.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::within_length;
use super::clock;
use super::incoming::number_after;
use super::reply::Refusal;
use super::state::{Expected, Outbound, State};
use super::waiter::{News, Waiter};
use crate::engine::flights::{Begun, Expired, Owner, Refused};
use crate::engine::key::{Db, Key};
use crate::engine::request::Plan;
use crate::engine::time::Instant;
use crate::loader::fetch::{Fetch, Item, Urgency};
use crate::loader::settings::Kind;

/// How often a fetch is begun anew for clients that still wait, after its key was changed while it was fetched.
pub const RESTARTS: u32 = 3;

/// Fetches handed to the loader together.
const HANDED_OVER: usize = 64;

/// How long to wait before the loader is asked again whether it has room.
const ROOM: Duration = Duration::from_millis(1);

/// What a client that misses a key is told at once, if anything.
#[derive(Debug)]
pub enum Look {
    /// This; nothing is fetched.
    Told(News),
    /// Nothing yet: it may wait.
    Fetchable,
}

impl State {
    /// What is known of a missing key without asking its origin.
    pub fn look(&mut self, db: Db, name: &[u8]) -> Look {
        if let Err(refusal) = within_length(name) {
            return Look::Told(News::Refused(refusal));
        }
        let Some(loader) = self.loaders.route(name) else { return Look::Told(News::Refused(Refusal::NoLoader)) };
        if loader.definition.settings().kind != Kind::String {
            return Look::Told(News::Refused(Refusal::WrongType));
        }
        if loader.paused {
            return Look::Told(News::Refused(Refusal::Paused(loader.definition.name().to_owned())));
        }
        if self.absent.is_absent(clock::mono(), db, name) {
            self.counters.read_absent += 1;
            return Look::Told(News::Absent);
        }
        Look::Fetchable
    }

    /// Lets clients wait for missing keys, each until `timeout` has passed, and begins what is not in flight; keys of one
    /// loader share batches.
    pub fn wait_for(&mut self, wanted: Vec<(Key, Waiter)>, timeout: Option<Duration>) {
        let deadline = timeout.map(|timeout| clock::mono().after(timeout));
        let mut started: Vec<Key> = Vec::new();
        for (key, waiter) in wanted {
            let (db, name) = (key.db(), key.name());
            let begun = self.begin_flight(key.clone(), Owner::Loader { fetch: 0 });
            if begun == Begun::Full {
                waiter.told(News::Refused(Refusal::QueueFull("too many keys are in flight")));
                continue;
            }
            if let Begun::Joined(_) = begun {
                self.counters.read_joined += 1;
            }
            match self.flights.wait(db, name, waiter, deadline) {
                Ok(_) => {}
                Err(Refused::Full(waiter) | Refused::NotInFlight(waiter)) => {
                    waiter.told(News::Refused(Refusal::QueueFull("too many clients wait")));
                }
            }
            if let Begun::Started(_) = begun {
                started.push(key);
            }
        }
        self.fetch_live(started);
        self.wake_for_deadlines(clock::mono());
    }

    /// Sends live fetches for keys whose flights have begun and belong to nobody yet.
    pub fn fetch_live(&mut self, keys: Vec<Key>) {
        let mut open: Vec<(Fetch, Outbound)> = Vec::new();
        // Of each loader, the place of the fetch that has room.
        let mut latest: BTreeMap<u32, usize> = BTreeMap::new();
        for key in keys {
            let Some(loader) = self.loaders.route(key.name()).filter(|loader| !loader.paused) else {
                self.land_refused(&key, Refusal::NoLoader);
                continue;
            };
            let (number, definition) = (loader.id.0, std::sync::Arc::clone(&loader.definition));
            let room = definition.batch().max(1) as usize;
            let at = match latest.get(&number).filter(|at| open[**at].0.items.len() < room) {
                Some(at) => *at,
                None => {
                    let id = self.new_fetch(Urgency::Live);
                    open.push((
                        Fetch { id, loader: definition, items: Vec::new(), urgency: Urgency::Live },
                        Vec::new(),
                    ));
                    latest.insert(number, open.len() - 1);
                    open.len() - 1
                }
            };
            let (fetch, outbound) = &mut open[at];
            let state = self.flights.state(key.db(), key.name());
            let owner = Owner::Loader { fetch: fetch.id };
            let token = state.and_then(|state| self.flights.restart(key.db(), key.name(), state.token, owner));
            let Some(token) = token else { continue };
            outbound.push(Expected { token, plan: Plan::MISSING, heat: 0 });
            fetch.items.push(Item { key, held: None });
        }
        let mut fetches = Vec::with_capacity(open.len());
        for (fetch, outbound) in open {
            self.outbound.insert(fetch.id, outbound);
            self.counters.live_fetches += 1;
            fetches.push(fetch);
        }
        // Clients are not kept waiting for a place: they are told that there is none.
        for fetch in self.runtime.submit(fetches).err().unwrap_or_default() {
            self.outbound.remove(&fetch.id);
            for item in fetch.items {
                self.land_refused(&item.key, Refusal::QueueFull("too many fetches are under way"));
            }
        }
    }

    /// A client's lease ended without a fill: the module loads the key for those who wait, if it can.
    pub fn lease_ended(&mut self, key: Key) {
        let fetchable = matches!(self.look(key.db(), key.name()), Look::Fetchable);
        if fetchable && self.flights.is_wanted(key.db(), key.name()) {
            self.fetch_live(vec![key]);
            return;
        }
        self.land_refused(&key, Refusal::Timeout);
    }

    /// Ends the flight of a key that cannot be fetched.
    pub fn land_refused(&mut self, key: &Key, refusal: Refusal) {
        let Some(state) = self.flights.state(key.db(), key.name()) else { return };
        if let Some(landed) = self.flights.land(key.db(), key.name(), state.token) {
            self.settle_landed(&landed, None, crate::engine::settlement::Settled::failed(&refusal.to_string()), 0);
            self.releases.push(landed, News::Refused(refusal));
            self.leftover = true;
        }
    }

    /// The next number of a fetch.
    pub fn new_fetch(&mut self, urgency: Urgency) -> u64 {
        self.last_fetch = number_after(self.last_fetch, urgency);
        self.last_fetch
    }

    /// Hands over the warm fetches that gathered, the oldest first. If the loader has no room, the rest stays: bounded by
    /// the orders that may be out; [`State::wake_for_unsent`] sees to the next try.
    pub fn send_unsent(&mut self) {
        while !self.unsent.is_empty() {
            let count = self.unsent.len().min(HANDED_OVER);
            let fetches: Vec<Fetch> = self.unsent.drain(..count).collect();
            if let Err(back) = self.runtime.submit(fetches) {
                back.into_iter().rev().for_each(|fetch| self.unsent.push_front(fetch));
                return;
            }
        }
    }

    /// If fetches wait for room at the loader, asks to be woken to try again.
    pub fn wake_for_unsent(&mut self, now: Instant) {
        if !self.unsent.is_empty() {
            self.leftover = true;
            self.pace.hold(now.after(ROOM));
            self.pulse.wake_at(now.after(ROOM));
        }
    }

    /// Ends waits and leases whose time is over, `most` at a time; how many there were.
    pub fn expire(&mut self, now: Instant, most: usize) -> usize {
        for ended in 0..most {
            match self.flights.next_expired(now) {
                Some(Expired::Waiter { waiter, .. }) => {
                    self.counters.timeouts += 1;
                    waiter.told(News::Refused(Refusal::Timeout));
                }
                Some(Expired::Lease { key, .. }) => self.lease_ended(key),
                None => return ended,
            }
        }
        most
    }
}
