//! What is served: documents that follow from the seed, rendered once at the start, so that serving one is a copy of a
//! reference. Only a touch changes a document.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::SystemTime;

use axum::body::Bytes;

use crate::settings::Settings;

/// All documents.
pub(crate) struct Catalogue {
    seed: u64,
    documents: u32,
    size: usize,
    scope: Scope,
    rendered: Mutex<Vec<Bytes>>,
    touched: Mutex<HashMap<String, Version>>,
    prose: String,
}

/// Which ids exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Catalogue,
    Anything,
}

/// Which edition of a document, and since when.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) number: u32,
    /// Seconds of Unix time; HTTP dates have no finer grain.
    pub(crate) modified: u64,
}

impl Version {
    const FIRST: Version = Version { number: 1, modified: EPOCH_OF_CATALOGUE };
}

impl Catalogue {
    /// Renders every document. Costs about 1 µs and the document's size each.
    ///
    /// # Errors
    /// If the documents together would take more than 2 GiB.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let size = settings.body_bytes as usize;
        let total = u64::from(settings.documents) * u64::from(settings.body_bytes);
        if total > MAX_TOTAL_BYTES {
            return Err(format!("{total} bytes of documents are more than the {MAX_TOTAL_BYTES} that are allowed"));
        }
        let mut catalogue = Catalogue {
            seed: settings.seed,
            documents: settings.documents,
            size,
            scope: if settings.any_id { Scope::Anything } else { Scope::Catalogue },
            rendered: Mutex::new(Vec::new()),
            touched: Mutex::new(HashMap::new()),
            prose: prose(settings.seed, size),
        };
        let rendered = (1..=settings.documents).map(|id| catalogue.render(&id.to_string(), 1)).collect();
        catalogue.rendered = Mutex::new(rendered);
        Ok(catalogue)
    }

    /// Whether a document of this id exists.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.number(id).is_some() || (self.scope == Scope::Anything && !id.is_empty() && id.len() <= MAX_ID_BYTES)
    }

    /// The document as JSON, if it exists.
    pub(crate) fn document(&self, id: &str) -> Option<Bytes> {
        match self.number(id) {
            Some(number) => self.rendered.lock().ok()?.get(number as usize - 1).cloned(),
            None => self.contains(id).then(|| self.render(id, self.version(id).number)),
        }
    }

    /// Exactly `--body-bytes` bytes of text, if the document exists.
    pub(crate) fn raw(&self, id: &str) -> Option<Bytes> {
        self.contains(id).then(|| {
            let mut text = format!("{id} version {}: ", self.version(id).number).into_bytes();
            text.truncate(self.size);
            let start = self.start_of_prose(id);
            text.extend_from_slice(&self.prose.as_bytes()[start..start + self.size - text.len()]);
            Bytes::from(text)
        })
    }

    /// The entity tag of an edition: another for every seed and size too, as an origin may be restarted with others.
    pub(crate) fn entity_tag(&self, version: Version) -> String {
        format!("\"{:x}-{:x}-{}\"", self.seed, self.size, version.number)
    }

    /// The edition of a document that exists.
    pub(crate) fn version(&self, id: &str) -> Version {
        let touched = self.touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        touched.get(id).copied().unwrap_or(Version::FIRST)
    }

    /// Gives the document its next version; returns the version's number, or nothing if there is no such document or
    /// too many others were touched already.
    pub(crate) fn touch(&self, id: &str) -> Option<u32> {
        if !self.contains(id) {
            return None;
        }
        let number = {
            let mut touched = self.touched.lock().ok()?;
            if touched.len() >= MAX_TOUCHED && !touched.contains_key(id) {
                return None;
            }
            let version = touched.entry(id.to_owned()).or_insert(Version::FIRST);
            version.number = version.number.saturating_add(1);
            version.modified = SystemTime::UNIX_EPOCH.elapsed().map_or(EPOCH_OF_CATALOGUE, |span| span.as_secs());
            version.number
        };
        if let Some(index) = self.number(id) {
            self.rendered.lock().ok()?[index as usize - 1] = self.render(id, number);
        }
        Some(number)
    }

    /// The document's number if it belongs to the generated catalogue. Only the plain spelling counts: `07` is not `7`.
    fn number(&self, id: &str) -> Option<u32> {
        let plain = id.len() <= 7 && !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit());
        id.parse().ok().filter(|&number| plain && (1..=self.documents).contains(&number))
    }

    fn render(&self, id: &str, version: u32) -> Bytes {
        let mut random = self.randomness(id);
        let mut pick = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let name = serde_json::Value::from(id);
        let mut text = String::with_capacity(self.size + 64);
        // Writing into a string cannot fail.
        let _ = write!(text, r#"{{"id":{name},"version":{version},"title":"Document "#);
        let _ = write!(text, "{} of section {}\",\"related\":[", pick(100_000), SECTIONS[pick(6) as usize]);
        for nth in 0..5 {
            let _ = write!(text, r#"{}"{}""#, if nth == 0 { "" } else { "," }, 1 + pick(u64::from(self.documents)));
        }
        text.push_str(r#"],"features":{"#);
        for (nth, feature) in FEATURES.iter().enumerate() {
            let _ = write!(text, r#"{}"{feature}":{}.{:02}"#, if nth == 0 { "" } else { "," }, pick(10), pick(100));
        }
        text.push_str(r#"},"body":""#);
        let room = self.size.saturating_sub(text.len() + 2);
        let start = self.start_of_prose(id);
        text.push_str(&self.prose[start..start + room]);
        text.push_str("\"}");
        Bytes::from(text)
    }

    fn start_of_prose(&self, id: &str) -> usize {
        self.randomness(id) as usize % PROSE_SPREAD
    }

    fn randomness(&self, id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, id).hash(&mut hasher);
        hasher.finish()
    }
}

/// Words in a row, long enough for a body of `size` bytes from any start below [`PROSE_SPREAD`]. ASCII without quotes:
/// it may be cut anywhere and needs no escaping.
fn prose(seed: u64, size: usize) -> String {
    let mut random = seed | 1;
    let mut text = String::with_capacity(size + PROSE_SPREAD + 16);
    while text.len() < size + PROSE_SPREAD {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(random >> 33) as usize % WORDS.len()]);
        text.push(' ');
    }
    text
}

/// 2026-01-01T00:00:00Z in seconds of Unix time: when every document was written.
const EPOCH_OF_CATALOGUE: u64 = 1_767_225_600;
const MAX_TOTAL_BYTES: u64 = 2 << 30;
const MAX_ID_BYTES: usize = 256;
const MAX_TOUCHED: usize = 100_000;
const PROSE_SPREAD: usize = 4096;
const SECTIONS: [&str; 6] = ["politics", "culture", "economy", "science", "sports", "travel"];
const FEATURES: [&str; 6] = ["age_hours", "images", "length", "section_rank", "author_rank", "breaking"];
const WORDS: [&str; 16] = [
    "the", "cache", "was", "cold", "before", "morning", "and", "every", "reader", "waited", "until", "someone",
    "warmed", "it", "gently", "again",
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn catalogue(flags: &[&str]) -> Catalogue {
        Catalogue::new(&Settings::parse_from([&["origin", "--documents", "50"], flags].concat())).unwrap()
    }

    fn json(catalogue: &Catalogue, id: &str) -> serde_json::Value {
        serde_json::from_slice(&catalogue.document(id).unwrap()).unwrap()
    }

    #[test]
    fn a_document_follows_from_the_seed() {
        let (one, same, other) = (catalogue(&[]), catalogue(&[]), catalogue(&["--seed", "2"]));
        assert_eq!(one.document("7"), same.document("7"));
        assert_ne!(one.document("7"), other.document("7"));
        assert_ne!(one.document("7"), one.document("8"));
    }

    #[test]
    fn documents_have_their_parts_and_their_size() {
        let catalogue = catalogue(&[]);
        assert_eq!(catalogue.document("50").unwrap().len(), 1024);
        let document = json(&catalogue, "50");
        assert_eq!(document["id"], "50");
        assert_eq!(document["related"].as_array().unwrap().len(), 5);
        assert!(document["features"]["images"].is_number());
        assert_eq!(catalogue.raw("50").unwrap().len(), 1024);
    }

    #[test]
    fn only_the_catalogue_exists_unless_any_id_does() {
        let strict = catalogue(&[]);
        for unknown in ["0", "51", "07", "+7", "x", ""] {
            assert_eq!(strict.document(unknown), None, "{unknown:?}");
        }
        let open = catalogue(&["--any-id"]);
        assert_eq!(json(&open, "a \"quoted\" id")["id"], "a \"quoted\" id");
        assert_eq!(open.document(&"x".repeat(257)), None);
    }

    #[test]
    fn a_touch_changes_the_document_and_its_version() {
        let catalogue = catalogue(&["--any-id"]);
        for id in ["7", "elsewhere"] {
            let before = catalogue.document(id);
            assert_eq!(catalogue.touch(id), Some(2));
            assert_eq!(json(&catalogue, id)["version"], 2);
            assert_ne!(catalogue.document(id), before);
            assert!(catalogue.version(id).modified > EPOCH_OF_CATALOGUE);
        }
    }

    #[test]
    fn tiny_and_large_bodies_are_exact_in_raw() {
        for size in ["1", "400", "65536"] {
            let catalogue = catalogue(&["--body-bytes", size]);
            assert_eq!(catalogue.raw("1").unwrap().len().to_string(), size);
            assert!(json(&catalogue, "1")["body"].is_string());
        }
    }

    #[test]
    fn too_much_is_refused() {
        let settings = Settings::parse_from(["origin", "--documents", "1000000", "--body-bytes", "1048576"]);
        assert!(Catalogue::new(&settings).is_err());
    }
}
