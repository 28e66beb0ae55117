//! The policies that are compared, by the names that `--policy` knows; one file for each family.
//!
//! `demand` (fill on demand, by order of eviction), `refreshing` (references that refresh by a rule), `tuning` (how those
//! with a threshold find it), `clairvoyant` (bounds), and [`warm`], which is what the laboratory is for.

mod clairvoyant;
mod demand;
mod refreshing;
#[cfg(test)]
mod tests;
mod tuning;
pub(crate) mod warm;

use std::fmt;
use std::str::FromStr;

use self::clairvoyant::{Clairvoyant, Foresight};
use self::demand::Demand;
use self::refreshing::{Counted, Foretold, HitOnce, Refreshing};
use self::warm::Warm;
use super::classes::Class;
use super::eviction::{lfu::Lfu, lru::Lru, s3fifo::S3Fifo, sieve::Sieve};
use super::future::Future;
use super::policy::Policy;
use super::setting::Setting;
use super::spans::Span;
use super::trace::Trace;

/// Which policy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Choice {
    /// Demand fill, least recently used leaves.
    Lru,
    /// Demand fill, least frequently used leaves.
    Lfu,
    /// Demand fill, SIEVE.
    Sieve,
    /// Demand fill, S3-FIFO.
    S3Fifo,
    /// Refresh what was hit in the life that ends.
    Refresh1,
    /// Refresh what a decayed counter expects; the half-life is chosen unless it is given.
    Counter(Option<Span>),
    /// The engine's.
    Warm,
    /// Refresh what will be asked for within the next TTL.
    ClairvoyantRefresh,
    /// Refresh for as far ahead as the budget allows.
    ClairvoyantChain,
    /// Demand fill, Belady's rule.
    Belady,
    /// Belady's rule, and warm just before a request.
    Clairvoyant,
}

/// What a policy may be built from.
#[derive(Clone, Copy)]
pub(crate) struct Lab<'a> {
    /// The requests.
    pub(crate) trace: &'a Trace,
    /// Their classes.
    pub(crate) classes: &'a [Class],
    /// What is assumed.
    pub(crate) setting: &'a Setting,
    /// For clairvoyant policies only.
    pub(crate) future: &'a Future,
}

/// A policy with an empty cache.
pub(crate) struct Built<'a> {
    /// The policy.
    pub(crate) policy: Box<dyn Policy + 'a>,
    /// What was chosen for it, if anything was.
    pub(crate) note: Option<String>,
}

impl Choice {
    /// Every policy, in the order in which they are reported.
    pub(crate) const ALL: &'static [Choice] = &[
        Choice::Lru,
        Choice::Lfu,
        Choice::Sieve,
        Choice::S3Fifo,
        Choice::Refresh1,
        Choice::Counter(None),
        Choice::Warm,
        Choice::ClairvoyantRefresh,
        Choice::ClairvoyantChain,
        Choice::Belady,
        Choice::Clairvoyant,
    ];

    /// Builds the policy; those that are tuned replay parts of the trace for it.
    pub(crate) fn build<'a>(self, lab: Lab<'a>) -> Built<'a> {
        let Lab { trace, setting, future, .. } = lab;
        let (keys, times) = (trace.distinct(), &trace.times[..]);
        let mut note = None;
        let policy: Box<dyn Policy + 'a> = match self {
            Choice::Lru => Box::new(Demand::<Lru>::new(keys, setting)),
            Choice::Lfu => Box::new(Demand::<Lfu>::new(keys, setting)),
            Choice::Sieve => Box::new(Demand::<Sieve>::new(keys, setting)),
            Choice::S3Fifo => Box::new(Demand::<S3Fifo>::new(keys, setting)),
            Choice::Refresh1 => Box::new(Refreshing::new(keys, setting, HitOnce)),
            Choice::Counter(half_life) => {
                let (tuned, text) = tuning::counter(lab, half_life);
                note = Some(text);
                let counted = Counted::new(keys, setting.ttl_ms, tuned.half_life_ms, tuned.threshold);
                Box::new(Refreshing::new(keys, setting, counted))
            }
            Choice::Warm => Box::new(Warm::new(lab)),
            Choice::ClairvoyantRefresh => {
                Box::new(Refreshing::new(keys, setting, Foretold::new(keys, times, future, setting.ttl_ms)))
            }
            Choice::ClairvoyantChain => {
                let (reach_ms, text) = tuning::chain(lab);
                note = Some(text);
                Box::new(Refreshing::new(keys, setting, Foretold::new(keys, times, future, reach_ms)))
            }
            Choice::Belady => Box::new(Clairvoyant::new(trace, setting, future, Foresight::Keep)),
            Choice::Clairvoyant => Box::new(Clairvoyant::new(trace, setting, future, Foresight::KeepAndWarm)),
        };
        Built { policy, note }
    }

    /// True for those that know the future.
    pub(crate) fn is_bound(self) -> bool {
        use Choice::{Belady, Clairvoyant, ClairvoyantChain, ClairvoyantRefresh};
        matches!(self, ClairvoyantRefresh | ClairvoyantChain | Belady | Clairvoyant)
    }

    /// What it does, in a few words.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Choice::Lru => "fills on demand; least recently used leaves: what load and misses cut are measured against",
            Choice::Lfu => "fills on demand; least often used leaves",
            Choice::Sieve => "fills on demand; SIEVE chooses who leaves",
            Choice::S3Fifo => "fills on demand; S3-FIFO chooses who leaves",
            Choice::Refresh1 => "refreshes what was hit at least once in the life that ends: simple, and hard to beat",
            Choice::Counter(_) => "refreshes what a decayed counter expects within the next TTL",
            Choice::Warm => "what redis-warm's engine does",
            Choice::ClairvoyantRefresh => "knows the future: refreshes exactly what is asked for within the next TTL",
            Choice::ClairvoyantChain => "knows the future: refreshes as far ahead as the budget allows",
            Choice::Belady => "knows the future: fills on demand; who is asked for last leaves",
            Choice::Clairvoyant => "knows the future: fetches what it has seen before just before it is asked for",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Lru => "lru",
            Choice::Lfu => "lfu",
            Choice::Sieve => "sieve",
            Choice::S3Fifo => "s3fifo",
            Choice::Refresh1 => "refresh1",
            Choice::Counter(None) => "counter",
            Choice::Counter(Some(half_life)) => return write!(f, "counter:{half_life}"),
            Choice::Warm => "warm",
            Choice::ClairvoyantRefresh => "clairvoyant-refresh",
            Choice::ClairvoyantChain => "clairvoyant-chain",
            Choice::Belady => "belady",
            Choice::Clairvoyant => "clairvoyant",
        })
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(half_life) = text.strip_prefix("counter:") {
            return half_life.parse().map(|half_life| Choice::Counter(Some(half_life)));
        }
        let found = Choice::ALL.iter().find(|choice| choice.to_string() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Choice::ALL.iter().map(ToString::to_string).collect();
            format!("{text:?} is none of {} or counter:HALFLIFE", names.join(", "))
        })
    }
}
