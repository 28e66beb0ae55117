//! Waking the server's event loop from another thread.

use std::os::raw::c_void;
use std::ptr;

use super::api;

/// Makes the event loop turn once, soon. The work is done by the before-sleep hook of that turn, where writes replicate;
/// the one-shot itself does nothing, so it is harmless even if it fires after the module was unloaded (the library stays
/// mapped, see `build.rs`). Costs a mutex of the server's and at most one write to its pipe.
pub fn event_loop() {
    let add = api!(RedisModule_EventLoopAddOneShot);
    // SAFETY: documented as callable from any thread; the callback ignores its argument.
    let _ = unsafe { add(Some(nothing), ptr::null_mut()) };
}

extern "C" fn nothing(_: *mut c_void) {}
