//! Counters, as `GET /stats` shows them.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows. Counters are independent of each other, so any order of memory will do.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened since the start. `/stats` and `/touch` do not count as requests.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) content: Counter,
    pub(crate) raw: Counter,
    pub(crate) batch: Counter,
    pub(crate) batch_array: Counter,
    pub(crate) batch_ndjson: Counter,
    /// Documents in answers with a body.
    pub(crate) documents: Counter,
    pub(crate) not_modified: Counter,
    pub(crate) not_found: Counter,
    pub(crate) errors: Counter,
    pub(crate) hangs: Counter,
}

impl Stats {
    /// All counters as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let paths = [
            ("/content", &self.content),
            ("/raw", &self.raw),
            ("/batch", &self.batch),
            ("/batch-array", &self.batch_array),
            ("/batch-ndjson", &self.batch_ndjson),
        ];
        serde_json::json!({
            "requests": paths.iter().map(|(_, counter)| counter.value()).sum::<u64>(),
            "documents": self.documents.value(),
            "not_modified": self.not_modified.value(),
            "not_found": self.not_found.value(),
            "errors": self.errors.value(),
            "hangs": self.hangs.value(),
            "paths": paths.iter().map(|(path, counter)| ((*path).to_owned(), counter.value().into()))
                .collect::<serde_json::Map<_, _>>(),
        })
    }
}
