//! What the main thread looks after once a second: what the server says of its memory, how quick the origins are, and
//! what waits to be told and is told of with other work at most times.

use std::time::Duration;

use super::api::Context;
use super::memory_policy::MemoryPolicy;
use super::state;
use crate::engine::time::Instant;

const INTERVAL: Duration = Duration::from_secs(1);

/// One turn of the event loop: a branch, and once in [`INTERVAL`] some 10 µs and 0.5 µs a loader.
pub fn turn(ctx: &Context<'_>, now: Instant) {
    let due = state::with(|state| {
        let due = state.looked_after.is_none_or(|last| now.since(last) >= INTERVAL);
        if due {
            state.looked_after = Some(now);
        }
        due
    });
    if due != Some(true) {
        return;
    }
    let policy = MemoryPolicy::ask(ctx);
    state::with(|state| {
        if let Some(policy) = policy {
            state.memory_policy = policy;
        }
        state.read_directives();
        state.renew_supplies();
        // Reading through alone makes no slice that sends these.
        state.send_described();
    });
}
