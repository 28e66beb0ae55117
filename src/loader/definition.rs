//! A loader that is known to be usable: its settings checked against each other, its templates compiled.
//!
//! Everything that can be wrong is found here, before the first request; the rest of the loader never checks a setting.
//! In a batch the id of a key is its first named capture.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::checks::{check_batch, check_ranges, headers, span};
use super::endpoint::{Endpoint, EndpointError, mask_password};
use super::pointer::{Pointer, PointerError};
use super::settings::{BatchFormat, Compression, Freshness, Kind, Secret, Settings};
use super::template::Variable;
use crate::engine::foresight::supply::Refresh;
use crate::engine::pattern::{Captures, Pattern, PatternError};

/// A usable loader. Shared as `Arc<Definition>`; it never changes.
pub struct Definition {
    settings: Settings,
    pattern: Pattern,
    single: Endpoint,
    batch: Option<Endpoint>,
    batch_id: Option<Pointer>,
    body: Option<Pointer>,
    features: Option<Pointer>,
    generation: u64,
    shape: u64,
}

impl Definition {
    /// Checks `settings`.
    ///
    /// # Errors
    /// The first option that is wrong, what is wrong with it, and what is allowed; never a secret part.
    pub fn new(settings: Settings) -> Result<Self, DefinitionError> {
        check_ranges(&settings)?;
        let pattern = Pattern::parse(&settings.pattern).map_err(DefinitionError::Pattern)?;
        if let Some(name) = pattern.names().find(|name| matches!(*name, "key" | "ids")) {
            return Err(DefinitionError::ReservedCapture { name: name.to_owned() });
        }
        let headers = headers(&settings.headers)?;
        let allowed: Vec<&str> = pattern.names().chain(["key"]).collect();
        let url = |option, error| DefinitionError::Url { option, error };
        let single = Endpoint::new(&settings.url, &allowed, &headers).map_err(|error| url("URL", error))?;
        let batch = match &settings.batch_url {
            Some(text) => Some(Endpoint::new(text, &["ids"], &headers).map_err(|error| url("BATCHURL", error))?),
            None => None,
        };
        check_batch(&settings, &pattern, batch.as_ref())?;
        let pointer = |option, text: &Option<String>| match text {
            Some(text) => Pointer::parse(text).map(Some).map_err(|error| DefinitionError::Pointer { option, error }),
            None => Ok(None),
        };
        let (body, batch_id) = (pointer("BODY", &settings.body)?, pointer("BATCHID", &settings.batch_id)?);
        let features = pointer("FEATURES", &settings.features)?;
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let shape = shape(&settings);
        Ok(Definition { settings, pattern, single, batch, batch_id, body, features, generation, shape })
    }

    /// The loader's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The keys that it is for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What the user said.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How its values are stored.
    pub fn kind(&self) -> Kind {
        self.settings.kind
    }

    /// Requests to the origin at one time, at most.
    pub fn concurrency(&self) -> u32 {
        self.settings.concurrency
    }

    /// Requests to the origin per second, at most; `None`: no limit.
    pub fn rate(&self) -> Option<f64> {
        (self.settings.rate > 0.0).then_some(self.settings.rate)
    }

    /// Keys per request, at most.
    pub fn batch(&self) -> u32 {
        self.settings.batch
    }

    /// How long an absence is remembered; zero: not at all.
    pub fn negative(&self) -> Duration {
        self.settings.negative
    }

    /// `ttl` shortened by this loader's jitter; `random` is uniform over all of `u64`.
    pub fn jittered(&self, ttl: Duration, random: u64) -> Duration {
        jittered(ttl, self.settings.jitter_percent, random)
    }

    /// Larger for a definition that was made later in this process; tells the current one from a replaced one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Equal for definitions whose stored values have the same form, so that a validator of one holds for the other.
    pub(super) fn shape(&self) -> u64 {
        self.shape
    }

    pub(super) fn single(&self) -> &Endpoint {
        &self.single
    }

    pub(super) fn batch_endpoint(&self) -> Option<&Endpoint> {
        self.batch.as_ref()
    }

    pub(super) fn batch_id(&self) -> Option<&Pointer> {
        self.batch_id.as_ref()
    }

    pub(super) fn features(&self) -> Option<&Pointer> {
        self.features.as_ref()
    }

    pub(super) fn body(&self) -> Option<&Pointer> {
        self.body.as_ref()
    }

    /// The settings as people may see them, in the order of the command's options: every header value, URL password
    /// and part that came from the environment is `***`.
    pub fn shown_settings(&self) -> Vec<(&'static str, String)> {
        let s = &self.settings;
        let url = |secret: &Secret| mask_password(secret.shown());
        let mut shown = vec![
            ("match", String::from_utf8_lossy(self.pattern.text()).into_owned()),
            ("url", url(&s.url)),
            ("ttl", span(s.ttl)),
            ("freshness", word(matches!(s.freshness, Freshness::Origin), "origin", "fixed")),
            ("jitter", s.jitter_percent.to_string()),
            ("negative", span(s.negative)),
            ("timeout", span(s.timeout)),
            ("retries", s.retries.to_string()),
            ("concurrency", s.concurrency.to_string()),
            ("rate", s.rate.to_string()),
            ("batch", s.batch.to_string()),
        ];
        shown.extend(s.batch_url.as_ref().map(|text| ("batchurl", url(text))));
        let format = match s.batch_format {
            BatchFormat::Object => "object",
            BatchFormat::Array => "array",
            BatchFormat::Ndjson => "ndjson",
        };
        shown.push(("batchformat", format.to_owned()));
        shown.extend(s.batch_id.clone().map(|pointer| ("batchid", pointer)));
        shown.extend(s.body.clone().map(|pointer| ("body", pointer)));
        let kind = match s.kind {
            Kind::String => "string",
            Kind::Hash => "hash",
            Kind::Json => "json",
        };
        let compress = match s.compress {
            Compression::None => "none",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        shown.push(("type", kind.to_owned()));
        shown.push(("compress", compress.to_owned()));
        shown.push(("maxbytes", s.max_bytes.to_string()));
        shown.extend(s.headers.iter().map(|(name, _)| ("header", format!("{name}: ***"))));
        shown.push(("cost", s.cost.to_string()));
        let refresh = match s.refresh {
            Refresh::Auto => "auto".to_owned(),
            Refresh::Off => "off".to_owned(),
            Refresh::Before(lead) => span(lead),
        };
        shown.push(("refresh", refresh));
        shown.extend(s.features.clone().map(|pointer| ("features", pointer)));
        shown
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entry(&"name", &self.name()).entries(self.shown_settings()).finish()
    }
}

/// The values of the single URL's variables, in the order in which they were allowed.
pub(super) fn variables<'k>(captures: &Captures<'_, 'k>, key: &'k [u8]) -> Vec<Variable<'k>> {
    captures.iter().map(|(_, bytes)| Variable::One(bytes)).chain([Variable::One(key)]).collect()
}

/// `ttl` shortened by up to `percent`, evenly: `random` is uniform over all of `u64`, 0 leaves it whole.
///
/// A life that is not zero stays at least 1 ms.
pub fn jittered(ttl: Duration, percent: u8, random: u64) -> Duration {
    let share = f64::from(percent.min(100)) / 100.0 * (random as f64 / u64::MAX as f64);
    let left = ttl.mul_f64(1.0 - share);
    if ttl.is_zero() { ttl } else { left.max(Duration::from_millis(1)) }
}

/// Why settings are not a loader.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DefinitionError {
    /// The name.
    #[error("loader name: `{given}` is not of [A-Za-z0-9_.-]{{1,64}}")]
    Name {
        /// As given.
        given: String,
    },
    /// `MATCH`.
    #[error("MATCH: {0}")]
    Pattern(PatternError),
    /// A capture with the name of a variable of our own.
    #[error("MATCH: a capture cannot be called `{name}`, which has a meaning of its own in URL templates")]
    ReservedCapture {
        /// The capture's name.
        name: String,
    },
    /// `URL` or `BATCHURL`.
    #[error("{option}: {error}")]
    Url {
        /// Which.
        option: &'static str,
        /// What is wrong.
        error: EndpointError,
    },
    /// A value outside its range.
    #[error("{option}: {given} is out of range, {allowed} is allowed")]
    Range {
        /// Which option.
        option: &'static str,
        /// What it was.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// An option that needs another one.
    #[error("{option} needs {needs}")]
    Needs {
        /// Which option.
        option: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A header that cannot be sent.
    #[error("HEADER: {problem}")]
    Header {
        /// What is wrong, without the value.
        problem: String,
    },
    /// `BODY`, `BATCHID` or `FEATURES`.
    #[error("{option}: {error}")]
    Pointer {
        /// Which.
        option: &'static str,
        /// What is wrong.
        error: PointerError,
    },
}

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// A digest of every setting that decides what an origin's answer becomes. It lives only as long as the process.
fn shape(s: &Settings) -> u64 {
    let form = (s.kind as u8, s.compress as u8, &s.body, &s.features, &s.headers);
    foldhash::quality::FixedState::default().hash_one((&s.name, &s.pattern, s.url.reveal(), form))
}

fn word(chosen: bool, yes: &str, no: &str) -> String {
    if chosen { yes.to_owned() } else { no.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> Settings {
        Settings::new("articles", b"content:{id}", "http://origin:8080/content/{id}")
    }

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        Definition::new(settings).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_option_value_and_what_is_allowed() {
        assert_eq!(refused(|s| s.name = "a b".into()), "loader name: `a b` is not of [A-Za-z0-9_.-]{1,64}");
        assert_eq!(refused(|s| s.retries = 11), "RETRIES: 11 is out of range, 0 to 10 is allowed");
        assert_eq!(refused(|s| s.max_bytes = 0), "MAXBYTES: 0 is out of range, 1 to 512mb is allowed");
        assert!(refused(|s| s.rate = f64::NAN).starts_with("RATE: NaN is out of range"));
        assert!(refused(|s| s.ttl = Duration::ZERO).starts_with("TTL: 0ms"));
        assert!(refused(|s| s.timeout = Duration::ZERO).starts_with("TIMEOUT: 0ms"));
        assert!(refused(|s| s.concurrency = 0).starts_with("CONCURRENCY: 0"));
        assert!(refused(|s| s.jitter_percent = 101).starts_with("JITTER: 101"));
        assert!(refused(|s| s.cost = -1.0).starts_with("COST: -1"));
        assert!(refused(|s| s.pattern = b"a{".to_vec()).starts_with("MATCH: unbalanced"));
        assert!(refused(|s| s.pattern = b"a:{key}".to_vec()).contains("`key`"));
        assert!(refused(|s| s.url = Secret::plain("postgres://h/d")).contains("supported are http and https"));
        let unknown = refused(|s| s.url = Secret::plain("http://h/{slug}"));
        assert_eq!(unknown, "URL: unknown variable `slug`; known are {id}, {key}");
        assert!(refused(|s| s.body = Some("a".into())).starts_with("BODY: not a JSON pointer"));
        assert!(refused(|s| s.batch_id = Some("~".into())).starts_with("BATCHID: not a JSON pointer"));
    }

    #[test]
    fn options_that_need_each_other() {
        assert_eq!(refused(|s| s.batch = 2), "BATCH needs BATCHURL with {ids}");
        let batch = |s: &mut Settings, url: &str| {
            s.batch = 2;
            s.batch_url = Some(Secret::plain(url));
        };
        assert_eq!(refused(|s| batch(s, "http://h/")), "BATCHURL needs the variable {ids}");
        assert!(refused(|s| batch(s, "http://h/{id}")).contains("known are {ids}"));
        let ndjson = refused(|s| {
            batch(s, "http://h/{ids}");
            s.batch_format = BatchFormat::Ndjson;
        });
        assert_eq!(ndjson, "BATCHFORMAT ndjson needs BATCHID");
        let nameless = refused(|s| {
            batch(s, "http://h/{ids}");
            s.pattern = b"content:*".to_vec();
            s.url = Secret::plain("http://h/{key}");
        });
        assert!(nameless.starts_with("BATCH needs a named capture"));
        let hash = refused(|s| {
            s.kind = Kind::Hash;
            s.compress = Compression::Zstd;
        });
        assert_eq!(hash, "COMPRESS needs TYPE string");
    }

    #[test]
    fn headers_are_checked_without_telling_their_values() {
        let header = |name: &str, value: &str| refused(|s| s.headers = vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(header("a b", "x"), "HEADER: `a b` is not a header name");
        assert!(!header("x-token", "s3cret\r\nx: y").contains("s3cret"));
        assert!(header("If-None-Match", "x").contains("set by the loader itself"));
    }

    #[test]
    fn nothing_that_is_shown_holds_a_secret() {
        let mut settings = settings();
        settings.url = Secret::masked("http://u:pa55@h/t0ken/{id}".into(), "http://u:pa55@h/***/{id}".into());
        settings.batch_url = Some(Secret::plain("http://u:pa55@h/{ids}"));
        settings.headers = vec![("Authorization".into(), "Bearer t0ken".into())];
        let definition = Definition::new(settings).unwrap();
        let shown = definition.shown_settings();
        let debug = format!("{definition:?} {shown:?}");
        assert!(!debug.contains("pa55") && !debug.contains("t0ken"), "{debug}");
        assert!(shown.contains(&("url", "http://u:***@h/***/{id}".into())));
        assert!(shown.contains(&("header", "Authorization: ***".into())));
        assert!(shown.contains(&("ttl", "1h".into())) && shown.contains(&("negative", "30s".into())));
    }

    #[test]
    fn a_later_definition_is_known_as_later() {
        let (a, b) = (Definition::new(settings()).unwrap(), Definition::new(settings()).unwrap());
        assert!(b.generation() > a.generation());
        assert_eq!(a.shape(), b.shape());
        let mut other = settings();
        other.body = Some("/x".into());
        assert_ne!(Definition::new(other).unwrap().shape(), a.shape());
    }

    proptest! {
        #[test]
        fn jitter_only_shortens_and_within_its_share(ms in 1_u64..1_000_000_000, percent in 0_u8..=100, random in any::<u64>()) {
            let ttl = Duration::from_millis(ms);
            let life = jittered(ttl, percent, random);
            prop_assert!(life <= ttl && !life.is_zero());
            prop_assert!(life.as_secs_f64() >= ttl.as_secs_f64() * (1.0 - f64::from(percent) / 100.0) - 1e-6);
            prop_assert_eq!(jittered(ttl, percent, 0), ttl);
        }
    }
}
