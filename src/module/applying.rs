//! An answer is written, key by key, or dropped because its lease is void; then those who wait are told.
//!
//! Writes are the server's own commands ([`super::api::call`]). A value is written only if the flight's lease holds: nobody
//! wrote, deleted, renamed, expire-reset, flushed or swapped the key since the fetch began.

use std::sync::Arc;
use std::time::Duration;

use super::api::Context;
use super::api::context::{Held, Look};
use super::incoming::{Arrival, Last};
use super::reply::Refusal;
use super::slice::{Progress, Scope};
use super::state::{self, Expected, State};
use super::waiter::News;
use super::writing::{Refused, write};
use super::{clock, demand, hints};
use crate::engine::flights::{FlightState, Landed, Owner, Void};
use crate::engine::key::Key;
use crate::engine::request::{LoaderId, Plan};
use crate::engine::settlement::{DropReason, Settled, Settlement, Source};
use crate::loader::definition::Definition;
use crate::loader::fetch::{Fetch, Item, Outcome, Urgency, Value};

/// Whether this server may write now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// It is a master.
    Allowed,
    /// It is a master that uses more than its `maxmemory`. The server's own check goes by what the last client command
    /// found, which may be long ago; ours by what is used now.
    Full,
    /// It is a replica: results are handed to those who wait, and dropped.
    Forbidden,
}

/// One result, with its flight as it stands.
struct Arrived {
    loader: Arc<Definition>,
    attempts: u32,
    key: Key,
    outcome: Outcome,
    flight: FlightState,
    wanted: bool,
    plan: Plan,
    heat: u8,
    chance: u64,
}

/// What is to be applied next.
enum Next {
    Nothing,
    /// A result that nobody waits for any more.
    Over,
    Apply(Box<Arrived>),
}

/// What is to be done with a flight.
enum Ending {
    /// It lands: this is settled, and this is told.
    Land(Settled, News),
    /// It is begun anew.
    Restart,
}

/// Writes one result.
pub fn step(ctx: &Context<'_>, writes: Writes, scope: Scope) -> Progress {
    let arrived = match state::with(|state| state.next_result(scope)) {
        None | Some(Next::Nothing) => return Progress::Idle,
        Some(Next::Over) => return Progress::Stepped,
        Some(Next::Apply(arrived)) => *arrived,
    };
    ctx.select(arrived.key.db());
    let ending = match arrived.flight.voided {
        Some(void) => superseded(ctx, &arrived, void, writes),
        None => apply(ctx, &arrived, writes),
    };
    state::with(|state| state.end_flight(arrived, ending));
    Progress::Stepped
}

/// Looks at one key whose lease was voided while somebody waits for it: if its new value is there, they need not wait for
/// the origin; and if a client held the lease, the module fetches in its stead.
pub fn recheck(ctx: &Context<'_>) -> Progress {
    let Some(Some(key)) = state::with(|state| state.rechecks.pop_first()) else { return Progress::Idle };
    ctx.select(key.db());
    let value = ctx.with_string(key.name(), Look::Peek, bytes::Bytes::copy_from_slice);
    state::with(|state| {
        let Some(flight) = state.flights.state(key.db(), key.name()).filter(|f| f.voided.is_some()) else { return };
        match (value, flight.owner) {
            (Ok(value), _) => {
                if let Some(landed) = state.flights.land(key.db(), key.name(), flight.token) {
                    state.counters.superseded += 1;
                    state.settle_landed(&landed, None, Settled::Dropped(DropReason::Superseded), 0);
                    state.releases.push(landed, News::Value(value));
                }
            }
            // Its holder cannot fill the key any more, and nobody else would bring an outcome.
            (Err(_), Owner::Client { .. }) => state.lease_ended(key),
            // The fetch under way ends soon, and is begun anew for those who wait.
            (Err(_), Owner::Loader { .. }) => {}
        }
    });
    Progress::Stepped
}

fn superseded(ctx: &Context<'_>, arrived: &Arrived, void: Void, writes: Writes) -> Ending {
    let reason = match void {
        Void::Written | Void::Outdated => DropReason::Superseded,
        Void::Flushed => DropReason::Flushed,
        Void::Abandoned => DropReason::Cancelled,
    };
    let dropped = Settled::Dropped(reason);
    if !arrived.wanted {
        return Ending::Land(dropped, News::Absent);
    }
    match ctx.with_string(arrived.key.name(), Look::Peek, bytes::Bytes::copy_from_slice) {
        Ok(value) => Ending::Land(dropped, News::Value(value)),
        Err(Held::Nothing) if writes == Writes::Forbidden => Ending::Land(dropped, News::Refused(Refusal::ReadOnly)),
        Err(Held::Nothing) if arrived.flight.restarts < demand::RESTARTS => Ending::Restart,
        Err(Held::Nothing) => {
            let reason = "the key was changed again and again while it was fetched".to_owned();
            let loader = arrived.loader.name().to_owned();
            Ending::Land(dropped, News::Refused(Refusal::LoadFail { loader, reason }))
        }
        Err(_) => Ending::Land(dropped, News::Refused(Refusal::WrongType)),
    }
}

fn apply(ctx: &Context<'_>, arrived: &Arrived, writes: Writes) -> Ending {
    let fail = |reason: &str| {
        let loader = arrived.loader.name().to_owned();
        News::Refused(Refusal::LoadFail { loader, reason: reason.to_owned() })
    };
    match &arrived.outcome {
        Outcome::Loaded(value) if writes == Writes::Forbidden => {
            Ending::Land(Settled::Dropped(DropReason::Inactive), News::Value(value.plain.clone()))
        }
        Outcome::Loaded(value) => {
            let (settled, told) = store(ctx, arrived, value, writes);
            Ending::Land(settled, told)
        }
        Outcome::NotModified { .. } if writes == Writes::Forbidden => {
            Ending::Land(Settled::Dropped(DropReason::Inactive), held(ctx, arrived))
        }
        // The origin confirms the value and forbids to keep it: what is there lives as long as it was to live.
        Outcome::NotModified { ttl } if ttl.is_zero() => {
            Ending::Land(Settled::Dropped(DropReason::NoStore), held(ctx, arrived))
        }
        Outcome::NotModified { ttl } => renew(ctx, arrived, *ttl),
        Outcome::Absent => Ending::Land(Settled::Absent, News::Absent),
        Outcome::Failed(failure) => Ending::Land(Settled::failed(&failure.message), fail(&failure.message)),
        Outcome::Cancelled => Ending::Land(Settled::Dropped(DropReason::Cancelled), fail("the fetch was given up")),
    }
}

fn store(ctx: &Context<'_>, arrived: &Arrived, value: &Value, writes: Writes) -> (Settled, News) {
    let plain = News::Value(value.plain.clone());
    let ttl = if value.ttl.is_zero() { value.ttl } else { arrived.plan.ttl.unwrap_or(value.ttl) };
    if ttl.is_zero() {
        return (Settled::Dropped(DropReason::NoStore), plain);
    }
    if writes == Writes::Full {
        return (Settled::Dropped(DropReason::OutOfMemory), plain);
    }
    let expires_at = clock::now().wall.after(arrived.loader.jittered(ttl, arrived.chance));
    match write(ctx, &arrived.key, &value.body, arrived.plan, expires_at) {
        Ok(bytes) => {
            hints::give(ctx, arrived.key.name(), arrived.heat);
            (Settled::Loaded { bytes, expires_at: Some(expires_at) }, plain)
        }
        Err(Refused::WrongType) => {
            (Settled::failed("a key of another type is in the way"), News::Refused(Refusal::WrongType))
        }
        Err(Refused::Dropped(reason)) => (Settled::Dropped(reason), plain),
        Err(Refused::Server(message)) => (Settled::failed(&message), plain),
    }
}

/// What those who wait are told of a value that is there already.
fn held(ctx: &Context<'_>, arrived: &Arrived) -> News {
    let value = ctx.with_string(arrived.key.name(), Look::Peek, bytes::Bytes::copy_from_slice);
    value.map_or(News::Absent, News::Value)
}

fn renew(ctx: &Context<'_>, arrived: &Arrived, ttl: Duration) -> Ending {
    let ttl = arrived.plan.ttl.unwrap_or(ttl);
    let at = clock::now().wall.after(arrived.loader.jittered(ttl, arrived.chance));
    match super::writing::renew(ctx, &arrived.key, at) {
        Ok(true) => {
            hints::give(ctx, arrived.key.name(), arrived.heat);
            Ending::Land(Settled::Renewed { expires_at: Some(at) }, held(ctx, arrived))
        }
        // It expired or was evicted meanwhile: it must be fetched whole.
        Ok(false) => Ending::Restart,
        Err(message) => {
            let loader = arrived.loader.name().to_owned();
            let news = News::Refused(Refusal::LoadFail { loader, reason: message.clone() });
            Ending::Land(Settled::failed(&message), news)
        }
    }
}

impl State {
    /// The next result that came: none at all, one whose flight is over already, or one to apply.
    fn next_result(&mut self, scope: Scope) -> Next {
        let arrival = match scope {
            Scope::Live => self.incoming.next_live(),
            Scope::All => self.incoming.next_live().or_else(|| self.incoming.next_warm()),
        };
        let Some(Arrival { fetch, place, loader, attempts, item, outcome, last }) = arrival else {
            return Next::Nothing;
        };
        let expected = self.outbound.get(&fetch).and_then(|outbound| outbound.get(place).copied());
        if last == Last::Last {
            self.outbound.remove(&fetch);
        }
        let key = item.key;
        let Some(Expected { token, plan, heat }) = expected else { return Next::Over };
        let flight = self.flights.state(key.db(), key.name()).filter(|flight| flight.token == token);
        let Some(flight) = flight else { return Next::Over };
        let wanted = self.flights.has_waiters(key.db(), key.name());
        let chance = self.draw();
        Next::Apply(Box::new(Arrived { loader, attempts, key, outcome, flight, wanted, plan, heat, chance }))
    }

    fn end_flight(&mut self, arrived: Arrived, ending: Ending) {
        let Arrived { loader, key, attempts, outcome, flight, plan, heat, .. } = arrived;
        let (settled, news) = match ending {
            Ending::Land(settled, news) => (settled, news),
            Ending::Restart => return self.restart(key, flight, (plan, heat), &loader),
        };
        match &settled {
            Settled::Loaded { bytes, .. } => {
                self.counters.written += 1;
                self.counters.written_bytes += bytes;
            }
            Settled::Renewed { .. } => self.counters.renewed += 1,
            Settled::Dropped(DropReason::Superseded | DropReason::Flushed) => self.counters.superseded += 1,
            Settled::Dropped(DropReason::OutOfMemory | DropReason::NotOurs) => self.counters.refused += 1,
            _ => {}
        }
        if let Settled::Failed { message } = &settled {
            let log_keys = self.settings.log_keys;
            self.troubles.failed(clock::mono(), loader.name(), key.name(), message, log_keys);
        }
        if matches!(outcome, Outcome::Absent) && settled == Settled::Absent && !loader.negative().is_zero() {
            self.absent.remember(key.clone(), clock::mono().after(loader.negative()));
        }
        if matches!(settled, Settled::Loaded { .. } | Settled::Renewed { .. }) {
            self.absent.forget(key.db(), key.name());
        }
        if let (Outcome::Loaded(value), Settled::Loaded { .. }) = (outcome, &settled) {
            self.described.note(&key, value.content);
        }
        let Some(landed) = self.flights.land(key.db(), key.name(), flight.token) else { return };
        let id = self.loaders.named(loader.name()).map(|loader| loader.id);
        self.settle_landed(&landed, id, settled, attempts);
        self.releases.push(landed, news);
    }

    /// Begins a flight anew with those who wait for it.
    fn restart(&mut self, key: Key, flight: FlightState, (plan, heat): (Plan, u8), loader: &Arc<Definition>) {
        let urgency = if self.flights.has_waiters(key.db(), key.name()) { Urgency::Live } else { Urgency::Warm };
        let id = self.new_fetch(urgency);
        let owner = Owner::Loader { fetch: id };
        let Some(token) = self.flights.restart(key.db(), key.name(), flight.token, owner) else { return };
        self.outbound.insert(id, vec![Expected { token, plan, heat }]);
        let items = vec![Item { key, held: None }];
        let refused = self.runtime.submit(vec![Fetch { id, loader: Arc::clone(loader), items, urgency }]).err();
        for item in refused.into_iter().flatten().flat_map(|fetch| fetch.items) {
            self.outbound.remove(&id);
            self.land_refused(&item.key, Refusal::QueueFull("too many fetches are under way"));
        }
    }

    /// Tells the engine how a flight ended, for every order that shared it, or else as a live load.
    pub fn settle_landed(
        &mut self,
        landed: &Landed<super::waiter::Waiter>,
        loader: Option<LoaderId>,
        settled: Settled,
        attempts: u32,
    ) {
        let key = &landed.key;
        let loader = loader.or_else(|| self.loaders.route(key.name()).map(|loader| loader.id)).unwrap_or(LoaderId(0));
        let sources: Vec<Source> = if landed.orders.is_empty() {
            vec![Source::Live]
        } else {
            landed.orders.iter().map(|order| Source::Order(*order)).collect()
        };
        for source in sources {
            self.settlements.push(Settlement { source, key: key.clone(), loader, settled: settled.clone(), attempts });
        }
    }
}
