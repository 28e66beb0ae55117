//! An order's leases are taken and its fetch goes out.
//!
//! A key that exists meanwhile is settled as fresh (unless the plan is to load it all the same); a key in flight is joined;
//! for the others a flight begins, which is the lease, and they become items of one fetch.

use std::sync::Arc;

use super::api::Context;
use super::api::context::{Held, Look};
use super::applying::Writes;
use super::slice::Progress;
use super::state::{self, Expected, Outbound, State};
use crate::engine::flights::{Abandoned, Begun, FlightState, Owner};
use crate::engine::key::Key;
use crate::engine::orders::{Order, OrderKey};
use crate::engine::request::{LoaderId, Mode, Plan};
use crate::engine::settlement::{DropReason, OrderId, Settled, Settlement, Source};
use crate::loader::definition::Definition;
use crate::loader::fetch::{Fetch, Item, Urgency};
use crate::loader::settings::Kind;
use crate::loader::validators::Digester;

/// Values up to this size, in bytes, are digested on the main thread (some 100 ns per KiB) so that they can be
/// revalidated instead of fetched anew.
const DIGESTED: usize = 64 << 10;

/// Fetches handed to the loader together; each hand-over may wake its thread.
const GATHERED: usize = 64;

/// An order half begun.
#[derive(Debug)]
pub struct Beginning {
    order: OrderId,
    loader: LoaderId,
    definition: Arc<Definition>,
    left: std::vec::IntoIter<OrderKey>,
    fetch: Fetch,
    outbound: Outbound,
}

/// Begins one key; or takes up the next directive.
pub fn step(ctx: &Context<'_>, writes: Writes) -> Progress {
    let next = state::with(|state| {
        if state.unsent.len() >= GATHERED {
            state.send_unsent();
        }
        // The loader has no room: no more leases are taken until it has.
        if state.unsent.len() >= GATHERED {
            return Next::Nothing;
        }
        if state.beginning.is_none() {
            match state.directives.orders.try_recv() {
                Err(_) => return Next::Nothing,
                Ok(order) => state.take_up(order, writes),
            }
        }
        state.next_key()
    });
    match next.unwrap_or(Next::Nothing) {
        Next::Nothing => Progress::Idle,
        Next::Done => Progress::Stepped,
        Next::Key { asked, kind, digester } => {
            ctx.select(asked.key.db());
            let (held, digest) = look(ctx, &asked.key, asked.plan, kind, digester);
            state::with(|state| state.begin_key(asked, held, digest));
            Progress::Stepped
        }
    }
}

enum Next {
    Nothing,
    Done,
    Key { asked: OrderKey, kind: Kind, digester: Digester },
}

/// What the key holds, and the digest of a value that may be revalidated.
fn look(ctx: &Context<'_>, key: &Key, plan: Plan, kind: Kind, digester: Digester) -> (Held, Option<u64>) {
    if plan.mode == Mode::Missing || kind != Kind::String {
        return (ctx.held(key.name(), Look::Peek), None);
    }
    let digest = ctx.with_string(key.name(), Look::Peek, |value| {
        (Held::String(value.len()), (value.len() <= DIGESTED).then(|| digester.digest(value)))
    });
    digest.unwrap_or_else(|held| (held, None))
}

impl State {
    fn take_up(&mut self, order: Order, writes: Writes) {
        let Order { id, loader, keys } = order;
        self.last_order = Some(id);
        self.given_up.retain(|(order, _)| *order >= id);
        let definition = self.loaders.numbered(loader).map(|loader| Arc::clone(&loader.definition));
        let refused = match (&definition, writes) {
            (_, Writes::Forbidden) => Some(DropReason::Inactive),
            (None, _) => Some(DropReason::NoLoader),
            _ => None,
        };
        let (None, Some(definition)) = (refused, definition) else {
            let reason = refused.unwrap_or(DropReason::NoLoader);
            for OrderKey { key, .. } in keys {
                self.settle_order(id, key, loader, Settled::Dropped(reason), 0);
            }
            return;
        };
        let fetch = Fetch {
            id: self.new_fetch(Urgency::Warm),
            loader: Arc::clone(&definition),
            items: Vec::with_capacity(keys.len()),
            urgency: Urgency::Warm,
        };
        let outbound = Vec::with_capacity(keys.len());
        self.beginning = Some(Beginning { order: id, loader, definition, left: keys.into_iter(), fetch, outbound });
    }

    fn next_key(&mut self) -> Next {
        let Some(beginning) = &mut self.beginning else { return Next::Done };
        match beginning.left.next() {
            Some(asked) => {
                let kind = beginning.definition.settings().kind;
                Next::Key { asked, kind, digester: self.digester }
            }
            None => {
                if let Some(Beginning { fetch, outbound, .. }) = self.beginning.take()
                    && !fetch.items.is_empty()
                {
                    self.outbound.insert(fetch.id, outbound);
                    self.unsent.push_back(fetch);
                }
                Next::Done
            }
        }
    }

    fn begin_key(&mut self, asked: OrderKey, held: Held, digest: Option<u64>) {
        let OrderKey { key, plan, heat } = asked;
        let Some(beginning) = &mut self.beginning else { return };
        let (order, loader) = (beginning.order, beginning.loader);
        if !self.given_up.is_empty() && self.given_up.remove(&(order, key.clone())) {
            self.settle_order(order, key, loader, Settled::Dropped(DropReason::Cancelled), 0);
            return;
        }
        if beginning.definition.pattern().matches(key.name()).is_none() {
            self.settle_order(order, key, loader, Settled::Dropped(DropReason::NoLoader), 0);
            return;
        }
        if held != Held::Nothing && plan.mode == Mode::Missing {
            self.settle_order(order, key, loader, Settled::Fresh, 0);
            return;
        }
        let fetch = beginning.fetch.id;
        match self.begin_flight(key.clone(), Owner::Loader { fetch }) {
            Begun::Started(token) => {
                self.flights.join_order(key.db(), key.name(), order);
                if let Some(beginning) = &mut self.beginning {
                    beginning.outbound.push(Expected { token, plan, heat });
                    beginning.fetch.items.push(Item { key, held: digest });
                }
            }
            Begun::Joined(state) => {
                self.flights.join_order(key.db(), key.name(), order);
                self.fetch_anew(OrderKey { key, plan, heat }, state, fetch, digest);
            }
            Begun::Full => {
                let message = "too many keys are in flight";
                self.settle_order(order, key, loader, Settled::failed(message), 0);
            }
        }
    }

    /// A key in flight is fetched anew if what is under way may not be written, or is older than what was asked for.
    fn fetch_anew(&mut self, asked: OrderKey, state: FlightState, fetch: u64, held: Option<u64>) {
        let OrderKey { key, plan, heat } = asked;
        let ours = matches!(state.owner, Owner::Loader { .. });
        if !ours || (state.voided.is_none() && plan.mode == Mode::Missing) {
            return;
        }
        let token = self.flights.restart(key.db(), key.name(), state.token, Owner::Loader { fetch });
        if let (Some(token), Some(beginning)) = (token, &mut self.beginning) {
            beginning.outbound.push(Expected { token, plan, heat });
            beginning.fetch.items.push(Item { key, held });
        }
    }

    /// Gives up what the engine no longer wants.
    pub fn take_abandoned(&mut self) {
        let given_up: Vec<(OrderId, Key)> = self.directives.abandoned.try_iter().flatten().collect();
        for (order, key) in given_up {
            if self.flights.abandon(key.db(), key.name(), order) == Abandoned::NotInFlight {
                // Its turn has not come yet, or it is settled already.
                if self.last_order.is_none_or(|last| last <= order) {
                    self.given_up.insert((order, key));
                }
                continue;
            }
            let loader = self.loaders.route(key.name()).map_or(LoaderId(0), |loader| loader.id);
            self.settle_order(order, key, loader, Settled::Dropped(DropReason::Cancelled), 0);
        }
    }

    /// Tells the engine what became of one key of an order.
    pub fn settle_order(&mut self, order: OrderId, key: Key, loader: LoaderId, settled: Settled, attempts: u32) {
        let source = Source::Order(order);
        self.settlements.push(Settlement { source, key, loader, settled, attempts });
    }
}
