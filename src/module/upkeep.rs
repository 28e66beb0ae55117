//! What the main thread looks after once a second: what the server says of its memory, and how quick the origins are.

use std::time::Duration;

use super::api::Context;
use super::memory_policy::MemoryPolicy;
use super::state::{self, State};
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
        State::read_directives(state);
        state.renew_supplies();
    });
}
