//! When the main thread is to be woken: at once by other threads, or at an instant by the main thread itself.
//!
//! The server's timers have a grain of 1 ms and forbid `MODULE UNLOAD` while they are pending, so a thread of ours keeps
//! the time: it sleeps until the due instant and turns the event loop once. No lock is shared: the due instant is one
//! atomic, and the thread is parked and unparked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::api::wake;
use super::clock;
use crate::engine::time::Instant;

/// No instant is due.
const NEVER: u64 = u64::MAX;

/// Wakes the main thread from any other thread. Many calls before the main thread runs are one wake-up.
#[derive(Clone, Debug)]
pub struct Waker {
    shared: Arc<Shared>,
    timekeeper: Thread,
}

#[derive(Debug)]
struct Shared {
    /// A wake-up at once is under way. Acquire/release: what was queued before `wake` is seen by the slice that clears it.
    urgent: AtomicBool,
    /// A wake-up when the next slice may run is under way. Acquire/release, as `urgent`.
    pending: AtomicBool,
    /// When the next slice may run, in microseconds of the monotonic clock. Relaxed: only saves a turn that comes too soon.
    allowed: AtomicU64,
    /// When to wake, in microseconds of the monotonic clock. Relaxed: a late reader wakes late by one park, and `unpark`
    /// synchronises.
    due: AtomicU64,
    stop: AtomicBool,
}

impl Waker {
    /// Turns the event loop soon, if that is not under way already: a client waits.
    pub fn wake(&self) {
        if !self.shared.urgent.swap(true, Ordering::AcqRel) {
            wake::event_loop();
        }
    }

    /// Turns the event loop when the next slice may run, if that is not under way already. What comes until then is done
    /// in the same slice.
    pub fn wake_paced(&self) {
        if self.shared.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        let allowed = self.shared.allowed.load(Ordering::Relaxed);
        if allowed <= clock::mono().as_micros() {
            wake::event_loop();
        } else if self.shared.due.fetch_min(allowed, Ordering::Relaxed) > allowed {
            self.timekeeper.unpark();
        }
    }
}

/// The main thread's side.
#[derive(Debug)]
pub struct Pulse {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    parked: Thread,
}

impl Pulse {
    /// Starts the timing thread.
    pub fn start() -> std::io::Result<Pulse> {
        let shared = Arc::new(Shared {
            urgent: AtomicBool::new(false),
            pending: AtomicBool::new(false),
            allowed: AtomicU64::new(0),
            due: AtomicU64::new(NEVER),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("warm-pulse".to_owned()).spawn(move || keep_time(&theirs))?;
        let parked = thread.thread().clone();
        Ok(Pulse { shared, thread: Some(thread), parked })
    }

    /// A handle for another thread.
    pub fn waker(&self) -> Waker {
        Waker { shared: Arc::clone(&self.shared), timekeeper: self.parked.clone() }
    }

    /// Says that a slice begins that does all there is: later wake-ups count anew.
    pub fn begin_slice(&self) {
        // Swaps, not stores: what was queued before a wake-up is seen by whoever takes the flag back.
        self.shared.pending.swap(false, Ordering::AcqRel);
        self.begin_live_slice();
    }

    /// Says that a slice begins that does what clients wait for.
    pub fn begin_live_slice(&self) {
        self.shared.urgent.swap(false, Ordering::AcqRel);
    }

    /// Whether another thread asked for a slice.
    pub fn is_pending(&self) -> bool {
        self.shared.urgent.load(Ordering::Acquire) || self.shared.pending.load(Ordering::Acquire)
    }

    /// Says when the next slice may run.
    pub fn allow_from(&self, at: Instant) {
        self.shared.allowed.store(at.as_micros(), Ordering::Relaxed);
    }

    /// Asks to be woken at `at` if that is earlier than what was asked before.
    pub fn wake_at(&self, at: Instant) {
        let at = at.as_micros();
        if self.shared.due.fetch_min(at, Ordering::Relaxed) > at {
            self.parked.unpark();
        }
    }

    /// Ends the thread and waits for it.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.parked.unpark();
        if let Some(thread) = self.thread.take() {
            // A panic there was noted where it was caught; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn keep_time(shared: &Shared) {
    while !shared.stop.load(Ordering::Acquire) {
        let due = shared.due.load(Ordering::Relaxed);
        if due == NEVER {
            thread::park();
            continue;
        }
        let wait = Instant::from_micros(due).since(clock::mono());
        if wait > Duration::ZERO {
            thread::park_timeout(wait);
            continue;
        }
        if shared.due.compare_exchange(due, NEVER, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // Whatever `pending` was: an earlier wake-up may have come before the slice was allowed, and is spent.
            shared.pending.store(true, Ordering::Release);
            wake::event_loop();
        }
    }
}
