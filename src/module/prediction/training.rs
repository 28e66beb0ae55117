//! The thread that learns: models are trained, and rows that callers send are read, beside everything else.
//!
//! Its work comes through a channel of [`WORK`] places from the engine's thread, which never waits: while the channel is
//! full a caller is told so, and a lesson that is due is given later. What it has to say goes to the engine's thread as any
//! message does. A panic is noted; a lesson that ends so is given again when the next is due. The thread ends when its
//! channel is closed; whoever ends it may wait for the lesson under way, up to about two seconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::rows;
use crate::engine::foresight::lessons::{Learned, Lesson, Row};
use crate::module::api::blocked::BlockedClient;
use crate::module::reply::Refusal;
use crate::module::{clock, entry, threads};

/// Work that may wait: one lesson, and a few callers' rows of at most [`rows::MOST_BYTES`] each.
const WORK: usize = 4;

/// What is to be done.
#[derive(Debug)]
enum Work {
    /// To learn; the number comes back.
    Lesson(u64, Box<Lesson>),
    /// To read a caller's rows.
    Rows(Vec<u8>, BlockedClient),
}

/// What was done.
#[derive(Debug)]
pub enum Report {
    /// A lesson of this number was learned in so much time.
    Learned(u64, Box<Learned>, Duration),
    /// A lesson of this number came to nothing.
    Failed(u64),
    /// Rows were read, or are none.
    Rows(Result<Vec<Row>, Refusal>, BlockedClient),
}

/// The engine thread's end.
#[derive(Debug)]
pub struct Trainer {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Trainer {
    /// Starts the thread; `report` is called on it and may wait for room.
    pub fn start(report: impl Fn(Report) + Send + 'static) -> std::io::Result<Self> {
        let (work, inbox) = bounded(WORK);
        let thread = thread::Builder::new().name("warm-trainer".to_owned()).spawn(move || {
            threads::step_far_back();
            learn(&inbox, &report);
        })?;
        Ok(Trainer { work: Some(work), thread: Some(thread) })
    }

    /// Whether there is room for work. Only this end adds any.
    pub fn has_room(&self) -> bool {
        self.work.as_ref().is_some_and(|work| !work.is_full())
    }

    /// Hands over a lesson; whether there was room.
    pub fn teach(&self, number: u64, lesson: Lesson) -> bool {
        self.work.as_ref().is_some_and(|work| work.try_send(Work::Lesson(number, Box::new(lesson))).is_ok())
    }

    /// Hands over a caller's rows; gives the caller back if there is no room.
    pub fn read(&self, json: Vec<u8>, client: BlockedClient) -> Result<(), BlockedClient> {
        let Some(work) = &self.work else { return Err(client) };
        match work.try_send(Work::Rows(json, client)).map_err(crossbeam_channel::TrySendError::into_inner) {
            Err(Work::Rows(_, client)) => Err(client),
            _ => Ok(()),
        }
    }

    /// Ends the thread and waits for it. Nobody may keep it waiting for room in what `report` writes to.
    pub fn stop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was noted where it was caught; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn learn(inbox: &Receiver<Work>, report: &impl Fn(Report)) {
    for work in inbox {
        match work {
            Work::Lesson(number, lesson) => {
                let began = clock::mono();
                let learned = catch_unwind(AssertUnwindSafe(|| lesson.learn()));
                report(match learned {
                    Ok(learned) => Report::Learned(number, Box::new(learned), clock::mono().since(began)),
                    Err(_) => {
                        entry::note_panic("the training thread");
                        Report::Failed(number)
                    }
                });
            }
            Work::Rows(json, client) => {
                let read = catch_unwind(|| rows::read(&json)).unwrap_or_else(|_| {
                    entry::note_panic("the training thread");
                    Err(Refusal::internal())
                });
                report(Report::Rows(read, client));
            }
        }
    }
}
