//! Running the server's own commands.
//!
//! Writes go through the commands, not through the low-level key functions: they obey cluster slots, `maxmemory` and
//! events as a client's write would, and they replicate as the plain commands they are. They cost 5-10 % more.

use std::ffi::CStr;
use std::os::raw::c_longlong;
use std::ptr::NonNull;
use std::time::Duration;

use super::context::ServerString;
use super::{Context, api, raw};
use crate::engine::time::Wall;

/// What a command answered; freed on drop.
#[derive(Debug)]
pub struct Answer {
    raw: NonNull<raw::RedisModuleCallReply>,
}

/// How a command is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A read: nothing is replicated.
    Read,
    /// A write: replicated to replicas and the AOF, refused when the server is out of memory.
    Write,
}

impl Context<'_> {
    /// Runs `command` with `args`. An error comes back as its text; a command that could not even be run as the
    /// server's errno text.
    pub fn call(&self, command: &CStr, effect: Effect, args: &[&[u8]]) -> Result<Answer, String> {
        let format = match effect {
            Effect::Read => c"Ev",
            Effect::Write => c"!EMv",
        };
        let strings: Vec<ServerString> = args.iter().map(|arg| ServerString::new(arg)).collect();
        let mut pointers: Vec<_> = strings.iter().map(ServerString::raw).collect();
        let call = api!(RedisModule_Call);
        // SAFETY: a valid context; `v` takes an array of strings and its length, both alive during the call.
        let reply =
            unsafe { call(self.raw(), command.as_ptr(), format.as_ptr(), pointers.as_mut_ptr(), pointers.len()) };
        Answer::checked(reply)
    }

    /// Whether the server has this command.
    pub fn knows(&self, command: &CStr) -> bool {
        let info = self.call(c"COMMAND", Effect::Read, &[b"INFO", command.to_bytes()]);
        info.is_ok_and(|info| !info.strings_in(0).is_empty())
    }

    /// For how long a key was not used, in whole seconds; `None` if it is not there or the policy does not count that.
    pub fn idle_time(&self, name: &[u8]) -> Option<Duration> {
        let idle = self.call(c"OBJECT", Effect::Read, &[b"IDLETIME", name]).ok()?.integer()?;
        u64::try_from(idle).ok().map(Duration::from_secs)
    }

    /// `SET name value PXAT at`, without a vector of arguments: the one write that must be quick.
    pub fn set_until(&self, name: &[u8], value: &[u8], at: Wall) -> Result<Answer, String> {
        let call = api!(RedisModule_Call);
        let at = c_longlong::try_from(at.as_millis()).unwrap_or(c_longlong::MAX);
        // SAFETY: a valid context; each `b` takes a pointer and a length of one live slice, `c` a C string, `l` a long
        // long, in the format's order.
        let reply = unsafe {
            call(
                self.raw(),
                c"SET".as_ptr(),
                c"!EMbbcl".as_ptr(),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
                c"PXAT".as_ptr(),
                at,
            )
        };
        Answer::checked(reply)
    }
}

impl Answer {
    fn checked(reply: *mut raw::RedisModuleCallReply) -> Result<Answer, String> {
        let Some(raw) = NonNull::new(reply) else {
            return Err(format!("ERR {}", std::io::Error::last_os_error()));
        };
        let answer = Answer { raw };
        if answer.kind() == raw::REDISMODULE_REPLY_ERROR {
            return Err(String::from_utf8_lossy(answer.bytes()).into_owned());
        }
        Ok(answer)
    }

    fn kind(&self) -> isize {
        let kind = api!(RedisModule_CallReplyType);
        // SAFETY: a live reply.
        (unsafe { kind(self.raw.as_ptr()) }) as isize
    }

    /// The bytes of a string, status or error; empty for anything else.
    pub fn bytes(&self) -> &[u8] {
        bytes_of(self.raw.as_ptr())
    }

    /// The integer, if it is one.
    pub fn integer(&self) -> Option<i64> {
        let integer = api!(RedisModule_CallReplyInteger);
        // SAFETY: a live reply, of the right kind.
        (self.kind() == raw::REDISMODULE_REPLY_INTEGER).then(|| unsafe { integer(self.raw.as_ptr()) })
    }

    /// The bytes of the elements of an array, in order; empty for what is no string.
    pub fn strings(&self) -> Vec<&[u8]> {
        elements(self.raw.as_ptr()).map(bytes_of).collect()
    }

    /// The strings of the array that is element `index` of this array; empty if there is none.
    pub fn strings_in(&self, index: usize) -> Vec<&[u8]> {
        elements(self.raw.as_ptr()).nth(index).map_or_else(Vec::new, |inner| elements(inner).map(bytes_of).collect())
    }

    /// The bytes of element `index` of this array.
    pub fn bytes_in(&self, index: usize) -> &[u8] {
        elements(self.raw.as_ptr()).nth(index).map_or(&[], bytes_of)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let free = api!(RedisModule_FreeCallReply);
        // SAFETY: the reply came from Call and is freed once; its elements belong to it.
        unsafe { free(self.raw.as_ptr()) };
    }
}

/// The elements of an array reply; none for other kinds.
fn elements<'a>(reply: *mut raw::RedisModuleCallReply) -> impl Iterator<Item = *mut raw::RedisModuleCallReply> + 'a {
    let kind = api!(RedisModule_CallReplyType);
    let length = api!(RedisModule_CallReplyLength);
    let element = api!(RedisModule_CallReplyArrayElement);
    // SAFETY: a live reply (callers are methods of `Answer`, or were given an element of one).
    let is_array = (unsafe { kind(reply) }) as isize == raw::REDISMODULE_REPLY_ARRAY;
    // SAFETY: as above.
    let len = if is_array { unsafe { length(reply) } } else { 0 };
    // SAFETY: the index is below the length of a live array.
    (0..len).map(move |i| unsafe { element(reply, i) }).filter(|element| !element.is_null())
}

fn bytes_of<'a>(reply: *mut raw::RedisModuleCallReply) -> &'a [u8] {
    let text = api!(RedisModule_CallReplyStringPtr);
    let mut len = 0usize;
    // SAFETY: a live reply; null comes back for kinds without text.
    let start = unsafe { text(reply, &raw mut len) };
    if start.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the server vouches for `len` bytes at `start` while the reply lives; the public callers tie the slice to
    // `&self`.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) }
}
