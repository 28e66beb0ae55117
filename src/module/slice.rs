//! The work of one event-loop turn: in small steps, until there is none left or the budget is used.
//!
//! The budget is time, measured after every step; the longest step is one write or one read of a collection. What is done
//! first: answers are written (that frees memory and clients), clients released, keys looked at again, orders begun,
//! targets expanded.

use super::api::Context;
use super::api::context::Standing;
use super::engine_thread::Message;
use super::state::{self, State};
use super::{applying, beginning, clock, deletions, expansion, hooks};
use crate::engine::time::Instant;
use std::time::Duration;

/// How long to wait when the server may not write for a moment.
pub const HALT: Duration = Duration::from_millis(10);

/// Whether a kind of work has more to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// One step was made.
    Stepped,
    /// Nothing to do.
    Idle,
}

/// One turn of the event loop. Costs a branch when there is nothing to do.
pub fn turn(ctx: &Context<'_>) {
    deletions::judge();
    let began = clock::mono();
    let Some(Some(budget)) = state::with(|state| state.slice_due(began)) else { return };
    let standing = ctx.standing();
    if matches!(standing, Standing::Halted | Standing::Loading) {
        state::with(|state| {
            state.leftover = true;
            state.pace.hold(began.after(HALT));
            state.pulse.wake_at(began.after(HALT));
        });
        return;
    }
    state::with(|state| {
        state.take_abandoned();
        state.expire(began);
    });
    let writable = if standing == Standing::Master { applying::Writes::Allowed } else { applying::Writes::Forbidden };
    let mut took = Duration::ZERO;
    let mut leftover = false;
    while step(ctx, writable, budget.saturating_sub(took)) == Progress::Stepped {
        took = clock::mono().since(began);
        if took >= budget {
            leftover = true;
            break;
        }
    }
    state::with(|state| state.slice_ended(began, leftover));
}

fn step(ctx: &Context<'_>, writes: applying::Writes, left: Duration) -> Progress {
    let steps: [&dyn Fn() -> Progress; 5] = [
        &|| applying::step(ctx, writes),
        &|| release(left),
        &|| applying::recheck(ctx),
        &|| beginning::step(ctx, writes),
        &|| expansion::step(ctx),
    ];
    if steps.into_iter().any(|step| step() == Progress::Stepped) { Progress::Stepped } else { Progress::Idle }
}

fn release(left: Duration) -> Progress {
    let told = state::with(|state| state.releases.release(&mut state.flights, left));
    if told == Some(true) { Progress::Stepped } else { Progress::Idle }
}

impl State {
    /// The budget of a slice, if one is due now. If work waits for its time, the pulse is set.
    fn slice_due(&mut self, now: Instant) -> Option<Duration> {
        let deadline = self.flights.next_deadline().is_some_and(|at| at <= now);
        if !self.leftover && !deadline && !self.pulse.is_pending() {
            return None;
        }
        if now < self.pace.not_before() {
            self.pulse.wake_at(self.pace.not_before());
            return None;
        }
        self.pulse.begin_slice();
        Some(self.settings.slice)
    }

    fn slice_ended(&mut self, began: Instant, leftover: bool) {
        self.send_settlements();
        let now = clock::mono();
        let took = now.since(began);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counters.slices += 1;
        self.counters.slice_micros += micros;
        self.counters.slice_max_micros = self.counters.slice_max_micros.max(micros);
        self.pace.ended(now, took, self.settings.main_thread_share, hooks::commands_seen());
        self.leftover = leftover || !self.settlements.is_empty() || !self.unsent.is_empty();
        if self.leftover {
            self.pulse.wake_at(self.pace.not_before());
        }
        self.wake_for_deadlines(now);
    }

    /// Hands what became of keys to the engine; what finds no room stays for the next slice.
    pub fn send_settlements(&mut self) {
        if self.settlements.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.settlements);
        if let Err(Message::Settle(all)) = self.engine.send(Message::Settle(all)) {
            self.settlements = all;
        }
    }

    /// Asks to be woken for the next deadline of a waiter or a lease.
    pub fn wake_for_deadlines(&mut self, now: Instant) {
        if let Some(at) = self.flights.next_deadline() {
            self.pulse.wake_at(at.max(now));
        }
    }
}
