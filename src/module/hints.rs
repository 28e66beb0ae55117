//! Eviction hints: what will be asked for is the last to be evicted.
//!
//! Under an LFU policy a key's access counter is set to its heat, under an LRU one its idle time to the shorter the hotter
//! it is; under any other policy, and with `eviction-hints no`, nothing is done. A hint follows a warm write, since the
//! write itself makes the key look new; and the engine sends hints for keys that others wrote, which are applied a few a
//! slice. A hint is never replicated, changes no value and no expiry, and is lost without harm.

use std::time::Duration;

use super::api::Context;
use super::api::context::Temper;
use super::directives::EvictionHints;
use super::memory_policy::Evicts;
use super::slice::Progress;
use super::state;
use crate::engine::key::Key;

/// Hints applied in one step; about 0.5 µs each.
const HINTS_A_STEP: usize = 16;

/// The idle time that is tried, and how far from it the server's answer may be: it counts in seconds, some in tens.
const TRIED: Duration = Duration::from_secs(600);
const NEAR: Duration = Duration::from_secs(20);

/// From this heat on a key is to look used just now, where nothing finer is understood.
const HOT: u8 = 128;

/// Hints for keys that others wrote, half applied.
pub type Pending = std::vec::IntoIter<(Key, u8)>;

/// Whether the server understands the idle time that it is given.
///
/// Valkey 9.1 takes what the module API calls milliseconds for thousands of seconds (4718064 s came of 776 s), so the first
/// hint is looked at. Where it went wrong, hot keys are still made to look used just now, and others are left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdleTimes {
    /// Not tried yet.
    #[default]
    Untried,
    /// It does.
    Understood,
    /// It does not.
    Misunderstood,
}

/// Tells the server how hot a key is that was just written; 0 says nothing. The context's database is the key's.
pub fn give(ctx: &Context<'_>, name: &[u8], heat: u8) {
    if heat == 0 {
        return;
    }
    let Some(Some((temper, idle_times))) = state::with(|state| Some((state.temper(heat)?, state.idle_times))) else {
        return;
    };
    let given = match (temper, idle_times) {
        (Temper::Idle(idle), IdleTimes::Untried) => try_idle(ctx, name, idle),
        (Temper::Idle(idle), IdleTimes::Misunderstood) if !idle.is_zero() => {
            heat >= HOT && ctx.temper(name, Temper::Idle(Duration::ZERO))
        }
        _ => ctx.temper(name, temper),
    };
    if given {
        state::with(|state| state.counters.hints += 1);
    }
}

/// Gives the first idle time, and looks at what the server made of it.
fn try_idle(ctx: &Context<'_>, name: &[u8], idle: Duration) -> bool {
    if !ctx.temper(name, Temper::Idle(TRIED)) {
        return false;
    }
    let is_near = |became: Duration| became.abs_diff(TRIED) <= NEAR;
    let (idle_times, idle) = match ctx.idle_time(name) {
        Some(became) if is_near(became) => (IdleTimes::Understood, idle),
        _ => (IdleTimes::Misunderstood, Duration::ZERO),
    };
    state::with(|state| state.idle_times = idle_times);
    ctx.temper(name, Temper::Idle(idle))
}

/// Applies a few of the hints that the engine sent.
pub fn step(ctx: &Context<'_>) -> Progress {
    let next = state::with(|state| {
        if state.hints.len() == 0 {
            state.hints = state.directives.hints.try_recv().ok()?.into_iter();
        }
        Some(state.hints.by_ref().take(HINTS_A_STEP).collect::<Vec<_>>())
    });
    let Some(Some(hints)) = next else { return Progress::Idle };
    for (key, heat) in hints {
        ctx.select(key.db());
        give(ctx, key.name(), heat);
    }
    Progress::Stepped
}

impl state::State {
    /// What a heat means under the server's policy; `None` if it means nothing.
    fn temper(&self, heat: u8) -> Option<Temper> {
        if self.settings.eviction_hints == EvictionHints::Off {
            return None;
        }
        match self.memory_policy.evicts {
            Evicts::LeastFrequent => Some(Temper::Counter(heat)),
            Evicts::LeastRecent => Some(Temper::Idle(idle(heat, self.settings.horizon))),
            Evicts::Other => None,
        }
    }
}

/// For how long a key of this heat is to look unused: nothing for the hottest, a horizon for the coldest.
fn idle(heat: u8, horizon: Duration) -> Duration {
    horizon.mul_f64(1.0 - f64::from(heat) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hotter_the_shorter_unused() {
        let horizon = Duration::from_secs(3600);
        assert_eq!(idle(255, horizon), Duration::ZERO);
        assert!(idle(1, horizon) > Duration::from_secs(3580) && idle(1, horizon) < horizon);
        assert!((1..255).all(|heat| idle(heat, horizon) > idle(heat + 1, horizon)));
    }
}
