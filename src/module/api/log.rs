//! Lines in the server's log. Safe from any thread.

use std::ffi::CString;
use std::ptr;

use super::api;

/// How loud a line is; the server's `loglevel` decides what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something an operator should act on.
    Warning,
    /// Something an operator wants to know once.
    Notice,
    /// For following what happens.
    Verbose,
}

/// Writes one line, prefixed by the server with the module's name. Never pass a key, a value or a secret.
pub fn line(level: Level, text: &str) {
    let level = match level {
        Level::Warning => c"warning",
        Level::Notice => c"notice",
        Level::Verbose => c"verbose",
    };
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let Ok(text) = CString::new(clean) else { return };
    let log = api!(RedisModule_Log);
    // SAFETY: a null context is allowed (the line then names no module), the format takes one C string, both strings
    // end in NUL and outlive the call; the function locks nothing and may be called from any thread.
    unsafe { log(ptr::null_mut(), level.as_ptr(), c"<warm> %s".as_ptr(), text.as_ptr()) };
}
