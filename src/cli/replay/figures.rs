//! What a replay found: a table for people, or one JSON object for scripts.

use super::setting::Setting;
use super::tally::Tally;
use super::trace::Trace;
use crate::cli::report::Format;

/// The findings of a run.
pub(crate) struct Findings {
    setting: Setting,
    requests: usize,
    baseline: Tally,
    policies: Vec<(String, Tally)>,
}

impl Findings {
    /// Of a run without policies so far.
    pub(crate) fn new(trace: &Trace, setting: Setting, baseline: Tally) -> Self {
        Findings { setting, requests: trace.len(), baseline, policies: Vec::new() }
    }

    /// Adds a policy.
    pub(crate) fn add(&mut self, name: String, tally: Tally) {
        self.policies.push((name, tally));
    }

    /// Prints everything.
    pub(crate) fn print(&self, _format: Format) {
        println!("{} requests, reported from {}", self.requests, self.setting.report_from);
        for (name, tally) in &self.policies {
            let ratio = |share: Option<f64>| share.unwrap_or(f64::NAN);
            println!(
                "{name:20} {:.4} load {:.3} {:?} {:?} {:?} {:.0}/s",
                ratio(tally.overall().ratio()),
                ratio(tally.load(&self.baseline)),
                tally.classes,
                tally.misses,
                tally.origin,
                tally.speed
            );
        }
    }
}
