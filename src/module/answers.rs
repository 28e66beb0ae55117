//! What the engine's views look like as replies. Runs on the engine's thread.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::args::argument;
use super::reply::Reply;
use crate::engine::Engine;
use crate::engine::jobs::{JobFilter, JobStatus};
use crate::engine::key::Key;
use crate::engine::request::{JobId, LoaderId};
use crate::engine::time::{Now, Wall};

/// What the loaders are called.
pub type Names = HashMap<LoaderId, Arc<str>>;

/// The status of a job.
pub fn job(engine: &Engine, now: Now, id: JobId) -> Reply {
    engine.job(now, id).map_or_else(|| no_such_job(id), |status| status_record(&status))
}

/// The error for a job that never was or is forgotten.
pub fn no_such_job(id: JobId) -> Reply {
    argument(format!("there is no job {}; ended jobs are kept for an hour, the last 1000 of them", id.0)).into()
}

/// The newest jobs of a kind, newest first.
pub fn jobs(engine: &Engine, now: Now, filter: JobFilter, count: usize) -> Reply {
    Reply::Array(engine.jobs(now, filter, count).iter().map(status_record).collect())
}

/// Where a key stands.
pub fn progress(engine: &Engine, names: &Names, key: &Key) -> Reply {
    let progress = engine.progress(key);
    let loader = progress.loader.and_then(|id| names.get(&id)).map(|name| Reply::Text(name.to_string()));
    Reply::record([
        ("key", bulk(key.name())),
        ("status", Reply::Word(progress.status.name())),
        ("loader", Reply::or_null(loader)),
        ("attempts", Reply::count(progress.attempts)),
        ("scheduled_at", instant(progress.scheduled_at)),
        ("started_at", instant(progress.started_at)),
        ("completed_at", instant(progress.completed_at)),
        ("expires_at", instant(progress.expires_at)),
        ("bytes", Reply::or_null(progress.bytes.map(Reply::count))),
        ("error", Reply::or_null(progress.error.map(|text| Reply::Text(text.to_string())))),
    ])
}

/// The head of the queue.
pub fn queue(engine: &Engine, count: usize) -> Reply {
    let entry = |entry: crate::engine::views::QueueEntry| {
        Reply::record([
            ("key", bulk(entry.key.name())),
            ("priority", Reply::count(entry.priority.as_u16())),
            ("reason", Reply::Word(entry.reason.name())),
            ("due_at", instant(Some(entry.due_at))),
            ("deadline", Reply::Null),
        ])
    };
    Reply::Array(engine.queue_head(count).into_iter().map(entry).collect())
}

fn status_record(status: &JobStatus) -> Reply {
    let counts = &status.counts;
    let error = |message: &str, count: u64| {
        Reply::record([("message", Reply::Text(message.to_owned())), ("count", Reply::count(count))])
    };
    let mut errors: Vec<Reply> = status.errors.iter().map(|e| error(&e.message, e.count)).collect();
    if status.other_errors > 0 {
        errors.push(error("other failures", status.other_errors));
    }
    Reply::record([
        ("job", Reply::count(status.job.0)),
        ("state", Reply::Word(status.state.name())),
        ("tag", Reply::or_null(status.spec.tag.as_ref().map(|tag| bulk(tag.as_bytes())))),
        ("priority", Reply::count(status.spec.priority.as_u16())),
        ("reason", Reply::Word(status.spec.reason.name())),
        ("total", Reply::count(counts.total())),
        ("pending", Reply::count(counts.pending)),
        ("warming", Reply::count(counts.warming)),
        ("completed", Reply::count(counts.completed)),
        ("failed", Reply::count(counts.failed)),
        ("dropped", Reply::count(counts.dropped)),
        ("fresh", Reply::count(counts.fresh)),
        ("absent", Reply::count(counts.absent)),
        ("rejected", Reply::count(counts.rejected)),
        ("bytes", Reply::count(counts.bytes)),
        ("started_at", instant(Some(status.started_at))),
        ("finished_at", instant(status.finished_at)),
        ("rate", Reply::Double(status.rate)),
        ("eta_ms", Reply::or_null(status.eta.map(|eta| Reply::count(eta.as_millis())))),
        ("errors", Reply::Array(errors)),
    ])
}

fn instant(at: Option<Wall>) -> Reply {
    Reply::or_null(at.map(|at| Reply::count(at.as_millis())))
}

fn bulk(bytes: &[u8]) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(bytes))
}
