//! What predictions, rankings and models look like as replies.

use bytes::Bytes;

use super::{Taught, Warmth};

use crate::engine::foresight::forecast::{ModelInfo, Prediction, Ranked};
use crate::engine::foresight::lessons::Adoption;
use crate::engine::request::Priority;
use crate::module::reply::Reply;

/// Whether a ranking shows what it goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scores {
    /// Keys alone.
    Hidden,
    /// Each key with the requests expected of it.
    Shown,
}

/// WARM.PREDICT.
pub fn prediction(name: &[u8], told: &Prediction) -> Reply {
    let features = told.features.iter().map(|(name, value)| (Reply::Word(name), Reply::Double(*value)));
    Reply::record([
        ("key", Reply::Bulk(Bytes::copy_from_slice(name))),
        ("popularity", Reply::Double(told.popularity)),
        ("hot", Reply::Double(told.hot)),
        ("confidence", Reply::Double(told.confidence)),
        ("class", Reply::Word(told.class.name())),
        ("features", Reply::Map(features.collect())),
        ("model", Reply::count(told.model)),
        ("at", Reply::count(told.at.as_millis())),
    ])
}

/// WARM.ENQUEUE: the effective priority, and what was foretold. A key that is warm was not queued.
pub fn enqueued(priority: Priority, told: &Prediction, warmth: Warmth) -> Reply {
    let queued = match warmth {
        Warmth::Warm => 0,
        Warmth::Cold => 1,
    };
    Reply::record([
        ("priority", Reply::count(priority.as_u16())),
        ("popularity", Reply::Double(told.popularity)),
        ("confidence", Reply::Double(told.confidence)),
        ("queued", Reply::Integer(queued)),
    ])
}

/// WARM.TOP.
pub fn ranking(ranked: Vec<Ranked>, scores: Scores) -> Reply {
    let bulk = |ranked: &Ranked| Bytes::copy_from_slice(ranked.key.name());
    match scores {
        Scores::Hidden => Reply::Array(ranked.iter().map(|ranked| Reply::Bulk(bulk(ranked))).collect()),
        Scores::Shown => Reply::Scored(ranked.iter().map(|ranked| (bulk(ranked), ranked.popularity)).collect()),
    }
}

/// WARM.MODEL INFO and EVAL.
pub fn model(info: &ModelInfo) -> Reply {
    let measured = |figure: Option<f64>| Reply::or_null(figure.map(Reply::Double));
    Reply::record([
        ("kind", Reply::Word(kind(info))),
        ("version", Reply::count(info.version)),
        ("trained_at", Reply::or_null(info.trained_at.map(|at| Reply::count(at.as_millis())))),
        ("samples", Reply::count(info.samples)),
        ("features", Reply::count(info.features)),
        ("accuracy", measured(info.accuracy)),
        ("baseline_accuracy", measured(info.baseline_accuracy)),
        ("precision", measured(info.precision)),
        ("recall", measured(info.recall)),
        ("f1", measured(info.f1)),
        ("pr_auc", measured(info.pr_auc)),
        ("coverage", measured(info.coverage)),
        ("calibration_error", measured(info.calibration_error)),
        ("training_ms", training_ms(info)),
        ("bytes", Reply::count(info.bytes)),
        ("windows", Reply::count(info.windows)),
    ])
}

/// WARM.MODEL TRAIN, also with ROWS: how the lesson ended, if there was one, and what was taught before it.
pub fn training(adoption: Option<Adoption>, taught: Option<Taught>, info: &ModelInfo) -> Reply {
    let (trained, adopted) = match adoption {
        Some(Adoption::Adopted { .. }) => (1, 1),
        Some(Adoption::Kept) => (1, 0),
        None => (0, 0),
    };
    let rows = taught.map(|taught| [("rows", Reply::count(taught.rows)), ("taken", Reply::count(taught.taken))]);
    let outcome = [
        ("trained", Reply::Integer(trained)),
        ("adopted", Reply::Integer(adopted)),
        ("kind", Reply::Word(kind(info))),
        ("version", Reply::count(info.version)),
        ("samples", Reply::count(info.samples)),
        ("training_ms", training_ms(info)),
    ];
    Reply::record(rows.into_iter().flatten().chain(outcome))
}

/// The word for the kind of model in use.
pub fn kind(info: &ModelInfo) -> &'static str {
    if info.kind.is_empty() { "none" } else { info.kind }
}

fn training_ms(info: &ModelInfo) -> Reply {
    Reply::or_null(info.training.map(|took| Reply::count(took.as_millis())))
}
