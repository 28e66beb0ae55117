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
        kind_of(self.raw.as_ptr())
    }

    /// The bytes of a string, status or error; empty for anything else.
    pub fn bytes(&self) -> &[u8] {
        bytes_of(self.raw.as_ptr())
    }

    /// The integer, if it is one.
    pub fn integer(&self) -> Option<i64> {
        integer_of(self.raw.as_ptr())
    }

    /// All of it, copied.
    pub fn tree(&self) -> Tree {
        tree_of(self.raw.as_ptr())
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

/// An answer as data of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tree {
    /// A string or a status.
    Text(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// An array.
    List(Vec<Tree>),
    /// Null, or any other kind.
    Nothing,
}

impl Tree {
    /// The bytes of a text; empty for anything else.
    pub fn text(&self) -> &[u8] {
        match self {
            Tree::Text(bytes) => bytes,
            _ => &[],
        }
    }

    /// The integer; 0 for anything else.
    pub fn integer(&self) -> i64 {
        match self {
            Tree::Integer(number) => *number,
            _ => 0,
        }
    }

    /// The elements of an array; none for anything else.
    pub fn list(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// Whether an array has this text among its elements, in any case.
    pub fn has(&self, text: &[u8]) -> bool {
        self.list().iter().any(|item| item.text().eq_ignore_ascii_case(text))
    }

    /// The value of this name in a map, which is an array of names and values in turn.
    pub fn field(&self, name: &[u8]) -> &Tree {
        let pair = self.list().chunks_exact(2).find(|pair| pair[0].text() == name);
        pair.map_or(&Tree::Nothing, |pair| &pair[1])
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
    let length = api!(RedisModule_CallReplyLength);
    let element = api!(RedisModule_CallReplyArrayElement);
    let is_array = kind_of(reply) == raw::REDISMODULE_REPLY_ARRAY;
    // SAFETY: a live reply (callers are methods of `Answer`, or were given an element of one).
    let len = if is_array { unsafe { length(reply) } } else { 0 };
    // SAFETY: the index is below the length of a live array.
    (0..len).map(move |i| unsafe { element(reply, i) }).filter(|element| !element.is_null())
}

fn tree_of(reply: *mut raw::RedisModuleCallReply) -> Tree {
    match kind_of(reply) {
        raw::REDISMODULE_REPLY_STRING => Tree::Text(bytes_of(reply).to_vec()),
        raw::REDISMODULE_REPLY_ARRAY => Tree::List(elements(reply).map(tree_of).collect()),
        _ => integer_of(reply).map_or(Tree::Nothing, Tree::Integer),
    }
}

fn kind_of(reply: *mut raw::RedisModuleCallReply) -> isize {
    let kind = api!(RedisModule_CallReplyType);
    // SAFETY: a live reply (callers are methods of `Answer`, or were given an element of one).
    (unsafe { kind(reply) }) as isize
}

fn integer_of(reply: *mut raw::RedisModuleCallReply) -> Option<i64> {
    let integer = api!(RedisModule_CallReplyInteger);
    // SAFETY: a live reply, of the right kind.
    (kind_of(reply) == raw::REDISMODULE_REPLY_INTEGER).then(|| unsafe { integer(reply) })
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
