//! `warmctl replay`: the laboratory. It replays a recorded trace through policies of caching and says what each would have
//! served and what it would have cost the origin. No server is involved.
//!
//! In reading order: `spans` (how arguments are written), `setting` (what a run assumes); `source`, `reader`, `names` and
//! `trace` (how the trace comes into memory); `policy` (what is compared), `cache`, `expiries` and `eviction` (what policies
//! are built of), `policies` (one file for each family, over `future` where they may look ahead); `virtual_time` (how the
//! engine is driven), `classes` and `tally` (what is counted), `figures`, `explained` and `table` (how it is shown), `predictions` (what was thought would
//! come). Beside them `overlay`, another command, which makes traces with a rhythm.

mod cache;
mod classes;
mod eviction;
mod expiries;
mod explained;
mod figures;
mod future;
mod names;
pub(crate) mod overlay;
mod policies;
mod policy;
mod predictions;
mod reader;
mod setting;
mod source;
mod spans;
mod table;
mod tally;
mod trace;
mod virtual_time;

use std::path::PathBuf;
use std::process::ExitCode;

use self::figures::{Figures, Findings};
use self::future::Future;
use self::policies::{Choice, Lab};
use self::policy::Policy;
use self::predictions::Predictions;
use self::setting::{Room, Setting};
use self::spans::{Capacity, Moment, Span};
use self::tally::Tally;
use self::trace::Trace;
use super::error::Error;
use super::progress::Progress;
use super::report::Format;

/// Replay a recorded trace through caching policies and compare hit ratios and origin requests
///
/// The trace is a CSV file with the columns ts_ms (milliseconds, or the request's number) and key, and, if there are any,
/// user, session, region and size; the header decides. Durations are written 250ms, 20s, 5m, 1h, 7d; a bare number is
/// seconds. In a trace that has only an order a request counts as a millisecond: 20s is 20,000 requests.
#[derive(clap::Args, Debug)]
pub(crate) struct Replay {
    /// The trace; zstd is decompressed.
    trace: PathBuf,
    /// How many keys fit: a number, or a share of the distinct keys like 0.5% [default: all]
    #[arg(long, conflicts_with = "bytes")]
    capacity: Option<Capacity>,
    /// How many bytes of values fit; needs the column size.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    bytes: Option<u64>,
    /// How long a copy lives from its fetch.
    #[arg(long, default_value = "1h")]
    ttl: Span,
    /// What to compare; several with commas, or again [default: all]
    #[arg(long, value_delimiter = ',')]
    policy: Vec<Choice>,
    /// Origin requests allowed, as a multiple of what demand fill makes.
    #[arg(long, default_value_t = 1.2, value_parser = multiple)]
    budget: f64,
    /// What policies may choose and train on: a share of the requests (0.7, 70%), an instant in ms as in the trace, or a
    /// duration since the first request (7d).
    #[arg(long, default_value = "70%")]
    train_until: Moment,
    /// Where figures begin, written alike; caches are warm by then [default: --train-until]
    #[arg(long)]
    report_from: Option<Moment>,
    /// How far a prediction looks [default: 1h; the TTL in a trace that has only an order]
    #[arg(long)]
    window: Option<Span>,
    /// Write what is expected of every window of the reported part to this CSV file.
    #[arg(long)]
    predictions: Option<PathBuf>,
    /// Which share of the keys seen counts as popular, in percent.
    #[arg(long, default_value_t = 1.0, value_parser = percent)]
    hot_percent: f64,
    /// Keys that the engine may track, as warm.max-tracked-keys.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    tracked_keys: u32,
    /// For what draws random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(replay: &Replay) -> Result<ExitCode, Error> {
    let trace = reader::read(&replay.trace)?;
    if trace.disordered > 0 {
        eprintln!("warmctl: {} rows were not in the order of time and were sorted", trace.disordered);
    }
    let setting = replay.setting(&trace).map_err(|problem| Error::Trace { path: replay.trace.clone(), problem })?;
    let (classes, future) = (classes::classes(&trace, &setting), Future::new(&trace));
    let lab = Lab { trace: &trace, classes: &classes, setting: &setting, future: &future };
    let chosen = if replay.policy.is_empty() { Choice::ALL } else { &replay.policy };
    let mut progress = Progress::on_terminal("replaying", "policies");
    let baseline = tally(lab, &mut *Choice::Lru.build(lab).policy);
    let mut findings = Findings::new(&trace, &setting, &baseline);
    for (done, &choice) in chosen.iter().enumerate() {
        progress.show(done as u64, chosen.len() as u64, &choice.to_string());
        let mut built = choice.build(lab);
        let found = tally(lab, &mut *built.policy);
        findings.policies.push(Figures::new(choice, built.note, &found, &baseline, setting.budget));
    }
    progress.finish();
    if let Some(path) = &replay.predictions {
        let mut predictions = Predictions::create(path)?;
        predictions::predict(&trace, &setting, &mut predictions)?;
        predictions.finish()?;
    }
    if replay.format.is_json() {
        println!("{}", findings.json());
    } else {
        print!("{findings}");
    }
    Ok(ExitCode::SUCCESS)
}

fn tally(lab: Lab<'_>, policy: &mut dyn Policy) -> Tally {
    tally::replay(lab.trace, lab.classes, lab.setting.report_from, lab.trace.len(), policy)
}

impl Replay {
    fn setting(&self, trace: &Trace) -> Result<Setting, String> {
        let room = match (self.capacity, self.bytes) {
            (_, Some(_)) if trace.sizes.is_empty() => return Err("--bytes needs a column size in the trace".to_owned()),
            (_, Some(bytes)) => Room::Bytes(bytes),
            (Some(capacity), None) => Room::Keys(capacity.keys(trace)),
            (None, None) => Room::Unlimited,
        };
        let train_until = self.train_until.index(trace);
        let report_from = self.report_from.map_or(train_until, |from| from.index(trace));
        if report_from < train_until {
            return Err(format!(
                "--report-from (request {report_from}) lies before --train-until (request {train_until}): figures over \
                 what was trained on mean nothing"
            ));
        }
        if report_from >= trace.len() {
            return Err(format!("no requests lie after --report-from; the trace has {}", trace.len()));
        }
        let window_ms = match self.window {
            Some(window) => window.millis(),
            None if trace.is_order_only() => self.ttl.millis(),
            None => HOUR_MS,
        };
        let (ttl_ms, budget, hot_share, seed) = (self.ttl.millis(), self.budget, self.hot_percent / 100.0, self.seed);
        Ok(Setting {
            ttl_ms,
            room,
            budget,
            window_ms,
            train_until,
            report_from,
            hot_share,
            tracked_keys: self.tracked_keys,
            seed,
        })
    }
}

fn multiple(text: &str) -> Result<f64, String> {
    number(text, 1.0, 1000.0)
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, 0.0, 100.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from {least} to {most}")),
    }
}

const HOUR_MS: u64 = 3_600_000;
