//! A fetch that has been accepted: it gets one answer, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::fetch::{Answer, Fetch, Item, Outcome};

/// Where answers go.
pub(super) type Answers = Arc<dyn Fn(Answer) + Send + Sync>;

/// The count of open fetches, and who hears of their answers.
pub(super) struct Desk {
    answers: Answers,
    open: AtomicUsize,
    panics: AtomicU64,
}

impl Desk {
    /// A desk without open fetches.
    pub(super) fn new(answers: Answers) -> Arc<Self> {
        Arc::new(Desk { answers, open: AtomicUsize::new(0), panics: AtomicU64::new(0) })
    }

    /// A place for one more, if fewer than `most` are taken.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Option<Place> {
        let entered =
            self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < most).then_some(open + 1));
        entered.ok().map(|_| Place(Arc::clone(self)))
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Fetches that ended in a panic of ours.
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// One of the places for open fetches; dropping it makes room.
pub(super) struct Place(Arc<Desk>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        if std::thread::panicking() {
            self.0.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An accepted fetch. Dropping it unanswered answers [`Outcome::Cancelled`] for each of its items.
pub(super) struct Ticket {
    fetch: Option<(Fetch, Place)>,
    /// Tries so far, over all visits to the lane.
    pub(super) tries: u32,
    /// Requests so far.
    pub(super) requests: u32,
    /// When the first request was sent.
    pub(super) began: Option<Instant>,
}

impl Ticket {
    /// Accepts `fetch`.
    pub(super) fn new(fetch: Fetch, place: Place) -> Self {
        Ticket { fetch: Some((fetch, place)), tries: 0, requests: 0, began: None }
    }

    /// What is asked for; `None` once answered.
    pub(super) fn fetch(&self) -> Option<&Fetch> {
        self.fetch.as_ref().map(|(fetch, _)| fetch)
    }

    /// Answers with one outcome for each item, in order; items without an outcome are cancelled.
    pub(super) fn answer(mut self, outcomes: Vec<Outcome>) {
        self.settle(outcomes);
    }

    fn settle(&mut self, outcomes: Vec<Outcome>) {
        let Some((Fetch { id, loader, items, .. }, place)) = self.fetch.take() else { return };
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(|| Outcome::Cancelled));
        let results: Vec<(Item, Outcome)> = items.into_iter().zip(outcomes).collect();
        let latency = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        let answer = Answer { id, loader, results, latency, attempts: self.requests };
        // The listener is not ours. It may panic, and this may run while another panic unwinds: two would end the server.
        let heard = catch_unwind(AssertUnwindSafe(|| (place.0.answers)(answer)));
        if heard.is_err() {
            place.0.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.settle(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::definition::Definition;
    use super::super::fetch::Urgency;
    use super::super::settings::Settings;
    use super::*;
    use crate::engine::key::{Db, Key};

    fn fetch() -> Fetch {
        let loader = Arc::new(Definition::new(Settings::new("a", b"a:{id}", "http://h/{id}")).unwrap());
        let item = |name: &[u8]| Item { key: Key::new(Db(0), name), held: None };
        Fetch { id: 7, loader, items: vec![item(b"a:1"), item(b"a:2")], urgency: Urgency::Live }
    }

    fn desk() -> (Arc<Desk>, Arc<Mutex<Vec<Answer>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        (Desk::new(Arc::new(move |answer| listener.lock().unwrap().push(answer))), heard)
    }

    #[test]
    fn one_answer_and_the_place_is_free() {
        let (desk, heard) = desk();
        let ticket = Ticket::new(fetch(), desk.enter(1).unwrap());
        assert!(desk.enter(1).is_none());
        ticket.answer(vec![Outcome::Absent]);
        let heard = heard.lock().unwrap();
        assert_eq!((heard.len(), heard[0].id, desk.open()), (1, 7, 0));
        assert!(matches!(heard[0].results[..], [(_, Outcome::Absent), (_, Outcome::Cancelled)]));
    }

    #[test]
    fn a_panic_answers_cancelled_once_and_is_counted() {
        let (desk, heard) = desk();
        let ticket = Ticket::new(fetch(), desk.enter(1).unwrap());
        let ended = catch_unwind(AssertUnwindSafe(move || {
            let _held = ticket;
            panic!("a bug");
        }));
        assert!(ended.is_err());
        let heard = heard.lock().unwrap();
        assert_eq!((heard.len(), desk.open(), desk.panics()), (1, 0, 1));
        assert!(heard[0].results.iter().all(|(_, outcome)| matches!(outcome, Outcome::Cancelled)));
    }

    #[test]
    fn a_listener_that_panics_during_a_panic_harms_nobody() {
        let desk = Desk::new(Arc::new(|_| panic!("the listener")));
        let ticket = Ticket::new(fetch(), desk.enter(1).unwrap());
        let ended = catch_unwind(AssertUnwindSafe(move || {
            let _held = ticket;
            panic!("a bug");
        }));
        assert!(ended.is_err());
        assert_eq!((desk.open(), desk.panics()), (0, 2));
    }
}
