//! Answers from the loader, live ones apart from warm ones: a client waits for a live one, so it is written in the very
//! next turn, while warm ones wait for the slice that the pace allows.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::loader::definition::Definition;
use crate::loader::fetch::{Answer, Item, Outcome, Urgency};

/// The main thread's end. Bounded by the fetches that may be under way.
#[derive(Debug)]
pub struct Incoming {
    live: Line,
    warm: Line,
}

/// The loader's end.
#[derive(Clone, Debug)]
pub struct Outbox {
    live: Sender<Answer>,
    warm: Sender<Answer>,
}

/// One result of an answer.
#[derive(Debug)]
pub struct Arrival {
    /// The number of the fetch.
    pub fetch: u64,
    /// The result's place among the fetch's items.
    pub place: usize,
    /// Whose origin.
    pub loader: Arc<Definition>,
    /// Requests made.
    pub attempts: u32,
    /// The item.
    pub item: Item,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether this was the answer's last.
    pub last: Last,
}

/// Whether an answer has more results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// It has.
    More,
    /// This was the last: the fetch is over.
    Last,
}

#[derive(Debug)]
struct Line {
    answers: Receiver<Answer>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    fetch: u64,
    place: usize,
    loader: Arc<Definition>,
    attempts: u32,
    results: std::vec::IntoIter<(Item, Outcome)>,
}

/// Both ends, with room for `most` answers of each kind.
pub fn line(most: usize) -> (Outbox, Incoming) {
    let ((live, live_answers), (warm, warm_answers)) = (bounded(most), bounded(most));
    let line = |answers| Line { answers, current: None };
    (Outbox { live, warm }, Incoming { live: line(live_answers), warm: line(warm_answers) })
}

/// The number of the fetch after `last`: odd ones are live.
pub fn number_after(last: u64, urgency: Urgency) -> u64 {
    (last | 1) + if urgency == Urgency::Live { 2 } else { 1 }
}

impl Outbox {
    /// Delivers an answer, and says who waits for it; `None` if nobody is there any more. There is room: at most as many
    /// fetches are under way.
    pub fn send(&self, answer: Answer) -> Option<Urgency> {
        let (line, urgency) =
            if answer.id % 2 == 1 { (&self.live, Urgency::Live) } else { (&self.warm, Urgency::Warm) };
        line.send(answer).is_ok().then_some(urgency)
    }
}

impl Incoming {
    /// Whether a live answer is there.
    pub fn has_live(&self) -> bool {
        self.live.current.is_some() || !self.live.answers.is_empty()
    }

    /// The next result of a live answer.
    pub fn next_live(&mut self) -> Option<Arrival> {
        self.live.next()
    }

    /// The next result of a warm answer.
    pub fn next_warm(&mut self) -> Option<Arrival> {
        self.warm.next()
    }
}

impl Line {
    fn next(&mut self) -> Option<Arrival> {
        loop {
            if self.current.is_none() {
                let Answer { id, loader, results, attempts, .. } = self.answers.try_recv().ok()?;
                self.current = Some(Current { fetch: id, place: 0, loader, attempts, results: results.into_iter() });
            }
            let current = self.current.as_mut()?;
            let Some((item, outcome)) = current.results.next() else {
                self.current = None;
                continue;
            };
            let (fetch, place, attempts) = (current.fetch, current.place, current.attempts);
            let loader = Arc::clone(&current.loader);
            current.place += 1;
            let last = if current.results.len() == 0 { Last::Last } else { Last::More };
            return Some(Arrival { fetch, place, loader, attempts, item, outcome, last });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_numbers_are_odd_and_all_numbers_rise() {
        let mut last = 0;
        for urgency in [Urgency::Live, Urgency::Live, Urgency::Warm, Urgency::Warm, Urgency::Live] {
            let next = number_after(last, urgency);
            assert!(next > last);
            assert_eq!(next % 2 == 1, urgency == Urgency::Live);
            last = next;
        }
    }
}
