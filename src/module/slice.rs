//! The work of one event-loop turn: in small steps, until there is none left or the budget is used.
//!
//! The budget is time, measured after every step; the longest step is one write or one read of a collection. What is done
//! first: answers are written (that frees memory and clients), clients released, keys looked at again, orders begun,
//! targets expanded, eviction hints given.

use super::api::context::Standing;
use super::api::{Context, wake};
use super::applying::Writes;
use super::engine_thread::Message;
use super::state::{self, State};
use super::{applying, beginning, clock, deletions, expansion, hints, hooks, upkeep};
use crate::engine::settlement::Source;
use crate::engine::time::Instant;
use std::time::Duration;

/// Live loads that the engine is told of together.
const SETTLED_AT_ONCE: usize = 256;

/// Waits that are ended in one step, at about 5 µs each with the reply that follows.
const EXPIRED_A_STEP: usize = 4;

/// How long warm work gathers after a slice that left none: a turn of the event loop for every single answer would cost
/// more than its write.
const GATHER: Duration = Duration::from_micros(200);

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

/// What a slice may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Only what clients wait for. Such work is like a command of theirs: it does not wait for the pace.
    Live,
    /// Everything.
    All,
}

/// One turn of the event loop. Costs a branch when there is nothing to do.
pub fn turn(ctx: &Context<'_>) {
    deletions::judge();
    let began = clock::mono();
    upkeep::turn(ctx, began);
    let Some(Some((scope, budget))) = state::with(|state| state.slice_due(began)) else { return };
    let standing = ctx.standing();
    if matches!(standing, Standing::Halted | Standing::Loading) {
        // Nothing is written, but who waits is still told in time.
        while release(budget) == Progress::Stepped || expire(began) == Progress::Stepped {
            if clock::mono().since(began) >= budget {
                break;
            }
        }
        state::with(|state| {
            state.leftover = true;
            state.pace.hold(began.after(HALT));
            state.pulse.wake_at(began.after(HALT));
        });
        return;
    }
    state::with(State::take_abandoned);
    let writes = match standing {
        Standing::Master if ctx.memory_ratio().is_some_and(|ratio| ratio > 1.0) => Writes::Full,
        Standing::Master => Writes::Allowed,
        _ => Writes::Forbidden,
    };
    let mut took = Duration::ZERO;
    let mut leftover = false;
    while step(ctx, writes, scope, budget.saturating_sub(took)) == Progress::Stepped {
        took = clock::mono().since(began);
        if took >= budget {
            leftover = true;
            break;
        }
    }
    state::with(|state| state.slice_ended(began, scope, leftover));
}

fn step(ctx: &Context<'_>, writes: Writes, scope: Scope, left: Duration) -> Progress {
    let live: [&dyn Fn() -> Progress; 4] =
        [&|| applying::step(ctx, writes, scope), &|| release(left), &|| expire(clock::mono()), &|| {
            applying::recheck(ctx)
        }];
    let warm: [&dyn Fn() -> Progress; 3] =
        [&|| beginning::step(ctx, writes), &|| expansion::step(ctx), &|| hints::step(ctx)];
    let warm = if scope == Scope::All { &warm[..] } else { &[] };
    if live.iter().chain(warm).any(|step| step() == Progress::Stepped) { Progress::Stepped } else { Progress::Idle }
}

fn release(left: Duration) -> Progress {
    let told = state::with(|state| state.releases.release(&mut state.flights, left));
    if told == Some(true) { Progress::Stepped } else { Progress::Idle }
}

/// Ends a few waits and leases whose time is over.
fn expire(now: Instant) -> Progress {
    let ended = state::with(|state| state.expire(now, EXPIRED_A_STEP));
    if ended.is_some_and(|ended| ended > 0) { Progress::Stepped } else { Progress::Idle }
}

impl State {
    /// What a slice may do and its budget, if one is due now. If work waits for its time, the pulse is set.
    fn slice_due(&mut self, now: Instant) -> Option<(Scope, Duration)> {
        self.watch.turn();
        let deadline = self.flights.next_deadline().is_some_and(|at| at <= now);
        if !self.leftover && !deadline && !self.pulse.is_pending() {
            return None;
        }
        if now >= self.pace.not_before() {
            self.pulse.begin_slice();
            return Some((Scope::All, self.settings.slice));
        }
        let live = self.incoming.has_live() || !self.releases.is_empty() || !self.rechecks.is_empty() || deadline;
        if live {
            self.pulse.begin_live_slice();
            return Some((Scope::Live, self.settings.slice));
        }
        self.pulse.wake_at(self.pace.not_before());
        None
    }

    fn slice_ended(&mut self, began: Instant, scope: Scope, leftover: bool) {
        let now = clock::mono();
        let took = now.since(began);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counters.slices += 1;
        self.counters.slice_micros += micros;
        self.counters.slice_max_micros = self.counters.slice_max_micros.max(micros);
        if scope == Scope::All {
            self.send_unsent();
            self.settle_with_engine();
            self.send_described();
            let share = self.settings.main_thread_share;
            self.leftover = leftover;
            let rest = if self.leftover { Duration::ZERO } else { GATHER };
            self.pace.ended(now, took, share, hooks::commands_seen(), rest);
            self.wake_for_unsent(now);
            self.pulse.allow_from(self.pace.not_before());
        }
        match scope {
            Scope::All if self.leftover => self.turn_again(now),
            Scope::All => {}
            Scope::Live => {
                if leftover {
                    self.leftover = true;
                    wake::event_loop();
                }
                // Warm work may wait for its time behind the live one.
                self.pulse.wake_at(self.pace.not_before());
            }
        }
        self.wake_for_deadlines(now);
    }

    /// Sees to it that the event loop turns when the next slice may run.
    fn turn_again(&mut self, now: Instant) {
        if self.pace.not_before() <= now {
            // Nobody else wants the main thread: no detour over the timekeeper.
            wake::event_loop();
        } else {
            self.pulse.wake_at(self.pace.not_before());
        }
    }

    /// Hands what became of keys to the engine, unless it can wait: live loads alone are told of with the next order, the
    /// next question or the next cron, so that reading through does not wake the engine for every key.
    fn settle_with_engine(&mut self) {
        let urgent = self.settlements.iter().any(|settlement| settlement.source != Source::Live);
        if urgent || self.settlements.len() >= SETTLED_AT_ONCE {
            self.send_settlements();
        }
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
