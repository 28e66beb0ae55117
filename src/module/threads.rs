//! Our threads beside the server's: they step back when processors are short.

use std::cell::Cell;

/// The nice value of our working threads. The server's main thread keeps its own, and so goes first where both want a
/// processor; the kernel then gives it about three times the time of one of ours.
const NICE: libc::c_int = 5;

thread_local! {
    static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Lowers the priority of the calling thread, once. A system that refuses leaves it as it is.
pub fn step_back() {
    if STEPPED_BACK.replace(true) {
        return;
    }
    // SAFETY: two integers; on Linux, PRIO_PROCESS with 0 means the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}
