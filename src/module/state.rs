//! The main thread's state, and the one way to it.
//!
//! [`with`] lends the state for the time of a closure. **Never call the server inside it**: the server may run our own
//! hooks during the call, and they would find the state taken. Such a re-entry, a call from another thread, or a call
//! while the module is not loaded gives `None`; the caller then does what it would do without the module.

use std::cell::{Cell, UnsafeCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::api::context::Standing;
use super::beginning::Beginning;
use super::describing::Described;
use super::directives::Settings;
use super::engine_thread::{Directives, EngineHandle, Message};
use super::expansion::Expansion;
use super::hooks::Filter;
use super::incoming::Incoming;
use super::loaders::Loaders;
use super::memory_policy::MemoryPolicy;
use super::pace::Pace;
use super::pulse::Pulse;
use super::releases::Releases;
use super::troubles::Troubles;
use super::waiter::Waiter;
use super::watch::{Eyes, Watch};
use super::{config, hints};
use crate::engine::absent::Absent;
use crate::engine::flights::{Begun, Flights, Owner, Token, Void};
use crate::engine::foresight::mode::Mode;
use crate::engine::key::{Db, Key};
use crate::engine::outcome::Role;
use crate::engine::progress::Scope;
use crate::engine::request::Plan;
use crate::engine::settlement::{OrderId, Settlement};
use crate::engine::stats::Stats;
use crate::engine::time::Instant;
use crate::loader::fetch::Fetch;
use crate::loader::runtime::Runtime;
use crate::loader::validators::Digester;

/// What is remembered of a fetch that is out, for each of its keys.
pub type Outbound = Vec<Expected>;

/// What is to become of one result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The flight that it belongs to.
    pub token: Token,
    /// How it is to be written.
    pub plan: Plan,
    /// How hot the key is, for the server to know when it evicts; 0: nothing is said.
    pub heat: u8,
}

/// Everything the main thread owns. Small tables and handles; the engine's own state lives on its thread.
pub struct State {
    /// The directives, as last read.
    pub settings: Settings,
    /// One flight per key that is being fetched, with its lease and its waiters.
    pub flights: Flights<Waiter>,
    /// The databases that ever had a key in flight.
    pub dbs: Vec<Db>,
    /// Keys the origin said do not exist.
    pub absent: Absent,
    /// What is defined.
    pub loaders: Loaders,
    /// The loader's threads.
    pub runtime: Runtime,
    /// The engine's thread.
    pub engine: EngineHandle,
    /// What the engine wants done. Bounded by the orders it may have outstanding.
    pub directives: Directives,
    /// What the loader brings.
    pub incoming: Incoming,
    /// The engine's figures, as it last published them.
    pub engine_stats: Arc<ArcSwap<Stats>>,
    /// Makes digests of values that may be revalidated.
    pub digester: Digester,
    /// The fetches that are out, by number.
    pub outbound: HashMap<u64, Outbound>,
    /// The order whose leases are being taken.
    pub beginning: Option<Beginning>,
    /// Fetches that the loader had no room for.
    pub unsent: VecDeque<Fetch>,
    /// Targets that are being turned into keys.
    pub expansions: VecDeque<Expansion>,
    /// Waiters whose news is there.
    pub releases: Releases,
    /// Keys that somebody waits for and whose lease was voided: the value may be there already. Bounded by the flights.
    pub rechecks: BTreeSet<Key>,
    /// Keys of orders that were given up before their turn came.
    pub given_up: BTreeSet<(OrderId, Key)>,
    /// The order that was taken up last.
    pub last_order: Option<OrderId>,
    /// What became of keys, on its way to the engine. Bounded by the orders that are out.
    pub settlements: Vec<Settlement>,
    /// Wakes this thread.
    pub pulse: Pulse,
    /// When the next slice may run.
    pub pace: Pace,
    /// Work was left by the last slice, or came since without a wake-up.
    pub leftover: bool,
    /// What the engine was last told of the server.
    pub vitals: Option<(Option<f64>, Role)>,
    /// The generation of the directives that were read, and the `maxmemory` that the engine was told with them.
    pub directives_read: (u64, Option<u64>),
    /// What the server says of its memory.
    pub memory_policy: MemoryPolicy,
    /// When that was last asked.
    pub looked_after: Option<Instant>,
    /// Of each loader, by name, the lead that the engine was told; `None`: it must be told.
    pub leads_told: Option<Vec<Duration>>,
    /// Whether the server understands idle times.
    pub idle_times: hints::IdleTimes,
    /// Eviction hints, half applied.
    pub hints: hints::Pending,
    /// Whether the engine knows what is defined.
    pub loaders_told: bool,
    /// The command filter, for unloading.
    pub filter: Option<Filter>,
    /// What is seen of the keys that loaders' patterns match.
    pub watch: Watch,
    /// What the log was told of failing origins.
    pub troubles: Troubles,
    /// What the origin said of keys' content, on its way to the engine.
    pub described: Described,
    /// Counters of this thread.
    pub counters: Counters,
    /// The last number of a fetch.
    pub last_fetch: u64,
    /// The last number of a job.
    pub next_job: u64,
    /// A seeded generator's state, for the spread of lifetimes.
    pub chance: u64,
}

impl State {
    /// Somebody else changed a key: its lease is void, and what was known of its absence is too.
    pub fn key_changed(&mut self, db: Db, name: &[u8]) {
        self.absent.forget(db, name);
        if self.flights.void(db, name, Void::Written) && self.flights.is_wanted(db, name) {
            self.rechecks.insert(Key::new(db, name));
            self.leftover = true;
        }
    }

    /// Takes the lease on a key, or says who holds it.
    pub fn begin_flight(&mut self, key: Key, owner: Owner) -> Begun {
        if !self.dbs.contains(&key.db()) {
            self.dbs.push(key.db());
        }
        self.flights.begin(key, owner)
    }

    /// Databases were flushed or swapped.
    pub fn flushed(&mut self, scope: Scope) {
        self.flights.void_all(scope);
        match scope {
            Scope::All => self.absent.clear(),
            Scope::One(db) => self.absent.clear_db(db),
        }
        // If there is no room the engine remembers completed keys that are gone; that misleads nobody for long.
        let _ = self.engine.send(Message::Flushed(scope));
    }

    /// Tells the engine how the server is, if that changed.
    pub fn take_pulse(&mut self, memory: Option<f64>, standing: Standing) {
        let (role, eyes) = match standing {
            Standing::Master | Standing::Halted => (Role::Active, Eyes::Open),
            Standing::Replica | Standing::Loading => (Role::Inactive, Eyes::Closed),
        };
        let eyes = if self.settings.predict == Mode::Off { Eyes::Closed } else { eyes };
        self.watch.set_eyes(eyes);
        let vitals = (memory, role);
        if self.vitals != Some(vitals) && self.engine.send(Message::Vitals(memory, role)).is_ok() {
            self.vitals = Some(vitals);
        }
    }

    /// Has the engine's thread empty the ring of what was seen, if that cannot wait for its next round.
    pub fn wake_for_the_ring(&mut self) {
        if self.watch.wants_reader() {
            // Without room the thread is awake, and empties the ring with the next message it hears.
            let _ = self.engine.send(Message::Drain);
        }
    }

    /// Tells the engine what is defined; if it has no room to hear, the next cron tells it.
    pub fn publish_loaders(&mut self) {
        let loaders = self.loaders.iter().map(|loader| (loader.rules(), Arc::from(loader.definition.name()))).collect();
        self.troubles.keep(|name| self.loaders.named(name).is_some());
        self.loaders_told = self.engine.send(Message::Loaders(loaders)).is_ok();
        self.publish_supplies();
    }

    /// Takes over directives that were changed since they were last read.
    pub fn read_directives(&mut self) {
        if !self.loaders_told {
            self.publish_loaders();
        }
        let now = (config::generation(), self.memory_policy.limit);
        if now == self.directives_read {
            return;
        }
        self.settings = config::settings();
        self.absent.set_limit(self.settings.max_tracked_keys);
        // The engine keeps its seed.
        if self.engine.send(Message::Configure(Box::new(self.settings.engine(0, now.1)))).is_ok() {
            self.directives_read = now;
        }
    }

    /// A pseudo-random number (SplitMix64).
    pub fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// What the main thread counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Keys that `WARM.GET` and `MGET` were asked for.
    pub reads: u64,
    /// Of these: keys of another type than a string.
    pub read_errors: u64,
    /// `WARM.GET`/`MGET` keys that were missing.
    pub read_misses: u64,
    /// Misses answered from the memory of absent keys.
    pub read_absent: u64,
    /// Misses that joined a fetch under way.
    pub read_joined: u64,
    /// Fetches sent for waiting clients.
    pub live_fetches: u64,
    /// Values written.
    pub written: u64,
    /// Bytes of values written.
    pub written_bytes: u64,
    /// Lives renewed without a body.
    pub renewed: u64,
    /// Results dropped because the key was written, deleted, renamed or flushed while it was fetched.
    pub superseded: u64,
    /// Values fetched but refused by the server (out of memory, another type, not our slot).
    pub refused: u64,
    /// Leases given to applications.
    pub leases: u64,
    /// Fills accepted.
    pub fills: u64,
    /// Fills refused.
    pub stale_fills: u64,
    /// Clients answered with TIMEOUT.
    pub timeouts: u64,
    /// Slices run.
    pub slices: u64,
    /// Time spent in slices, in microseconds.
    pub slice_micros: u64,
    /// The longest slice, in microseconds.
    pub slice_max_micros: u64,
    /// Eviction hints that the server took.
    pub hints: u64,
    /// Commands seen by the filter.
    pub commands_seen: u64,
}

/// Lends the state to `body`, on the main thread only.
pub fn with<R>(body: impl FnOnce(&mut State) -> R) -> Option<R> {
    CELL.with(body)
}

/// Installs the state at load. The calling thread becomes the main thread.
pub fn install(state: State) {
    CELL.install(state);
}

/// Takes the state away at unload; hooks find nothing from then on.
pub fn remove() -> Option<State> {
    CELL.remove()
}

thread_local! {
    /// Whether this thread installed the state. No other thread's copy is ever true.
    static IS_MAIN: Cell<bool> = const { Cell::new(false) };
}

static CELL: MainCell = MainCell { taken: Cell::new(false), state: UnsafeCell::new(None) };

struct MainCell {
    taken: Cell<bool>,
    state: UnsafeCell<Option<State>>,
}

// SAFETY: `taken` and `state` are touched only on the thread whose IS_MAIN is true, which is the one that called `install`
// in OnLoad.
unsafe impl Sync for MainCell {}

impl MainCell {
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        if !IS_MAIN.get() || self.taken.replace(true) {
            return None;
        }
        let _back = GiveBack(&self.taken);
        // SAFETY: this is the main thread, and `taken` was false: no other reference to the state exists until `_back`
        // is dropped.
        let state = unsafe { &mut *self.state.get() };
        state.as_mut().map(body)
    }

    fn install(&self, state: State) {
        // OnLoad runs on the main thread, and the module is not loaded twice (load.rs refuses it).
        IS_MAIN.set(true);
        if self.taken.replace(true) {
            return;
        }
        let _back = GiveBack(&self.taken);
        // SAFETY: as in `with`.
        unsafe { *self.state.get() = Some(state) };
    }

    fn remove(&self) -> Option<State> {
        if !IS_MAIN.get() || self.taken.replace(true) {
            return None;
        }
        let _back = GiveBack(&self.taken);
        // SAFETY: as in `with`.
        let state = unsafe { &mut *self.state.get() };
        state.take()
    }
}

struct GiveBack<'a>(&'a Cell<bool>);

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
