//! How references with a number to choose find it: the one that serves most within the budget, by replaying.
//!
//! A counter's half-life is chosen on the part of the trace that may be trained on: caches warm up over its first half,
//! figures come from the second. Its threshold is then set on the reported part itself, so that it spends the budget there:
//! hindsight, in the reference's favour, so that what beats it beats it at the same load. A clairvoyant chain, being a
//! bound, is chosen on the reported part too. Each trial is one replay.

use super::refreshing::{Counted, Foretold, Refreshing};
use super::{Choice, Lab};
use crate::cli::replay::policy::Policy;
use crate::cli::replay::spans::Span;
use crate::cli::replay::tally::{Tally, replay};

/// A counter's numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Tuned {
    /// The counter's half-life.
    pub(super) half_life_ms: f64,
    /// The probability from which on a copy is refreshed.
    pub(super) threshold: f64,
}

/// The best half-life (unless it is given) and its threshold within the budget, and what to say about them.
pub(super) fn counter(lab: Lab<'_>, half_life: Option<Span>) -> (Tuned, String) {
    let Lab { trace, setting, .. } = lab;
    let half_life_ms = match half_life {
        Some(span) => span.millis() as f64,
        None => {
            let part = (setting.train_until / 2, setting.train_until);
            let tried = HALF_LIVES.map(|windows| spent(lab, part, windows * setting.window_ms as f64));
            let best = tried.into_iter().max_by_key(|&(hits, _)| hits);
            best.map_or(setting.window_ms as f64, |(_, tuned)| tuned.half_life_ms)
        }
    };
    let (_, tuned) = spent(lab, (setting.report_from, trace.len()), half_life_ms);
    let span = Span::from_millis(tuned.half_life_ms as u64).map(|span| span.to_string()).unwrap_or_default();
    (tuned, format!("half-life {span}; refreshes at p >= {:.2}, by hindsight", tuned.threshold))
}

/// The lowest threshold within the budget for a half-life, with the hits that it gets in a part of the trace.
fn spent(lab: Lab<'_>, part: (usize, usize), half_life_ms: f64) -> (u64, Tuned) {
    let Lab { trace, setting, .. } = lab;
    let keys = trace.distinct();
    let baseline = tally(lab, part, &mut *Choice::Lru.build(lab).policy);
    let mut best = (baseline.overall().hits, Tuned { half_life_ms, threshold: 1.0 });
    // The threshold's log-odds: from p = 0.0025 to 0.9975.
    bisect((-6.0, 6.0), |odds| {
        let tuned = Tuned { half_life_ms, threshold: 1.0 / (1.0 + (-odds).exp()) };
        let rule = Counted::new(keys, setting.ttl_ms, half_life_ms, tuned.threshold);
        let found = tally(lab, part, &mut Refreshing::new(keys, setting, rule));
        let fits = found.load(&baseline).is_some_and(|load| load <= setting.budget);
        let hits = found.overall().hits;
        if fits && hits >= best.0 {
            best = (hits, tuned);
        }
        if fits { Bisect::Lower } else { Bisect::Higher }
    });
    best
}

/// How far ahead a clairvoyant may refresh within the budget, in milliseconds, and what to say about it.
pub(super) fn chain(lab: Lab<'_>) -> (u64, String) {
    let Lab { trace, setting, future, .. } = lab;
    let (keys, part) = (trace.distinct(), (setting.report_from, trace.len()));
    let baseline = tally(lab, part, &mut *Choice::Lru.build(lab).policy);
    let mut best = setting.ttl_ms;
    // The reach in TTLs, as a power of two, with its sign turned: the lower, the more is refreshed.
    bisect((-12.0, 0.0), |power| {
        let reach_ms = (setting.ttl_ms as f64 * (-power).exp2()) as u64;
        let rule = Foretold::new(keys, &trace.times, future, reach_ms);
        let found = tally(lab, part, &mut Refreshing::new(keys, setting, rule));
        let fits = found.load(&baseline).is_some_and(|load| load <= setting.budget);
        if fits {
            best = best.max(reach_ms);
        }
        if fits { Bisect::Lower } else { Bisect::Higher }
    });
    (best, format!("reaches {:.1} TTLs ahead", best as f64 / setting.ttl_ms as f64))
}

fn tally(lab: Lab<'_>, (from, until): (usize, usize), policy: &mut (impl Policy + ?Sized)) -> Tally {
    replay(lab.trace, lab.classes, from, until, policy)
}

/// Where to look next.
enum Bisect {
    Lower,
    Higher,
}

fn bisect((mut low, mut high): (f64, f64), mut ask: impl FnMut(f64) -> Bisect) {
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        match ask(middle) {
            Bisect::Lower => high = middle,
            Bisect::Higher => low = middle,
        }
    }
}

/// In windows: the right one differs by two orders of magnitude from trace to trace.
const HALF_LIVES: [f64; 5] = [0.25, 1.0, 4.0, 24.0, 72.0];
const STEPS: u32 = 8;
