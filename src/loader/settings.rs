//! What a user says of a loader: the options of `WARM.LOADER SET`, parsed but not yet checked against each other.
//! [`Definition`](super::definition::Definition) is the checked form.

use std::time::Duration;

use crate::engine::foresight::supply::Refresh;

/// The raw options of one loader. Defaults are those of `COMMANDS`: see each field.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[A-Za-z0-9_.-]{1,64}`.
    pub name: String,
    /// The key pattern, for example `content:{id}`.
    pub pattern: Vec<u8>,
    /// The URL template of one key.
    pub url: Secret,
    /// Life of a loaded value. Default 1 h.
    pub ttl: Duration,
    /// Where the life comes from. Default [`Freshness::Fixed`].
    pub freshness: Freshness,
    /// Spread of lifetimes in percent, 0..=100: a life is shortened by up to this share. Default 10.
    pub jitter_percent: u8,
    /// How long "the origin has no such key" is remembered; zero: not at all. Default 30 s.
    pub negative: Duration,
    /// The time one try may take, from connect to the last byte. Default 5 s.
    pub timeout: Duration,
    /// Tries after the first. Default 2.
    pub retries: u32,
    /// Requests to the origin at one time, at most. Default 32.
    pub concurrency: u32,
    /// Requests to the origin per second, at most, retries included; 0: no limit. Default 0.
    pub rate: f64,
    /// Keys per batch request, at most; 1: no batches. Default 1.
    pub batch: u32,
    /// The URL template of a batch (`{ids}`); needed if `batch > 1`.
    pub batch_url: Option<Secret>,
    /// The form of a batch answer. Default [`BatchFormat::Object`].
    pub batch_format: BatchFormat,
    /// JSON pointer to the id inside each element of an array or ndjson answer; absent: by position (array only).
    pub batch_id: Option<String>,
    /// JSON pointer to the part of the document that is cached; absent: the whole body.
    pub body: Option<String>,
    /// How the value is stored. Default [`Kind::String`].
    pub kind: Kind,
    /// Stored form of string values. Default [`Compression::None`].
    pub compress: Compression,
    /// The largest body that is accepted, in bytes, after decoding. Default 8 MiB.
    pub max_bytes: u64,
    /// Request headers, `("Name", "value")`; values are shown as `***` everywhere.
    pub headers: Vec<(String, String)>,
    /// Relative price of one request. Default 1.0.
    pub cost: f64,
    /// When values are fetched again before they expire. Default [`Refresh::Auto`].
    pub refresh: Refresh,
    /// JSON pointer to an object of the document whose members describe the key's content; absent: nothing does.
    pub features: Option<String>,
}

impl Settings {
    /// A loader with only its required parts; everything else at its default.
    pub fn new(name: &str, pattern: &[u8], url: &str) -> Self {
        Settings {
            name: name.to_owned(),
            pattern: pattern.to_vec(),
            url: Secret::plain(url),
            ttl: Duration::from_secs(3600),
            freshness: Freshness::Fixed,
            jitter_percent: 10,
            negative: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            retries: 2,
            concurrency: 32,
            rate: 0.0,
            batch: 1,
            batch_url: None,
            batch_format: BatchFormat::Object,
            batch_id: None,
            body: None,
            kind: Kind::String,
            compress: Compression::None,
            max_bytes: 8 << 20,
            headers: Vec::new(),
            cost: 1.0,
            refresh: Refresh::Auto,
            features: None,
        }
    }
}

/// A text with parts that nobody may see again: the text as used, and as shown.
///
/// Parts that came from the environment and URL passwords are `***` in the shown form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    used: String,
    shown: String,
}

impl Secret {
    /// A text without secret parts, as far as the writer knows; a URL password in it is masked all the same when
    /// the text is shown through [`crate::loader::definition::Definition`].
    pub fn plain(text: &str) -> Self {
        Secret { used: text.to_owned(), shown: text.to_owned() }
    }

    /// A text and its masked form.
    pub fn masked(used: String, shown: String) -> Self {
        Secret { used, shown }
    }

    /// The text to work with. Never goes into a log, a reply or an error.
    pub fn reveal(&self) -> &str {
        &self.used
    }

    /// The text to show.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secret").field(&self.shown).finish()
    }
}

/// Where the life of a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// The loader's `TTL`.
    Fixed,
    /// `Cache-Control`/`Expires` of the answer, at most `TTL`.
    Origin,
}

/// The form of a batch answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchFormat {
    /// One object: id → document.
    Object,
    /// One array of documents.
    Array,
    /// One document a line.
    Ndjson,
}

/// How a value is stored in the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    String,
    /// A hash, from one flat JSON object.
    Hash,
    /// A JSON document, where the server has `JSON.SET`.
    Json,
}

/// The stored form of a string value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// As the origin sent it.
    None,
    /// A zstd frame.
    Zstd,
    /// A gzip member.
    Gzip,
}
