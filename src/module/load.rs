//! OnLoad and OnUnload: what is started, and in which order it ends.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::raw::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::api::call::Effect;
use super::api::context::bytes_of;
use super::api::log::{self, Level};
use super::api::{Context, api, raw, symbols};
use super::commands::TABLE;
use super::describing::Described;
use super::directives::Settings;
use super::engine_thread::Watched;
use super::hints::IdleTimes;
use super::incoming;
use super::loaders::Loaders;
use super::memory_policy::MemoryPolicy;
use super::pace::Pace;
use super::pulse::Pulse;
use super::releases::Releases;
use super::state::{Counters, State};
use super::troubles::Troubles;
use super::watch::Watch;
use super::{categories, clock, config, definitions, engine_thread, entry, hooks, info, register, state, threads};
use crate::engine::absent::Absent;
use crate::engine::flights::Flights;
use crate::engine::key::Db;
use crate::loader::fetch::Urgency;
use crate::loader::runtime::{Limits, Runtime};

/// The module's name: the prefix of its directives and of its INFO section.
const NAME: &std::ffi::CStr = c"warm";

/// The module's version, as `MODULE LIST` shows it: 0.1.0.
const VERSION: c_int = 100;

/// Fetches that may be under way or wait for their turn in the loader; further orders wait with the engine.
const MOST_FETCHES: usize = 8192;

/// Keys that may be in flight.
const MOST_FLIGHTS: u32 = 1 << 20;

/// Clients that may wait; the server's `maxclients` is usually far below.
const MOST_WAITERS: u32 = 1 << 20;

/// Whether the module is loaded. Statics survive an unload, since the library stays mapped.
static LOADED: AtomicBool = AtomicBool::new(false);

/// The server's first call.
///
/// # Safety
/// Only for the server: a valid context and `argc` live strings at `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    const ERROR: c_int = raw::REDISMODULE_ERR as c_int;
    if LOADED.load(Ordering::Relaxed) {
        log::line(Level::Warning, "the module is already loaded; unload it first: MODULE UNLOAD warm");
        return ERROR;
    }
    // SAFETY: the server's load context and a C string. This fills the pointers of the API; nothing is allocated before.
    let init = unsafe { raw::Export_RedisModule_Init(ctx, NAME.as_ptr(), VERSION, raw::REDISMODULE_APIVER_1 as c_int) };
    if init != raw::REDISMODULE_OK as c_int {
        return ERROR;
    }
    entry::door("loading", ERROR, || {
        let missing = symbols::missing();
        if !missing.is_empty() {
            report(&format!("this server is too old, it lacks {}", missing.join(", ")));
            return ERROR;
        }
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        let count = usize::try_from(argc).unwrap_or(0);
        // SAFETY: `argc` pointers at `argv` (precondition).
        let strings = if count == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(argv, count) } };
        // SAFETY: each is a live string (precondition).
        let words: Vec<&[u8]> = strings.iter().map(|string| unsafe { bytes_of(*string) }).collect();
        match load(&ctx, &words) {
            Ok(()) => {
                LOADED.store(true, Ordering::Relaxed);
                raw::REDISMODULE_OK as c_int
            }
            Err(why) => {
                report(&why);
                end(&ctx);
                ERROR
            }
        }
    })
}

/// The server's last call. Refuses (and the module stays) only where unloading would end the server.
///
/// # Safety
/// Only for the server: a valid context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RedisModule_OnUnload(ctx: *mut raw::RedisModuleCtx) -> c_int {
    entry::door("unloading", raw::REDISMODULE_ERR as c_int, || {
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        if let Some(why) = categories::unload_obstacle(&ctx) {
            report(&why);
            return raw::REDISMODULE_ERR as c_int;
        }
        end(&ctx);
        LOADED.store(false, Ordering::Relaxed);
        log::line(Level::Notice, "unloaded");
        raw::REDISMODULE_OK as c_int
    })
}

fn report(why: &str) {
    log::line(Level::Warning, why);
}

fn load(ctx: &Context<'_>, words: &[&[u8]]) -> Result<(), String> {
    config::refuse_arguments(words)?;
    register::register(ctx, TABLE)?;
    config::register(ctx)?;
    let options = api!(RedisModule_SetModuleOptions);
    // SAFETY: the load context; we use no RDB callbacks, so their errors cannot concern us.
    unsafe { options(ctx.raw(), raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD as c_int) };
    let settings = config::settings();
    let mut loaders = Loaders::default();
    if let Some(path) = &settings.file {
        match definitions::read(path) {
            Ok(definitions) => loaders.replace_file(definitions),
            // The cache must come up: it serves without loaders, as it would without the module.
            Err(why) => report(&format!("{why}; nothing is loaded from it until WARM.CONFIG RELOAD succeeds")),
        }
    }
    let defined = loaders.iter().count();
    let mut started = start(settings, loaders, &used_databases(ctx))
        .map_err(|error| format!("a thread could not be started: {error}"))?;
    started.publish_loaders();
    started.take_pulse(ctx.memory_ratio(), ctx.standing());
    state::install(started);
    hooks::learn_commands(ctx);
    info::register(ctx)?;
    let filter = hooks::register(ctx)?;
    state::with(|state| state.filter = Some(filter));
    let version = env!("CARGO_PKG_VERSION");
    log::line(Level::Notice, &format!("version {version} is ready, {defined} loaders defined"));
    Ok(())
}

/// The databases that have keys, as `INFO keyspace` lists them; none if it cannot be understood.
fn used_databases(ctx: &Context<'_>) -> Vec<Db> {
    let Ok(listed) = ctx.call(c"INFO", Effect::Read, &[b"keyspace"]) else { return Vec::new() };
    let number = |line: &str| line.strip_prefix("db")?.split_once(':')?.0.parse().ok();
    String::from_utf8_lossy(listed.bytes()).lines().filter_map(number).map(Db).collect()
}

fn start(settings: Settings, loaders: Loaders, used: &[Db]) -> std::io::Result<State> {
    let seed = random_seed();
    let pulse = Pulse::start()?;
    let engine_settings = settings.engine(seed, None);
    let (watch, reader) = Watch::new(seed.rotate_left(29), used);
    let watched = Watched { reader, tally: Arc::clone(watch.tally()) };
    let (engine, directives, engine_stats) = engine_thread::start(engine_settings, pulse.waker(), watched)?;
    let (outbox, incoming) = incoming::line(MOST_FETCHES);
    let waker = pulse.waker();
    let limits = Limits {
        threads: settings.threads,
        in_flight_bytes: settings.max_memory,
        max_fetches: MOST_FETCHES,
        validators: settings.max_tracked_keys as usize,
        seed: seed.rotate_left(7),
    };
    let deliver = move |answer| {
        // The loader's own threads call this.
        threads::step_back();
        match outbox.send(answer) {
            Some(Urgency::Live) => waker.wake(),
            Some(Urgency::Warm) => waker.wake_paced(),
            // Without the main thread's end there is nobody to tell.
            None => {}
        }
    };
    let runtime = Runtime::start(limits, Arc::new(deliver))?;
    Ok(State {
        flights: Flights::new(MOST_FLIGHTS, MOST_WAITERS, seed),
        dbs: Vec::new(),
        absent: Absent::new(settings.max_tracked_keys, seed.rotate_left(17)),
        loaders,
        digester: runtime.digester(),
        runtime,
        engine,
        directives,
        incoming,
        engine_stats,
        outbound: HashMap::new(),
        beginning: None,
        unsent: VecDeque::new(),
        expansions: VecDeque::new(),
        releases: Releases::default(),
        rechecks: BTreeSet::new(),
        given_up: BTreeSet::new(),
        last_order: None,
        settlements: Vec::new(),
        pulse,
        pace: Pace::new(clock::mono()),
        leftover: false,
        vitals: None,
        directives_read: (config::generation(), None),
        memory_policy: MemoryPolicy::UNKNOWN,
        looked_after: None,
        leads_told: None,
        idle_times: IdleTimes::default(),
        hints: Vec::new().into_iter(),
        described: Described::default(),
        loaders_told: true,
        filter: None,
        watch,
        troubles: Troubles::default(),
        counters: Counters::default(),
        last_fetch: 0,
        next_job: 0,
        chance: seed.rotate_left(41),
        settings,
    })
}

/// Ends everything that runs, in this order: nothing of ours is called any more, the loader, the engine, the timekeeper.
/// The receivers go first, so that no thread waits for room in a channel that nobody empties.
fn end(ctx: &Context<'_>) {
    let Some(mut state) = state::remove() else { return };
    if let Some(filter) = state.filter.take() {
        hooks::unregister(ctx, filter);
    }
    let State { incoming, directives, runtime, mut engine, mut pulse, .. } = state;
    drop(incoming);
    drop(directives);
    runtime.stop();
    engine.stop();
    pulse.stop();
}

/// A seed that differs from start to start: what hash tables and leases begin with cannot be foreseen.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
