//! Our threads beside the server's: they step back when processors are short.

use std::cell::Cell;

/// The nice value of our working threads. The server's main thread keeps its own, and so goes first where both want a
/// processor; the kernel then gives it about three times the time of one of ours.
const NICE: libc::c_int = 5;

/// The nice value of the thread that learns: about a tenth of a processor that the main thread wants.
const NICE_OF_LEARNING: libc::c_int = 10;

thread_local! {
    static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Lowers the priority of the calling thread, once. A system that refuses leaves it as it is.
pub fn step_back() {
    if !STEPPED_BACK.replace(true) {
        be_nice(NICE);
    }
}

/// Lowers the priority of the calling thread below that of our other threads.
pub fn step_far_back() {
    STEPPED_BACK.set(true);
    be_nice(NICE_OF_LEARNING);
}

fn be_nice(value: libc::c_int) {
    // SAFETY: integers; on Linux, PRIO_PROCESS with 0 means the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) };
}
