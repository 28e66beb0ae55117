//! Who calls: where a client comes from, and which keys its user may touch.

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::raw::{c_char, c_int};
use std::ptr::NonNull;

use super::context::ServerString;
use super::{Context, api, raw};
use crate::engine::key::Db;
use crate::module::watch::clients::Directory;

/// What is to be done with a key, for the check of a user's permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Read its value.
    Read,
    /// Write its value.
    Write,
}

/// The user of a client, by name, so that work that goes on after the command can still be checked.
#[derive(Debug)]
pub struct Caller {
    name: ServerString,
}

/// A user as the server knows it now; freed on drop.
struct User {
    raw: NonNull<raw::RedisModuleUser>,
}

impl Context<'_> {
    /// The user of the client; `None` for the server's own clients, which may do everything.
    pub fn caller(&self) -> Option<Caller> {
        let name = api!(RedisModule_GetCurrentUserName);
        // SAFETY: a valid context; the string that comes back is ours to free.
        let raw = NonNull::new(unsafe { name(self.raw()) })?;
        // SAFETY: a string of the server's that we own.
        Some(Caller { name: unsafe { ServerString::own(raw) } })
    }

    /// Whether the client is connected over a Unix socket or the loopback interface.
    pub fn is_local(&self) -> bool {
        let id = api!(RedisModule_GetClientId);
        // SAFETY: a valid context.
        let id = unsafe { id(self.raw()) };
        let Some(found) = info_of(id) else { return false };
        if found.flags & u64::from(raw::REDISMODULE_CLIENTINFO_FLAG_UNIXSOCKET) != 0 {
            return true;
        }
        let address: Vec<u8> =
            found.addr.iter().map(|byte: &c_char| byte.cast_unsigned()).take_while(|byte| *byte != 0).collect();
        let address = std::str::from_utf8(&address).ok().and_then(|text| text.parse::<IpAddr>().ok());
        address.is_some_and(|address| address.to_canonical().is_loopback())
    }
}

/// The server's list of clients, for [`Directory`].
#[derive(Clone, Copy, Debug)]
pub struct Connected;

impl Directory for Connected {
    fn is_connected(&self, id: u64) -> bool {
        let info = api!(RedisModule_GetClientInfoById);
        // SAFETY: without a structure to fill, the server only says whether there is such a client.
        (unsafe { info(std::ptr::null_mut(), id) }) == raw::REDISMODULE_OK as c_int
    }

    fn db(&self, id: u64) -> Option<Db> {
        info_of(id).map(|info| Db(u32::from(info.db)))
    }
}

/// What the server tells of a client, if it is connected.
fn info_of(id: u64) -> Option<raw::RedisModuleClientInfo> {
    let info = api!(RedisModule_GetClientInfoById);
    let mut found = MaybeUninit::<raw::RedisModuleClientInfo>::zeroed();
    // SAFETY: a plain structure of numbers and bytes, for which zero is valid.
    unsafe { found.assume_init_mut() }.version = 1;
    // SAFETY: room for a version 1 structure, its version set.
    let known = unsafe { info(found.as_mut_ptr().cast(), id) } == raw::REDISMODULE_OK as c_int;
    // SAFETY: filled by the server, and valid when zero.
    known.then(|| unsafe { found.assume_init() })
}

impl Caller {
    /// The first of `keys` that the user may not touch in this way, if there is one. A user that was removed may
    /// touch nothing.
    pub fn first_denied<'k>(&self, need: Need, keys: impl IntoIterator<Item = &'k [u8]>) -> Option<&'k [u8]> {
        let mut keys = keys.into_iter();
        let find = api!(RedisModule_GetModuleUserFromUserName);
        // SAFETY: a live string.
        let Some(raw) = NonNull::new(unsafe { find(self.name.raw()) }) else { return keys.next() };
        let user = User { raw };
        let flags = match need {
            Need::Read => raw::REDISMODULE_CMD_KEY_ACCESS,
            Need::Write => raw::REDISMODULE_CMD_KEY_INSERT | raw::REDISMODULE_CMD_KEY_UPDATE,
        };
        let check = api!(RedisModule_ACLCheckKeyPermissions);
        keys.find(|key| {
            let key = ServerString::new(key);
            // SAFETY: a live user and a live string.
            (unsafe { check(user.raw.as_ptr(), key.raw(), flags.cast_signed()) }) != raw::REDISMODULE_OK as c_int
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let free = api!(RedisModule_FreeModuleUser);
        // SAFETY: the user came from GetModuleUserFromUserName and is freed once.
        unsafe { free(self.raw.as_ptr()) };
    }
}
