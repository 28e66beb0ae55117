//! What the server tells us: key events, its own events, and every command it is sent.

use std::cell::RefCell;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use super::api::call::Effect;
use super::api::client::Connected;
use super::api::context::{bytes_of, is_peeking};
use super::api::{Context, api, raw};
use super::deletions::Client;
use super::{clock, deletions, entry, slice, state, watch};
use crate::engine::foresight::seen::Gone;
use crate::engine::key::{Db, Key};
use crate::engine::progress::Scope;

/// Commands that the server was sent, our own calls left out. Written on the main thread alone.
static COMMANDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The key that we are writing now, on the main thread: its events are our own.
    static WRITING: RefCell<Option<Key>> = const { RefCell::new(None) };
}

/// Commands seen since the module was loaded.
pub fn commands_seen() -> u64 {
    COMMANDS.load(Ordering::Relaxed)
}

/// Runs `write`, a write of ours to `key`: the key's events during it are not somebody else's. Events of other keys are
/// (another module may react to our write).
pub fn writing<R>(key: &Key, write: impl FnOnce() -> R) -> R {
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            WRITING.set(None);
        }
    }
    WRITING.set(Some(key.clone()));
    let _done = Done;
    write()
}

/// Subscribes to everything; the filter's handle, for [`unregister`].
pub fn register(ctx: &Context<'_>) -> Result<Filter, String> {
    let types = raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_STRING
        | raw::REDISMODULE_NOTIFY_LIST
        | raw::REDISMODULE_NOTIFY_SET
        | raw::REDISMODULE_NOTIFY_HASH
        | raw::REDISMODULE_NOTIFY_ZSET
        | raw::REDISMODULE_NOTIFY_STREAM
        | raw::REDISMODULE_NOTIFY_MODULE;
    let passing = raw::REDISMODULE_NOTIFY_KEY_MISS | raw::REDISMODULE_NOTIFY_EXPIRED | raw::REDISMODULE_NOTIFY_EVICTED;
    let callbacks: [(c_int, raw::RedisModuleNotificationFunc); 2] =
        [(types, Some(key_event)), (passing, Some(passing_event))];
    let subscribe = api!(RedisModule_SubscribeToKeyspaceEvents);
    for (types, callback) in callbacks {
        // SAFETY: the load context; the callback lives as long as the library.
        if unsafe { subscribe(ctx.raw(), types, callback) } != raw::REDISMODULE_OK as c_int {
            return Err("the server refused the subscription to key events".to_owned());
        }
    }
    let events = [
        raw::REDISMODULE_EVENT_EVENTLOOP,
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_SWAPDB,
        raw::REDISMODULE_EVENT_CRON_LOOP,
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_CLIENT_CHANGE,
        raw::REDISMODULE_EVENT_MODULE_CHANGE,
    ];
    let subscribe = api!(RedisModule_SubscribeToServerEvent);
    for id in events {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the load context; the callback lives as long as the library.
        if unsafe { subscribe(ctx.raw(), event, Some(server_event)) } != raw::REDISMODULE_OK as c_int {
            return Err(format!("the server refused the subscription to server event {id}"));
        }
    }
    let register = api!(RedisModule_RegisterCommandFilter);
    // SAFETY: the load context; the callback lives as long as the library.
    let filter = unsafe { register(ctx.raw(), Some(command_seen), raw::REDISMODULE_CMDFILTER_NOSELF as c_int) };
    if filter.is_null() {
        return Err("the server refused the command filter".to_owned());
    }
    Ok(Filter(filter))
}

/// The registered command filter.
#[derive(Debug)]
pub struct Filter(*mut raw::RedisModuleCommandFilter);

/// Takes the filter away. The server drops our subscriptions itself at unload.
pub fn unregister(ctx: &Context<'_>, filter: Filter) {
    let unregister = api!(RedisModule_UnregisterCommandFilter);
    // SAFETY: the unload context and the handle that registration gave; used once (moved in).
    let _ = unsafe { unregister(ctx.raw(), filter.0) };
}

unsafe extern "C" fn command_seen(filter: *mut raw::RedisModuleCommandFilterCtx) {
    // Only the main thread writes: a plain load and store, no locked instruction.
    COMMANDS.store(COMMANDS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    entry::door("command filter", (), || {
        let words = Words::new(filter);
        deletions::command_seen(|| sender(filter), &mut words.clone());
        state::with(|state| {
            state.watch.command(&state.loaders, || sender(filter), &Connected, &words);
            state.wake_for_the_ring();
        });
    });
}

/// Who sent the command that the filter sees, where the server tells (Redis 7.2).
fn sender(filter: *mut raw::RedisModuleCommandFilterCtx) -> Client {
    // SAFETY: written once in OnLoad, only read later.
    let id = unsafe { raw::RedisModule_CommandFilterGetClientId };
    // SAFETY: the filter context of the running callback.
    id.map_or(Client::Unknown, |id| Client::Id(unsafe { id(filter) }))
}

/// The words of a command that the filter sees.
#[derive(Clone)]
struct Words {
    filter: *mut raw::RedisModuleCommandFilterCtx,
    next: c_int,
    /// The command's name, which everybody asks for.
    name: Option<&'static [u8]>,
}

impl Words {
    fn new(filter: *mut raw::RedisModuleCommandFilterCtx) -> Self {
        let mut words = Words { filter, next: 0, name: None };
        words.name = words.word(0);
        words
    }

    fn word(&self, place: c_int) -> Option<&'static [u8]> {
        let word = api!(RedisModule_CommandFilterArgGet);
        // SAFETY: the filter context of the running callback; a place beyond the end gives null.
        let word = unsafe { word(self.filter, place) };
        // SAFETY: a live string that stays as it is while the callback runs; `deletions` and `watch` copy what they keep.
        (!word.is_null()).then(|| unsafe { bytes_of(word) })
    }
}

impl Iterator for Words {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let word = if self.next == 0 { self.name } else { self.word(self.next) };
        self.next += 1;
        word
    }
}

impl watch::table::Words for Words {
    fn count(&self) -> usize {
        let count = api!(RedisModule_CommandFilterArgsCount);
        // SAFETY: the filter context of the running callback.
        usize::try_from(unsafe { count(self.filter) }).unwrap_or(0)
    }

    fn at(&self, place: usize) -> Option<&[u8]> {
        if place == 0 { self.name } else { self.word(c_int::try_from(place).ok()?) }
    }
}

unsafe extern "C" fn key_event(
    ctx: *mut raw::RedisModuleCtx,
    _kind: c_int,
    event: *const c_char,
    name: *mut raw::RedisModuleString,
) -> c_int {
    entry::door("key event", (), || {
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        // SAFETY: the server's string, alive and unchanged during this call.
        let bytes = unsafe { bytes_of(name) };
        let concern = state::with(|state| {
            let idle = state.flights.is_empty() && state.absent.is_empty();
            (!idle, state.watch.concerns(&state.loaders, bytes))
        });
        let Some((leased, watched)) = concern.filter(|(leased, watched)| *leased || *watched) else { return };
        let db = ctx.db();
        let own = WRITING.with_borrow(|key| key.as_ref().is_some_and(|key| key.db() == db && key.name() == bytes));
        if own {
            return;
        }
        if leased {
            deletions::told_of(bytes);
            state::with(|state| state.key_changed(db, bytes));
        }
        if watched {
            // SAFETY: the server passes a C string that outlives this call.
            let event = unsafe { CStr::from_ptr(event) };
            let removed = REMOVALS.contains(&event);
            // SAFETY: a live string, as above.
            let life = if removed { None } else { unsafe { ctx.life(name) } };
            state::with(|state| {
                match life {
                    Some((expires_at, size)) => state.watch.written(db, bytes, expires_at, size),
                    None => state.watch.gone(db, bytes, Gone::Deleted),
                }
                state.wake_for_the_ring();
            });
        }
    });
    raw::REDISMODULE_OK as c_int
}

/// Events after which the key is no more, so that there is nothing to look at.
const REMOVALS: [&CStr; 3] = [c"del", c"rename_from", c"move_from"];

/// A read missed, a key expired or was evicted: nobody's doing, so no lease is void.
unsafe extern "C" fn passing_event(
    ctx: *mut raw::RedisModuleCtx,
    kind: c_int,
    _event: *const c_char,
    name: *mut raw::RedisModuleString,
) -> c_int {
    entry::door("key event", (), || {
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        // SAFETY: the server's string, alive and unchanged during this call.
        let name = unsafe { bytes_of(name) };
        state::with(|state| {
            if !state.watch.concerns(&state.loaders, name) {
                return;
            }
            match kind {
                raw::REDISMODULE_NOTIFY_EXPIRED => state.watch.gone(ctx.db(), name, Gone::Expired),
                raw::REDISMODULE_NOTIFY_EVICTED => state.watch.gone(ctx.db(), name, Gone::Evicted),
                raw::REDISMODULE_NOTIFY_KEY_MISS if !is_peeking() => state.watch.missed(ctx.db(), name),
                _ => {}
            }
            state.wake_for_the_ring();
        });
    });
    raw::REDISMODULE_OK as c_int
}

unsafe extern "C" fn server_event(
    ctx: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    sub: u64,
    data: *mut c_void,
) {
    entry::door("server event", (), || {
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        match event.id {
            raw::REDISMODULE_EVENT_EVENTLOOP if sub == raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP => {
                slice::turn(&ctx);
            }
            raw::REDISMODULE_EVENT_FLUSHDB => {
                // SAFETY: this event's data is a flush info, alive during this call.
                let info = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() };
                // A database of -1 is all of them.
                let db = info.and_then(|info| u32::try_from(info.dbnum).ok());
                state::with(|state| state.flushed(db.map_or(Scope::All, |db| Scope::One(Db(db)))));
            }
            raw::REDISMODULE_EVENT_SWAPDB => {
                // SAFETY: this event's data is a swap info, alive during this call.
                if let Some(info) = unsafe { data.cast::<raw::RedisModuleSwapDbInfo>().as_ref() } {
                    let dbs = [info.dbnum_first, info.dbnum_second];
                    let dbs = dbs.map(|db| Db(u32::try_from(db).unwrap_or(0)));
                    state::with(|state| dbs.into_iter().for_each(|db| state.flushed(Scope::One(db))));
                }
            }
            raw::REDISMODULE_EVENT_CLIENT_CHANGE if sub == raw::REDISMODULE_SUBEVENT_CLIENT_CHANGE_DISCONNECTED => {
                // SAFETY: this event's data is a client info, alive during this call.
                let info = unsafe { data.cast::<raw::RedisModuleClientInfo>().as_ref() };
                if let Some(info) = info {
                    deletions::gone(Client::Id(info.id));
                }
            }
            raw::REDISMODULE_EVENT_MODULE_CHANGE => {
                state::with(|state| state.watch.modules_changed());
            }
            raw::REDISMODULE_EVENT_CRON_LOOP => {
                cron(&ctx);
                if state::with(|state| state.watch.is_stale()) == Some(true) {
                    learn_commands(&ctx);
                }
            }
            raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED | raw::REDISMODULE_EVENT_LOADING => cron(&ctx),
            _ => {}
        }
    });
}

/// Asks the server for its commands, and takes over which of them read values. If it does not answer, the next cron asks
/// again.
pub fn learn_commands(ctx: &Context<'_>) {
    let listed = ctx.call(c"COMMAND", Effect::Read, &[]).map(|listed| listed.tree());
    state::with(|state| match &listed {
        Ok(listed) => state.watch.learn(listed),
        Err(_) => state.watch.modules_changed(),
    });
}

/// Some ten times a second, and when the role changes: tells the engine how the server is, and reads the directives.
fn cron(ctx: &Context<'_>) {
    let (memory, standing) = (ctx.memory_ratio(), ctx.standing());
    state::with(|state| {
        state.read_directives();
        state.send_settlements();
        state.take_pulse(memory, standing);
        state.watch.review();
        state.wake_for_deadlines(clock::mono());
    });
}
