//! The loader against an origin that does as it is told, over real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails in a helper fails the test")]

mod batches;
mod endings;
mod failures;
mod limits;
mod origin;
mod pacing;
mod requests;
mod tls;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use redis_warm::engine::key::{Db, Key};
use redis_warm::loader::definition::Definition;
use redis_warm::loader::fetch::{Answer, Failure, FailureKind, Fetch, Item, Outcome, Stored, Urgency, Value};
use redis_warm::loader::probe::ProbeReport;
use redis_warm::loader::runtime::{Limits, Runtime};
use redis_warm::loader::settings::Settings;

use origin::Origin;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A runtime and the answers it gives.
struct Loading {
    runtime: Runtime,
    answers: Receiver<Answer>,
}

impl Loading {
    fn start() -> Self {
        Self::within(Limits::default())
    }

    fn within(limits: Limits) -> Self {
        let (sender, answers) = channel();
        let listener = Arc::new(move |answer| drop(sender.send(answer)));
        Loading { runtime: Runtime::start(limits, listener).unwrap(), answers }
    }

    /// Submits a fetch and returns without waiting.
    fn submit(&self, id: u64, loader: &Arc<Definition>, keys: &[&str], urgency: Urgency) {
        assert!(self.runtime.submit(vec![fetch(id, loader, keys, urgency)]).is_ok());
    }

    fn answer(&self) -> Answer {
        self.answers.recv_timeout(DEADLINE).expect("an answer within the deadline")
    }

    /// `count` answers by their ids.
    fn gather(&self, count: usize) -> HashMap<u64, Answer> {
        (0..count).map(|_| self.answer()).map(|answer| (answer.id, answer)).collect()
    }

    /// A live fetch of `keys`, to its end.
    fn load(&self, loader: &Arc<Definition>, keys: &[&str]) -> Answer {
        self.submit(1, loader, keys, Urgency::Live);
        self.answer()
    }

    /// Waits until every fetch has been answered.
    fn until_idle(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.runtime.open() > 0 {
            assert!(Instant::now() < deadline, "a fetch stays open");
            std::thread::yield_now();
        }
    }

    /// The outcome of one key.
    fn one(&self, loader: &Arc<Definition>, key: &str) -> Outcome {
        only(self.load(loader, &[key]))
    }

    /// What failed.
    fn failure(&self, loader: &Arc<Definition>, key: &str) -> Failure {
        failed(self.one(loader, key))
    }

    fn probe(&self, loader: &Arc<Definition>, key: &str) -> ProbeReport {
        let (sender, report) = channel();
        let key = Key::new(Db(0), key.as_bytes());
        self.runtime.probe(Arc::clone(loader), key, Box::new(move |report| sender.send(report).unwrap()));
        report.recv_timeout(DEADLINE).unwrap()
    }
}

fn fetch(id: u64, loader: &Arc<Definition>, keys: &[&str], urgency: Urgency) -> Fetch {
    let items = keys.iter().map(|key| Item { key: Key::new(Db(0), key.as_bytes()), held: None }).collect();
    Fetch { id, loader: Arc::clone(loader), items, urgency }
}

/// A loader of `item:{id}` from `origin`, changed by `change`.
fn loader(origin: &Origin, change: impl FnOnce(&mut Settings)) -> Arc<Definition> {
    define(&origin.url("/{id}"), change)
}

fn define(url: &str, change: impl FnOnce(&mut Settings)) -> Arc<Definition> {
    let mut settings = Settings::new("items", b"item:{id}", url);
    change(&mut settings);
    Arc::new(Definition::new(settings).unwrap())
}

fn only(mut answer: Answer) -> Outcome {
    assert_eq!(answer.results.len(), 1);
    answer.results.remove(0).1
}

fn value(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Loaded(value) => value,
        other => panic!("not a value: {other:?}"),
    }
}

fn plain(outcome: Outcome) -> String {
    String::from_utf8(value(outcome).plain.to_vec()).unwrap()
}

fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}
