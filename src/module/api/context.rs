//! What a callback is given: one client's or the server's context, valid until the callback returns.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::os::raw::{c_int, c_long, c_longlong};
use std::ptr::NonNull;
use std::slice;
use std::time::Duration;

use super::{api, raw};
use crate::engine::key::Db;
use crate::engine::time::Wall;

const OK: c_int = raw::REDISMODULE_OK as c_int;

/// The server as one callback sees it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    raw: *mut raw::RedisModuleCtx,
    words: &'a [*mut raw::RedisModuleString],
    life: PhantomData<&'a raw::RedisModuleCtx>,
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// A string of this many bytes.
    String(usize),
    /// A hash.
    Hash,
    /// A value of a module's own type (a JSON document, for example).
    Module,
    /// Any other type.
    Other,
}

/// What opening a key may leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// As a client's read: counts as a hit or miss, refreshes the key's idle time.
    Read,
    /// No trace: not in the server's statistics (where it can be told so), not in the key's idle time.
    Peek,
}

/// How much a key is to look used, when the server chooses what to evict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temper {
    /// Its access counter, for an LFU policy: 255 is the most.
    Counter(u8),
    /// For how long it was not used, for an LRU policy.
    Idle(Duration),
}

impl<'a> Context<'a> {
    /// Wraps a context.
    ///
    /// # Safety
    /// 1. `raw` is a context that the server gave to the running callback, on the main thread.
    /// 2. The wrapper does not outlive the callback.
    pub unsafe fn from_raw(raw: *mut raw::RedisModuleCtx) -> Self {
        Context { raw, words: &[], life: PhantomData }
    }

    /// Wraps a command's context.
    ///
    /// # Safety
    /// 1. and 2. of [`Context::from_raw`].
    /// 3. `words` are the command's live strings, unchanged until the callback returns.
    pub unsafe fn of_command(raw: *mut raw::RedisModuleCtx, words: &'a [*mut raw::RedisModuleString]) -> Self {
        Context { raw, words, life: PhantomData }
    }

    /// The server's pointer.
    pub fn raw(&self) -> *mut raw::RedisModuleCtx {
        self.raw
    }

    /// The database the client has selected.
    pub fn db(&self) -> Db {
        let selected = api!(RedisModule_GetSelectedDb);
        // SAFETY: a valid context (from_raw 1).
        Db(u32::try_from(unsafe { selected(self.raw) }).unwrap_or(0))
    }

    /// Selects the database for later calls on this context. Errors of the server's are impossible for numbers that
    /// came from [`Context::db`].
    pub fn select(&self, db: Db) {
        let select = api!(RedisModule_SelectDb);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { select(self.raw, c_int::try_from(db.0).unwrap_or(0)) };
    }

    fn flags(&self) -> u32 {
        let flags = api!(RedisModule_GetContextFlags);
        // SAFETY: a valid context (from_raw 1).
        unsafe { flags(self.raw) }.cast_unsigned()
    }

    /// Whether the client may be made to wait: not in MULTI, Lua, or where a module asked us not to.
    pub fn may_block(&self) -> bool {
        let denied = raw::REDISMODULE_CTX_FLAGS_MULTI
            | raw::REDISMODULE_CTX_FLAGS_LUA
            | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING;
        self.flags() & denied == 0
    }

    /// The server's role and state.
    pub fn standing(&self) -> Standing {
        let flags = self.flags();
        if flags & raw::REDISMODULE_CTX_FLAGS_LOADING != 0 {
            return Standing::Loading;
        }
        if flags & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0 {
            return Standing::Replica;
        }
        let avoid = api!(RedisModule_AvoidReplicaTraffic);
        // SAFETY: takes nothing, reads the server's pause state.
        if unsafe { avoid() } != 0 { Standing::Halted } else { Standing::Master }
    }

    /// The share of `maxmemory` in use; `None` without a limit.
    pub fn memory_ratio(&self) -> Option<f64> {
        let ratio = api!(RedisModule_GetUsedMemoryRatio);
        // SAFETY: takes nothing.
        let ratio = f64::from(unsafe { ratio() });
        (ratio > 0.0).then_some(ratio)
    }

    /// What the key holds.
    pub fn held(&self, name: &[u8], look: Look) -> Held {
        self.open(name, look).map_or(Held::Nothing, |key| key.held())
    }

    /// Runs `read` on the key's string without copying it, or says what else is there.
    pub fn with_string<R>(&self, name: &[u8], look: Look, read: impl FnOnce(&[u8]) -> R) -> Result<R, Held> {
        let Some(key) = self.open(name, look) else { return Err(Held::Nothing) };
        match key.held() {
            Held::String(_) => Ok(read(key.string())),
            other => Err(other),
        }
    }

    /// As [`Context::with_string`], for a key that is a word of the running command: without a copy of its name.
    pub fn with_string_at<R>(&self, word: usize, read: impl FnOnce(&[u8]) -> R) -> Result<R, Held> {
        let Some(name) = self.words.get(word) else { return Err(Held::Nothing) };
        let Some(key) = self.open_raw(*name, Look::Read) else { return Err(Held::Nothing) };
        match key.held() {
            Held::String(_) => Ok(read(key.string())),
            other => Err(other),
        }
    }

    /// When a key expires (`None`: never) and the size of a string in bytes; nothing if there is no such key. Some 300 ns.
    ///
    /// # Safety
    /// `name` is a live string of the server's.
    pub unsafe fn life(&self, name: *mut raw::RedisModuleString) -> Option<(Option<Wall>, Option<u64>)> {
        let key = self.open_raw(name, Look::Peek)?;
        let expires_at = u64::try_from(key.expires_at()).ok().map(Wall::from_millis);
        match key.held() {
            Held::Nothing => None,
            Held::String(bytes) => Some((expires_at, Some(bytes as u64))),
            _ => Some((expires_at, None)),
        }
    }

    /// Makes a key look used; whether it is there and the server can do so under its policy.
    pub fn temper(&self, name: &[u8], temper: Temper) -> bool {
        let Some(key) = self.open(name, Look::Peek) else { return false };
        match temper {
            Temper::Counter(counter) => {
                // SAFETY: written once in OnLoad, only read later.
                let set = unsafe { raw::RedisModule_SetLFU };
                // SAFETY: the key is open, and the counter is at most 255.
                set.is_some_and(|set| (unsafe { set(key.raw.as_ptr(), c_longlong::from(counter)) }) == OK)
            }
            Temper::Idle(span) => {
                // SAFETY: written once in OnLoad, only read later.
                let set = unsafe { raw::RedisModule_SetLRU };
                let span = raw::mstime_t::try_from(span.as_millis()).unwrap_or(raw::mstime_t::MAX);
                // SAFETY: the key is open.
                set.is_some_and(|set| (unsafe { set(key.raw.as_ptr(), span) }) == OK)
            }
        }
    }

    /// Whether the client reads RESP3.
    pub fn speaks_resp3(&self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_RESP3 != 0
    }

    fn open(&self, name: &[u8], look: Look) -> Option<OpenKey> {
        let name = ServerString::new(name);
        self.open_raw(name.raw(), look)
    }

    fn open_raw(&self, name: *mut raw::RedisModuleString, look: Look) -> Option<OpenKey> {
        let mode = raw::REDISMODULE_READ
            | match look {
                Look::Read => 0,
                Look::Peek => raw::REDISMODULE_OPEN_KEY_NOTOUCH | peek_modes(),
            };
        let open = api!(RedisModule_OpenKey);
        PEEKING.set(look == Look::Peek);
        // SAFETY: a valid context (from_raw 1) and a live string; the key is closed before the callback ends (Drop).
        let raw = unsafe { open(self.raw, name, mode.cast_signed()) };
        PEEKING.set(false);
        NonNull::new(raw).map(|raw| OpenKey { raw })
    }

    /// Keeps a word of the running command out of SLOWLOG and MONITOR. Word 0 is the command's name.
    pub fn redact(&self, word: usize) {
        let redact = api!(RedisModule_RedactClientCommandArgument);
        // SAFETY: a valid context of a running command; the server checks the place.
        let _ = unsafe { redact(self.raw, c_int::try_from(word).unwrap_or(c_int::MAX)) };
    }

    /// Replies with a status line.
    pub fn reply_status(&self, text: &CStr) {
        let reply = api!(RedisModule_ReplyWithSimpleString);
        // SAFETY: a valid context (from_raw 1), a C string.
        let _ = unsafe { reply(self.raw, text.as_ptr()) };
    }

    /// Replies with an error; its first word is the code.
    pub fn reply_error(&self, text: &str) {
        let text: Vec<u8> = text.bytes().map(|b| if b < b' ' { b' ' } else { b }).collect();
        let text = CString::new(text).unwrap_or_default();
        let reply = api!(RedisModule_ReplyWithError);
        // SAFETY: a valid context (from_raw 1), a C string without line breaks.
        let _ = unsafe { reply(self.raw, text.as_ptr()) };
    }

    /// Replies with absence.
    pub fn reply_null(&self) {
        let reply = api!(RedisModule_ReplyWithNull);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { reply(self.raw) };
    }

    /// Replies with an integer.
    pub fn reply_integer(&self, n: i64) {
        let reply = api!(RedisModule_ReplyWithLongLong);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { reply(self.raw, n) };
    }

    /// Replies with a double.
    pub fn reply_double(&self, x: f64) {
        let reply = api!(RedisModule_ReplyWithDouble);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { reply(self.raw, x) };
    }

    /// Replies with a bulk string.
    pub fn reply_bytes(&self, bytes: &[u8]) {
        let reply = api!(RedisModule_ReplyWithStringBuffer);
        // SAFETY: a valid context (from_raw 1); pointer and length are of one slice, which the server copies.
        let _ = unsafe { reply(self.raw, bytes.as_ptr().cast(), bytes.len()) };
    }

    /// Begins an array of `len` replies.
    pub fn reply_array(&self, len: usize) {
        let reply = api!(RedisModule_ReplyWithArray);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { reply(self.raw, len as c_long) };
    }

    /// Begins a map of `len` pairs.
    pub fn reply_map(&self, len: usize) {
        let reply = api!(RedisModule_ReplyWithMap);
        // SAFETY: a valid context (from_raw 1).
        let _ = unsafe { reply(self.raw, len as c_long) };
    }
}

/// The server's role and state, as far as it decides whether we may fetch and write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A master that may write.
    Master,
    /// A master whose writes are halted for a moment (`CLIENT PAUSE`, a failover under way).
    Halted,
    /// A replica.
    Replica,
    /// Loading its data.
    Loading,
}

thread_local! {
    /// Whether a key is being opened without a trace, on the main thread.
    static PEEKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a key event of now comes from our own look at a key. Redis 7.0 tells of such a look as if a client had missed.
pub fn is_peeking() -> bool {
    PEEKING.get()
}

/// The open modes beyond NOTOUCH that this server knows: no event, no statistics.
fn peek_modes() -> u32 {
    // SAFETY: written once in OnLoad, only read later.
    let all = unsafe { raw::RedisModule_GetOpenKeyModesAll };
    let wanted = raw::REDISMODULE_OPEN_KEY_NONOTIFY | raw::REDISMODULE_OPEN_KEY_NOSTATS;
    // SAFETY: takes nothing, returns a bit set.
    all.map_or(0, |all| unsafe { all() }.cast_unsigned() & wanted)
}

/// A key that is open for reading; closed on drop.
#[derive(Debug)]
struct OpenKey {
    raw: NonNull<raw::RedisModuleKey>,
}

impl OpenKey {
    fn held(&self) -> Held {
        let kind = api!(RedisModule_KeyType);
        // SAFETY: the key is open.
        match unsafe { kind(self.raw.as_ptr()) } as isize {
            raw::REDISMODULE_KEYTYPE_EMPTY => Held::Nothing,
            raw::REDISMODULE_KEYTYPE_STRING => {
                let length = api!(RedisModule_ValueLength);
                // SAFETY: the key is open.
                Held::String(unsafe { length(self.raw.as_ptr()) })
            }
            raw::REDISMODULE_KEYTYPE_HASH => Held::Hash,
            raw::REDISMODULE_KEYTYPE_MODULE => Held::Module,
            _ => Held::Other,
        }
    }

    /// In milliseconds of Unix time; negative: never.
    fn expires_at(&self) -> i64 {
        let expires = api!(RedisModule_GetAbsExpire);
        // SAFETY: the key is open.
        unsafe { expires(self.raw.as_ptr()) }
    }

    fn string(&self) -> &[u8] {
        let dma = api!(RedisModule_StringDMA);
        let mut len = 0usize;
        // SAFETY: the key is open and holds a string (the callers asked `held`); reading leaves the value as it is.
        let start = unsafe { dma(self.raw.as_ptr(), &raw mut len, raw::REDISMODULE_READ.cast_signed()) };
        if start.is_null() || len == 0 {
            return &[];
        }
        // SAFETY: the server vouches for `len` bytes at `start` until the key is closed or written, which `&self` spans.
        unsafe { slice::from_raw_parts(start.cast::<u8>(), len) }
    }
}

impl Drop for OpenKey {
    fn drop(&mut self) {
        let close = api!(RedisModule_CloseKey);
        // SAFETY: the key came from OpenKey and is closed once.
        unsafe { close(self.raw.as_ptr()) };
    }
}

/// A string of the server's that we own; freed on drop.
#[derive(Debug)]
pub struct ServerString {
    raw: NonNull<raw::RedisModuleString>,
}

impl ServerString {
    /// A copy of `bytes`; any bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let create = api!(RedisModule_CreateString);
        // SAFETY: a null context is allowed (no automatic memory); pointer and length are of one slice.
        let raw = unsafe { create(std::ptr::null_mut(), bytes.as_ptr().cast(), bytes.len()) };
        ServerString { raw: NonNull::new(raw).expect("the server aborts rather than return a null string") }
    }

    /// Takes over a string.
    ///
    /// # Safety
    /// 1. `raw` is a live string of the server's, not under automatic memory.
    /// 2. Nobody else frees it.
    pub unsafe fn own(raw: NonNull<raw::RedisModuleString>) -> Self {
        ServerString { raw }
    }

    /// The server's pointer.
    pub fn raw(&self) -> *mut raw::RedisModuleString {
        self.raw.as_ptr()
    }
}

impl Drop for ServerString {
    fn drop(&mut self) {
        let free = api!(RedisModule_FreeString);
        // SAFETY: the string came from CreateString with a null context and is freed once.
        unsafe { free(std::ptr::null_mut(), self.raw.as_ptr()) };
    }
}

/// The bytes of a string of the server's.
///
/// # Safety
/// 1. `string` is a live string of the server's.
/// 2. It is neither freed nor changed while the slice lives.
pub unsafe fn bytes_of<'a>(string: *const raw::RedisModuleString) -> &'a [u8] {
    let parts = api!(RedisModule_StringPtrLen);
    let mut len = 0usize;
    // SAFETY: a live string (1).
    let start = unsafe { parts(string, &raw mut len) };
    if start.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the server vouches for `len` bytes at `start`, unchanged while the slice lives (2).
    unsafe { slice::from_raw_parts(start.cast::<u8>(), len) }
}
