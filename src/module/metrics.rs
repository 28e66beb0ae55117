//! All figures, taken at one moment: what `INFO warm` and `WARM.STATS` say is this.

use std::sync::atomic::Ordering;

use super::loaders::Loader;
use super::prediction::records;
use super::reply::Reply;
use super::state::State;
use super::watch::Watch;
use super::{alloc, clock, entry, hooks};
use crate::engine::foresight::figures::{ForesightStats, Hits};
use crate::engine::foresight::forecast::Class;
use crate::engine::settlement::DropReason;
use crate::engine::stats::Stats;

/// The sections, as `WARM.STATS` names them.
pub const SECTIONS: [&str; 6] = ["warming", "prediction", "hits", "loaders", "memory", "threads"];

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub enum Figure {
    /// A count, a size in bytes, or a time in the unit that the name says.
    Count(u64),
    /// A ratio or a rate.
    Real(f64),
    /// A number that may be negative.
    Signed(i64),
    /// A word.
    Word(&'static str),
    /// What was not measured.
    Unknown,
    /// Figures that belong together.
    Group(Fields),
}

/// Named figures.
pub type Fields = Vec<(String, Figure)>;

/// Everything.
#[derive(Clone, PartialEq, Debug)]
pub struct Metrics {
    /// Queue, jobs, keys.
    pub warming: Fields,
    /// What is expected, and how well that does.
    pub prediction: Fields,
    /// Hits and misses by class, and what warming ahead gains.
    pub hits: Fields,
    /// Each loader's, by name.
    pub loaders: Vec<(String, Fields)>,
    /// Bytes.
    pub memory: Fields,
    /// What the module costs.
    pub threads: Fields,
}

impl Metrics {
    /// The figures of now.
    pub fn take(state: &State) -> Metrics {
        let stats = state.engine_stats.load_full();
        Metrics {
            warming: warming(state, &stats),
            prediction: prediction(state, &stats.foresight),
            hits: hits(&stats.foresight),
            loaders: state.loaders.iter().map(|l| (l.definition.name().to_owned(), gauges(state, l))).collect(),
            memory: memory(state, &stats),
            threads: threads(state),
        }
    }
}

impl From<Figure> for Reply {
    fn from(figure: Figure) -> Reply {
        match figure {
            Figure::Count(n) => Reply::count(n),
            Figure::Real(x) => Reply::Double(x),
            Figure::Signed(n) => Reply::Integer(n),
            Figure::Word(word) => Reply::Word(word),
            Figure::Unknown => Reply::Null,
            Figure::Group(fields) => {
                Reply::Map(fields.into_iter().map(|(name, figure)| (Reply::Text(name), figure.into())).collect())
            }
        }
    }
}

/// A loader's figures as `WARM.LOADER GET` shows them: with the latency as a map.
pub fn loader_fields(state: &State, loader: &Loader) -> Vec<(String, Reply)> {
    let (latency, figures): (Vec<_>, Vec<_>) =
        gauges(state, loader).into_iter().partition(|(name, _)| name.starts_with(LATENCY));
    let mut fields: Vec<(String, Reply)> = figures.into_iter().map(|(name, figure)| (name, figure.into())).collect();
    let latency =
        latency.into_iter().map(|(name, figure)| (Reply::Text(name[LATENCY.len()..].to_owned()), figure.into()));
    fields.push(("latency_ms".to_owned(), Reply::Map(latency.collect())));
    fields
}

const LATENCY: &str = "latency_ms_";

fn warming(state: &State, stats: &Stats) -> Fields {
    let c = &state.counters;
    let (warm, live, demand) = (&stats.warm, &stats.live, &stats.demand);
    let mut fields = named([
        ("keys_queued", stats.queued as u64),
        ("keys_warming", stats.warming as u64),
        ("orders_out", stats.orders_out as u64),
        ("in_flight", state.flights.len() as u64),
        ("waiting_clients", u64::from(state.flights.waiting())),
        ("jobs_running", stats.jobs_running as u64),
        ("jobs_done", stats.jobs_done),
        ("jobs_cancelled", stats.jobs_cancelled),
        ("accepted", demand.accepted),
        ("joined", demand.joined),
        ("rejected", demand.rejected),
        ("orders", demand.orders),
        ("completed", warm.completed()),
        ("loaded", warm.loaded),
        ("renewed", warm.renewed),
        ("fresh", warm.fresh),
        ("absent", warm.absent),
        ("failed", warm.failed),
        ("dropped", warm.dropped_total()),
        ("live_loaded", live.loaded),
        ("live_absent", live.absent),
        ("live_failed", live.failed),
        ("live_fetches", c.live_fetches),
        ("reads", c.reads),
        ("read_hits", c.reads.saturating_sub(c.read_misses + c.read_errors)),
        ("read_misses", c.read_misses),
        ("read_joined", c.read_joined),
        ("read_absent", c.read_absent),
        ("read_timeouts", c.timeouts),
        ("leases", c.leases),
        ("fills", c.fills),
        ("stale_fills", c.stale_fills),
        ("written", c.written),
        ("written_bytes", c.written_bytes),
        ("superseded", c.superseded),
        ("refused", c.refused),
    ]);
    for reason in DropReason::ALL {
        fields.push((format!("dropped_{}", reason.name()), Figure::Count(warm.dropped(reason) + live.dropped(reason))));
    }
    fields.push(("held".to_owned(), Figure::Word(stats.held.name())));
    fields
}

fn prediction(state: &State, stats: &ForesightStats) -> Fields {
    let (model, measured) = (&stats.model, |figure: Option<f64>| figure.map_or(Figure::Unknown, Figure::Real));
    let moment = |figure: Option<u128>| {
        figure.map_or(Figure::Unknown, |figure| Figure::Count(u64::try_from(figure).unwrap_or(u64::MAX)))
    };
    let figures = [
        ("mode", Figure::Word(stats.mode.name())),
        ("kind", Figure::Word(records::kind(model))),
        ("version", Figure::Count(model.version)),
        ("trained_at", moment(model.trained_at.map(|at| u128::from(at.as_millis())))),
        ("training_ms", moment(model.training.map(|took| took.as_millis()))),
        ("samples", Figure::Count(model.samples as u64)),
        ("windows", Figure::Count(model.windows)),
        ("accuracy", measured(model.accuracy)),
        ("baseline_accuracy", measured(model.baseline_accuracy)),
        ("precision", measured(model.precision)),
        ("recall", measured(model.recall)),
        ("f1", measured(model.f1)),
        ("pr_auc", measured(model.pr_auc)),
        ("coverage", measured(model.coverage)),
        ("calibration_error", measured(model.calibration_error)),
        ("threshold", Figure::Real(stats.threshold)),
        ("load", Figure::Real(stats.load)),
        ("tracked_keys", Figure::Count(stats.tracked as u64)),
        ("tracked_most", Figure::Count(stats.tracked_most as u64)),
        ("tracked_bytes", Figure::Count(stats.bytes as u64)),
        ("displaced", Figure::Count(stats.displaced)),
        ("refreshes", Figure::Count(stats.refreshes)),
        ("predicted_warms", Figure::Count(stats.predicted_warms)),
        ("retracted", Figure::Count(stats.retracted)),
        ("eviction_hints", Figure::Count(state.counters.hints)),
    ];
    figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}

fn hits(stats: &ForesightStats) -> Fields {
    let ratio = |reads: Hits| if reads.requests == 0 { None } else { Some(reads.ratio()) };
    let measured = |figure: Option<f64>| figure.map_or(Figure::Unknown, Figure::Real);
    let reads = |reads: Hits| {
        let mut fields = named([("requests", reads.requests), ("hits", reads.hits)]);
        fields.push(("ratio".to_owned(), measured(ratio(reads))));
        Figure::Group(fields)
    };
    let gain = ratio(stats.eligible).zip(ratio(stats.holdout)).map(|(with, without)| with - without);
    let classes = Class::ALL.iter().zip(stats.classes).map(|(class, of)| (class.name().to_owned(), reads(of)));
    let mut fields: Fields = vec![("overall".to_owned(), reads(stats.overall()))];
    fields.extend(classes);
    fields.push(("eligible".to_owned(), reads(stats.eligible)));
    fields.push(("holdout".to_owned(), reads(stats.holdout)));
    fields.push(("gain".to_owned(), measured(gain)));
    fields.extend(named([
        ("warmed_hits", stats.warmed_hits),
        ("wasted", stats.wasted),
        ("origin_requests", stats.origin_requests),
        ("demand_fill_requests", stats.demand_fill_requests),
    ]));
    fields.push(("origin_saved".to_owned(), Figure::Signed(stats.origin_saved().round() as i64)));
    fields
}

fn gauges(state: &State, loader: &Loader) -> Fields {
    let standing = if loader.paused { "paused" } else { "closed" };
    let mut fields = vec![("state".to_owned(), Figure::Word(standing))];
    let gauges = state.runtime.gauges(loader.definition.name());
    let gauge = |read: &dyn Fn(&crate::loader::gauges::Gauges) -> u64| gauges.as_ref().map_or(0, |gauges| read(gauges));
    fields.extend(named([
        ("limit", u64::from(loader.definition.concurrency())),
        ("in_flight", gauge(&|g| u64::from(g.in_flight.load(Ordering::Relaxed)))),
        ("queued", gauge(&|g| u64::from(g.queued.load(Ordering::Relaxed)))),
        ("requests", gauge(&|g| g.requests.total())),
        ("failures", gauge(&|g| g.failures.total())),
        ("retries", gauge(&|g| g.retries.total())),
        ("loaded", gauge(&|g| g.loaded.total())),
        ("not_modified", gauge(&|g| g.not_modified.total())),
        ("absent", gauge(&|g| g.absent.total())),
        ("failed", gauge(&|g| g.failed.total())),
        ("bytes", gauge(&|g| g.bytes.total())),
    ]));
    let percentiles = gauges.as_ref().map(|gauges| gauges.latency.percentiles()).unwrap_or_default();
    for (name, value) in [("p50", percentiles.p50), ("p95", percentiles.p95), ("p99", percentiles.p99)] {
        fields.push((format!("{LATENCY}{name}"), Figure::Real(value)));
    }
    fields
}

fn memory(state: &State, stats: &Stats) -> Fields {
    named([
        ("used", alloc::live_bytes() as u64),
        ("engine", stats.memory as u64),
        ("forecasts", state.engine.foretold().memory() as u64),
        ("flights", state.flights.memory() as u64),
        ("max_memory", state.settings.max_memory),
        ("queued_keys", stats.queued as u64),
        ("remembered_keys", stats.remembered as u64),
        ("absent_keys", state.absent.len() as u64),
    ])
}

fn threads(state: &State) -> Fields {
    let c = &state.counters;
    let uptime = clock::mono().as_micros().max(1);
    let mut fields = named([
        ("slices", c.slices),
        ("slice_micros", c.slice_micros),
        ("slice_max_micros", c.slice_max_micros),
        ("commands_seen", hooks::commands_seen()),
        ("panics", entry::panics()),
        ("uptime_ms", uptime / 1000),
    ]);
    fields.push(("main_thread_share".to_owned(), Figure::Real(c.slice_micros as f64 / uptime as f64)));
    fields.extend(watch(&state.watch));
    fields
}

/// What is seen of accesses: what the main thread recorded, and what the engine's thread took out of the ring.
fn watch(watch: &Watch) -> Fields {
    let figures = watch.figures();
    let mut fields = named([
        ("watch_commands", figures.commands),
        ("watch_seen", figures.seen),
        ("watch_dropped", figures.dropped),
        ("watch_sampled_one_in", figures.sampled_one_in),
        ("watch_ring_bytes", figures.ring_bytes),
    ]);
    fields.push(("watch_cost_ns".to_owned(), Figure::Real(figures.cost_ns)));
    fields.push(("main_thread_busy".to_owned(), Figure::Real(figures.busy)));
    fields.extend(named(watch.tally().figures()));
    fields
}

fn named<const N: usize>(figures: [(&str, u64); N]) -> Fields {
    figures.into_iter().map(|(name, n)| (name.to_owned(), Figure::Count(n))).collect()
}
