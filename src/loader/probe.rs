//! A test of a loader: one try for one key, nothing kept and nothing written.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::definition::{Definition, variables};
use super::document::{self, Document};
use super::fetch::{Failure, FailureKind};
use super::lane::Lane;
use super::serve::{Shared, Task, address, limit, ttl};
use super::ticket::Place;
use crate::engine::key::Key;

/// What a test showed.
#[derive(Clone, PartialEq, Debug)]
pub struct ProbeReport {
    /// The URL that was asked, with its secret parts as `***`; empty if the key makes none.
    pub url: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The bytes of the value that would be stored, before packing.
    pub bytes: u64,
    /// How long it would live, before jitter; `None` if there is no value.
    pub ttl: Option<Duration>,
    /// How long the try took, redirects included.
    pub latency: Duration,
    /// Whether the origin said that the value that was loaded last is still good.
    pub not_modified: bool,
    /// Why there would be no value, unless the origin says that there is none.
    pub failure: Option<Failure>,
}

/// Who hears of a report.
pub type Listener = Box<dyn FnOnce(ProbeReport) + Send>;

/// A test that has been accepted. Dropping it reports a failure.
pub(super) struct Probe {
    definition: Arc<Definition>,
    key: Key,
    report: ProbeReport,
    listener: Option<Listener>,
    _place: Option<Place>,
}

impl Probe {
    /// A test of `definition` with `key`. Without a place it can only be dropped.
    pub(super) fn new(definition: Arc<Definition>, key: Key, listener: Listener, place: Option<Place>) -> Self {
        let url = definition.pattern().matches(key.name());
        let url = url.map(|captures| definition.single().shown(&variables(&captures, key.name()))).unwrap_or_default();
        let message = if place.is_some() { "the loader was stopped" } else { "too many fetches are open" };
        let failure = Some(Failure { kind: FailureKind::Request, message: message.to_owned() });
        let latency = Duration::ZERO;
        let report = ProbeReport { url, status: None, bytes: 0, ttl: None, latency, not_modified: false, failure };
        Probe { definition, key, report, listener: Some(listener), _place: place }
    }

    /// The loader that is tested.
    pub(super) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Makes the try and reports.
    pub(super) async fn run(mut self, shared: &Shared, lane: &Lane<Task>) {
        let failure = self.attempt(shared, lane).await.err();
        if !shared.is_stopping() {
            self.report.failure = failure;
        }
    }

    async fn attempt(&mut self, shared: &Shared, lane: &Lane<Task>) -> Result<(), Failure> {
        let definition = Arc::clone(&self.definition);
        let uri = address(&definition, self.key.name())?;
        let tag = shared.digester.tag(definition.shape(), self.key.db().0, self.key.name());
        let validator = shared.validators().recall_any(tag);
        let exchange = shared.exchange(lane, &definition, definition.single(), validator.as_ref(), limit(&definition));
        let began = Instant::now();
        let tried = exchange.run(uri, &mut 0).await;
        self.report.latency = began.elapsed();
        let reply = match tried {
            Ok(reply) => reply,
            Err(trouble) => {
                self.report.status = trouble.status.map(|status| status.as_u16());
                return Err(trouble.failure);
            }
        };
        self.report.status = Some(reply.status.as_u16());
        self.report.not_modified = reply.status == StatusCode::NOT_MODIFIED;
        if matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        if !self.report.not_modified {
            match document::whole(&definition, &reply.body)? {
                Document::Null => return Ok(()),
                document => self.report.bytes = document.len() as u64,
            }
        }
        self.report.ttl = Some(ttl(&definition, &reply.headers));
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            let report = self.report.clone();
            // As for a ticket: the listener's panic must not meet another one.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener(report)));
        }
    }
}
