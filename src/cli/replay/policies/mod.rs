//! The policies that are compared, by the names that `--policy` knows; one file for each family.

mod demand;

use std::fmt;
use std::str::FromStr;

use super::eviction::lru::Lru;
use super::policy::Policy;
use super::setting::Setting;
use super::trace::Trace;
use demand::Demand;

/// Which policy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Choice {
    /// Demand fill, least recently used leaves.
    Lru,
}

/// What a policy may be built from.
#[derive(Clone, Copy)]
pub(crate) struct Lab<'a> {
    /// The requests.
    pub(crate) trace: &'a Trace,
    /// What is assumed.
    pub(crate) setting: &'a Setting,
}

impl Choice {
    /// Every policy, in the order in which they are reported.
    pub(crate) const ALL: &'static [Choice] = &[Choice::Lru];

    /// Builds the policy with an empty cache.
    pub(crate) fn build<'a>(self, lab: Lab<'a>) -> Box<dyn Policy + 'a> {
        let keys = lab.trace.distinct();
        match self {
            Choice::Lru => Box::new(Demand::<Lru>::new(keys, lab.setting)),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Lru => f.write_str("lru"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lru" => Ok(Choice::Lru),
            _ => Err(format!("{text:?} is none of lru")),
        }
    }
}
