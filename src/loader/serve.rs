//! From a fetch to its answer: which requests to make, when to try again, and what each key gets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::batch;
use super::budget::{Budget, shrink};
use super::client::Client;
use super::compress::compress;
use super::content;
use super::definition::{Definition, variables};
use super::document::{self, Document};
use super::endpoint::{Endpoint, MAX_URL};
use super::exchange::{Again, Exchange, Reply};
use super::fetch::{Failure, FailureKind, Fetch, Item, Outcome, Stored, Urgency, Value};
use super::freshness::lifetime;
use super::lane::Lane;
use super::probe::Probe;
use super::retry::{LIVE_PATIENCE, WARM_PATIENCE, backoff};
use super::settings::{Freshness, Kind};
use super::template::Variable;
use super::ticket::Ticket;
use super::validators::{Digester, Validator, Validators};

/// What all fetches of one runtime share.
pub(super) struct Shared {
    /// The connections.
    pub(super) client: Client,
    /// The bytes in memory.
    pub(super) budget: Budget,
    /// Makes digests of values.
    pub(super) digester: Digester,
    /// Locked for a few comparisons, by the loader's own threads only.
    validators: Mutex<Validators>,
    /// Draws so far of random numbers, which are digests of this count.
    draws: AtomicU64,
    /// Set before the tasks are dropped: what fails from then on fails because of us.
    stopping: AtomicBool,
}

/// What a lane runs.
pub(super) enum Task {
    /// A fetch.
    Fetch(Ticket, Arc<Shared>),
    /// A test of a loader.
    Probe(Probe, Arc<Shared>),
}

impl super::lane::Job for Task {
    fn urgency(&self) -> Urgency {
        match self {
            Task::Fetch(ticket, _) => ticket.fetch().map_or(Urgency::Warm, |fetch| fetch.urgency),
            Task::Probe(..) => Urgency::Live,
        }
    }

    async fn run(self, lane: &Arc<Lane<Task>>) {
        match self {
            Task::Fetch(ticket, shared) => serve(ticket, shared, lane).await,
            Task::Probe(probe, shared) => probe.run(&shared, lane).await,
        }
    }
}

impl Shared {
    /// What fetches need, without any connection yet.
    pub(super) fn new(client: Client, budget: Budget, digester: Digester, validators: usize) -> Self {
        let validators = Mutex::new(Validators::new(validators));
        Shared { client, budget, digester, validators, draws: AtomicU64::new(0), stopping: AtomicBool::new(false) }
    }

    /// Says that the end has begun.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the end has begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The validators' memory.
    pub(super) fn validators(&self) -> MutexGuard<'_, Validators> {
        self.validators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A random number.
    fn draw(&self) -> u64 {
        self.digester.random(self.draws.fetch_add(1, Ordering::Relaxed))
    }

    /// One try at `endpoint` for a body of up to `limit` bytes.
    pub(super) fn exchange<'a>(
        &'a self,
        lane: &'a Lane<Task>,
        definition: &'a Definition,
        endpoint: &'a Endpoint,
        validator: Option<&'a Validator>,
        limit: usize,
    ) -> Exchange<'a> {
        Exchange {
            client: &self.client,
            budget: &self.budget,
            pace: &lane.pace,
            gauges: &lane.gauges,
            headers: endpoint.headers(),
            validator,
            limit,
            timeout: definition.settings().timeout,
        }
    }
}

/// The largest body of one document of `definition`.
pub(super) fn limit(definition: &Definition) -> usize {
    usize::try_from(definition.settings().max_bytes).unwrap_or(usize::MAX)
}

/// The life of an answer with `headers`.
pub(super) fn ttl(definition: &Definition, headers: &http::HeaderMap) -> Duration {
    let settings = definition.settings();
    match settings.freshness {
        Freshness::Fixed => settings.ttl,
        Freshness::Origin => lifetime(headers, settings.ttl, SystemTime::now()),
    }
}

/// The address of one key.
pub(super) fn address(definition: &Definition, key: &[u8]) -> Result<Uri, Failure> {
    let refused = |message: String| Failure { kind: FailureKind::Request, message };
    let captures = definition.pattern().matches(key);
    let captures = captures.ok_or_else(|| refused("the key does not match the loader's pattern".to_owned()))?;
    let uri = definition.single().uri(&variables(&captures, key));
    uri.ok_or_else(|| refused(format!("the key makes a URL of more than {MAX_URL} bytes")))
}

/// How the tries for one request ended without an answer.
enum Ended {
    /// For good.
    Failed(Failure),
    /// It is to be asked again when the lane is no longer held.
    Held,
}

/// Whether a fetch may leave its slot while the origin asks for patience.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    InQueue,
    InSlot,
}

struct Service<'a> {
    shared: &'a Shared,
    lane: &'a Arc<Lane<Task>>,
    definition: &'a Definition,
    urgency: Urgency,
    waiting: Waiting,
    /// Whether the next request's turn has been taken.
    turn_taken: bool,
}

async fn serve(mut ticket: Ticket, shared: Arc<Shared>, lane: &Arc<Lane<Task>>) {
    let Some(Fetch { loader, items, urgency, .. }) = ticket.fetch() else { return };
    let (definition, items, urgency) = (Arc::clone(loader), items.clone(), *urgency);
    let waiting = if urgency == Urgency::Warm { Waiting::InQueue } else { Waiting::InSlot };
    let mut service = Service { shared: &shared, lane, definition: &definition, urgency, waiting, turn_taken: true };
    let outcomes = match &items[..] {
        [item] => service.single(item, &mut ticket).await.map(|outcome| vec![outcome]),
        items => service.several(items, &mut ticket).await,
    };
    if shared.is_stopping() {
        return;
    }
    let Some(outcomes) = outcomes else { return lane.put_back(Task::Fetch(ticket, shared)) };
    for outcome in &outcomes {
        match outcome {
            Outcome::Loaded(_) => lane.gauges.loaded.add(1),
            Outcome::NotModified { .. } => lane.gauges.not_modified.add(1),
            Outcome::Absent => lane.gauges.absent.add(1),
            Outcome::Failed(_) => lane.gauges.failed.add(1),
            Outcome::Cancelled => (),
        }
    }
    ticket.answer(outcomes);
}

impl Service<'_> {
    /// One key by its own URL; `None` if the fetch has to wait in its queue.
    async fn single(&mut self, item: &Item, ticket: &mut Ticket) -> Option<Outcome> {
        let uri = match address(self.definition, item.key.name()) {
            Ok(uri) => uri,
            Err(failure) => return Some(Outcome::Failed(failure)),
        };
        let tag = self.shared.digester.tag(self.definition.shape(), item.key.db().0, item.key.name());
        let validator = item.held.and_then(|held| self.shared.validators().recall(tag, held));
        let (endpoint, limit) = (self.definition.single(), limit(self.definition));
        match self.ask(endpoint, uri, validator.as_ref(), limit, ticket).await {
            Ok(reply) => Some(self.conclude(reply, tag).unwrap_or_else(Outcome::Failed)),
            Err(Ended::Failed(failure)) => Some(Outcome::Failed(failure)),
            Err(Ended::Held) => None,
        }
    }

    /// What the answer to a single request means.
    fn conclude(&self, reply: Reply, tag: u64) -> Result<Outcome, Failure> {
        let ttl = ttl(self.definition, &reply.headers);
        match reply.status {
            StatusCode::NOT_MODIFIED => return Ok(Outcome::NotModified { ttl }),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Outcome::Absent),
            _ => (),
        }
        let (mut plain, fields) = match document::whole(self.definition, &reply.body)? {
            Document::Null => return Ok(Outcome::Absent),
            Document::Value { plain, fields } => (plain, fields),
        };
        let content = content::of_body(self.definition, &reply.body);
        let mut permit = reply.share;
        if plain.len() < reply.body.len() {
            plain = Bytes::copy_from_slice(&plain);
            permit.iter_mut().for_each(|share| shrink(share, plain.len()));
        }
        let value = Value { content, ..self.value(plain, fields, ttl, permit) };
        if let Stored::String(stored) = &value.body {
            let digest = self.shared.digester.digest(stored);
            self.shared.validators().remember(tag, digest, Validator::of(&reply.headers));
        }
        Ok(Outcome::Loaded(value))
    }

    fn value(
        &self,
        plain: Bytes,
        fields: Vec<(Bytes, Bytes)>,
        ttl: Duration,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Value {
        let body = match self.definition.kind() {
            Kind::String => Stored::String(compress(&plain, self.definition.settings().compress)),
            Kind::Hash => Stored::Hash(fields),
            Kind::Json => Stored::Json(plain.clone()),
        };
        Value { body, plain, ttl, content: Vec::new(), permit }
    }

    /// Several keys: in one request if the loader has batches and the ids fit into a URL, else one after the other.
    async fn several(&mut self, items: &[Item], ticket: &mut Ticket) -> Option<Vec<Outcome>> {
        let captures: Vec<_> = items.iter().map(|item| self.definition.pattern().matches(item.key.name())).collect();
        let ids: Option<Vec<&[u8]>> = captures.iter().map(|captures| captures.as_ref()?.first()).collect();
        let batch = self.definition.batch_endpoint().filter(|_| items.len() > 1).zip(ids);
        if let Some((endpoint, ids)) = batch
            && let Some(uri) = endpoint.uri(&[Variable::Many(&ids)])
        {
            return self.batch(endpoint, uri, &ids, ticket).await;
        }
        self.waiting = Waiting::InSlot;
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            ticket.tries = 0;
            outcomes.extend(self.single(item, ticket).await);
        }
        Some(outcomes)
    }

    async fn batch(
        &mut self,
        endpoint: &Endpoint,
        uri: Uri,
        ids: &[&[u8]],
        ticket: &mut Ticket,
    ) -> Option<Vec<Outcome>> {
        let limit = limit(self.definition).saturating_mul(ids.len()).min(self.shared.budget.total() as usize);
        let failed = |failure: Failure| ids.iter().map(|_| Outcome::Failed(failure.clone())).collect();
        match self.ask(endpoint, uri, None, limit, ticket).await {
            Ok(reply) => Some(self.distribute(reply, ids).unwrap_or_else(failed)),
            Err(Ended::Failed(failure)) => Some(failed(failure)),
            Err(Ended::Held) => None,
        }
    }

    /// Gives each id its document of a batch answer, and each document its share of the body's memory.
    fn distribute(&self, reply: Reply, ids: &[&[u8]]) -> Result<Vec<Outcome>, Failure> {
        if matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            let message = format!("the batch address answered {}", reply.status.as_u16());
            return Err(Failure { kind: FailureKind::Status, message });
        }
        let ttl = ttl(self.definition, &reply.headers);
        let format = self.definition.settings().batch_format;
        let found = batch::pick(format, self.definition.batch_id(), ids, &reply.body)?;
        let read = |raw: Option<_>| match raw {
            Some(raw) => document::element(self.definition, &reply.body, raw),
            None => Ok(Document::Null),
        };
        let contents: Vec<_> = found
            .iter()
            .map(|raw| raw.map_or_else(Vec::new, |raw| content::of_document(self.definition, raw)))
            .collect();
        let documents: Vec<Result<Document, Failure>> = found.into_iter().map(read).collect();
        let wanted: usize = documents.iter().flatten().map(Document::len).sum();
        // Slices of a body that is mostly something else would keep all of it; then the documents are copied out.
        let copied = wanted < reply.body.len() / 2;
        let mut share = reply.share;
        let mut left = documents.iter().flatten().filter(|document| document.len() > 0).count();
        let limit = limit(self.definition);
        let mut outcomes = Vec::with_capacity(documents.len());
        for (document, content) in documents.into_iter().zip(contents) {
            outcomes.push(match document {
                Ok(Document::Null) => Outcome::Absent,
                Ok(Document::Value { plain, .. }) if plain.len() > limit => Outcome::Failed(Failure {
                    kind: FailureKind::TooLarge,
                    message: format!("the document is larger than {limit} bytes"),
                }),
                Ok(Document::Value { plain, fields }) => {
                    left = left.saturating_sub(usize::from(!plain.is_empty()));
                    let permit = match &mut share {
                        // The last one takes what is not a document too: the slices keep it.
                        Some(rest) if left > 0 || copied => rest.split(plain.len().min(rest.num_permits())),
                        _ => share.take(),
                    };
                    let plain = if copied { Bytes::copy_from_slice(&plain) } else { plain };
                    Outcome::Loaded(Value { content, ..self.value(plain, fields, ttl, permit) })
                }
                Err(failure) => Outcome::Failed(failure),
            });
        }
        Ok(outcomes)
    }

    /// Asks until there is an answer, no try is left, or the origin wants to be left alone.
    async fn ask(
        &mut self,
        endpoint: &Endpoint,
        uri: Uri,
        validator: Option<&Validator>,
        limit: usize,
        ticket: &mut Ticket,
    ) -> Result<Reply, Ended> {
        let exchange = self.shared.exchange(self.lane, self.definition, endpoint, validator, limit);
        loop {
            if !std::mem::take(&mut self.turn_taken) {
                self.lane.pace.turn().await;
            }
            ticket.began.get_or_insert_with(Instant::now);
            ticket.tries += 1;
            let trouble = match exchange.run(uri.clone(), &mut ticket.requests).await {
                Ok(reply) => return Ok(reply),
                Err(trouble) => trouble,
            };
            let pause = backoff(ticket.tries, self.shared.draw());
            let (pause, patience) = match trouble.again {
                Again::Never => return Err(Ended::Failed(trouble.failure)),
                Again::Backoff => (pause, Duration::MAX),
                Again::After(asked) => {
                    self.lane.hold(Instant::now() + asked.min(WARM_PATIENCE) + pause);
                    let patience = if self.urgency == Urgency::Warm { WARM_PATIENCE } else { LIVE_PATIENCE };
                    (asked.saturating_add(pause), patience.saturating_add(pause))
                }
            };
            if ticket.tries > self.definition.settings().retries || pause > patience {
                return Err(Ended::Failed(trouble.failure));
            }
            self.lane.gauges.retries.add(1);
            if matches!(trouble.again, Again::After(_)) && self.waiting == Waiting::InQueue {
                return Err(Ended::Held);
            }
            sleep(pause).await;
        }
    }
}
