//! What crosses to the loader and what comes back: a [`Fetch`] out, exactly one [`Answer`] in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::definition::Definition;
use crate::engine::foresight::forecast::ContentFeature;
use crate::engine::key::Key;

/// One request to an origin: one key, or a batch of keys of one loader.
#[derive(Debug)]
pub struct Fetch {
    /// Chosen by the sender; comes back in the answer.
    pub id: u64,
    /// Whose origin.
    pub loader: Arc<Definition>,
    /// One item, or up to the loader's `BATCH`.
    pub items: Vec<Item>,
    /// Who waits.
    pub urgency: Urgency,
}

/// One key of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key; it matches the loader's pattern.
    pub key: Key,
    /// The [digest](super::validators::Digester::digest) of the stored value that the server holds now, if it holds one
    /// that may be revalidated. The loader asks conditionally only if this is the very value that the remembered
    /// validator belongs to. Strings only: of other types no validator is remembered.
    pub held: Option<u64>,
}

/// Live requests go before warm ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// A client is waiting.
    Live,
    /// Nobody is waiting.
    Warm,
}

/// The one answer to a fetch: one result for each item, in the fetch's order.
#[derive(Debug)]
pub struct Answer {
    /// The fetch's id.
    pub id: u64,
    /// Whose origin.
    pub loader: Arc<Definition>,
    /// Each item with what became of it.
    pub results: Vec<(Item, Outcome)>,
    /// From the first request sent to the last byte received, over all tries; zero if none was sent.
    pub latency: Duration,
    /// Requests made, retries included.
    pub attempts: u32,
}

/// What became of one key.
#[derive(Debug)]
pub enum Outcome {
    /// The origin gave a value.
    Loaded(Value),
    /// The origin says that the held value is still good; it lives for this much longer.
    NotModified {
        /// The renewed life, before jitter.
        ttl: Duration,
    },
    /// The origin says there is no such key.
    Absent,
    /// The origin failed, after all tries. Teaches the breaker.
    Failed(Failure),
    /// Given up by ourselves (shutdown, or a panic of ours). Teaches nothing.
    Cancelled,
}

/// A value from an origin, as it will be stored.
#[derive(Debug)]
pub struct Value {
    /// What to store.
    pub body: Stored,
    /// What a waiting client is told: the plain bytes.
    pub plain: Bytes,
    /// How long it may be stored, before jitter. Zero: it may be handed out but not stored (`no-store`).
    pub ttl: Duration,
    /// What the document says of its content; none unless the loader has `FEATURES`.
    pub content: Vec<ContentFeature>,
    /// The share of the loader's memory budget that this value holds until it is dropped.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// The stored form of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stored {
    /// `SET`: these bytes (compressed if the loader says so).
    String(Bytes),
    /// `HSET`: fields and values, at least one.
    Hash(Vec<(Bytes, Bytes)>),
    /// `JSON.SET key $`: one JSON document.
    Json(Bytes),
}

/// Why an origin gave nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The kind, for counting.
    pub kind: FailureKind,
    /// One line for people: what happened, with which status or limit. Never a secret, never a key, never a body.
    pub message: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// The name could not be resolved, the connection was refused, reset or not trusted.
    Connect,
    /// The try's time ran out.
    Timeout,
    /// The answer had a status that is neither success nor absence.
    Status,
    /// The answer was not what it claimed to be: cut short, undecodable, not JSON, no such pointer.
    Body,
    /// The body is larger than `MAXBYTES`.
    TooLarge,
    /// A redirect left the origin's host or went on too long.
    Redirect,
    /// Too many bytes are waiting to be written.
    Memory,
    /// No request can be made for the key: its URL would be too long, or the loader's pattern does not match it.
    Request,
}
