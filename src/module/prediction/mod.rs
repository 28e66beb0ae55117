//! What the engine's thread does about prediction beside the engine itself: it answers what clients ask, has models trained,
//! writes down what is expected for those who cannot wait, and passes eviction hints on.
//!
//! In reading order: [`Question`] and [`Foretelling`] (here), [`records`] (what answers look like), [`snapshot`] (what
//! can be read at once), [`training`] (the thread that learns), [`rows`] (what callers teach).

pub mod records;
pub mod rows;
pub mod snapshot;
pub mod training;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;

use super::api::blocked::BlockedClient;
use super::args::argument;
use super::reply::{Refusal, Reply};
use crate::engine::Engine;
use crate::engine::demand::Admission;
use crate::engine::foresight::forecast::ContentFeature;
use crate::engine::foresight::lessons::{Lesson, Occasion};
use crate::engine::foresight::mode::Mode;
use crate::engine::foresight::{Ask, Selection};
use crate::engine::key::Key;
use crate::engine::request::{Priority, Reason, Request};
use crate::engine::settings::Settings;
use crate::engine::time::{Instant, Now};
use records::Scores;
use snapshot::Snapshot;
use training::{Report, Trainer};

/// How often the engine is asked for a lesson that is due, and for eviction hints.
const ROUND: Duration = Duration::from_secs(1);

/// Clients that may wait for one training.
const MOST_STUDENTS: usize = 100;

/// What clients ask about prediction.
#[derive(Debug)]
pub enum Question {
    /// WARM.PREDICT: a key, how far ahead, what is said of its content.
    Predict(Key, Option<Duration>, Vec<ContentFeature>),
    /// WARM.ENQUEUE: what is wanted, whether it is there, its base priority, what is said of its content.
    Enqueue(Request, Warmth, Priority, Vec<ContentFeature>),
    /// WARM.TOP.
    Top(Selection, Scores),
    /// WARM.MODEL INFO, EVAL.
    Info,
    /// WARM.MODEL TRAIN.
    Train,
    /// WARM.MODEL TRAIN ROWS: the JSON text.
    Teach(Vec<u8>),
    /// WARM.MODEL EXPORT.
    Export,
    /// WARM.MODEL IMPORT: the blob.
    Import(Vec<u8>),
    /// WARM.MODEL RESET.
    Reset,
}

/// Whether a key is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warmth {
    /// It is: nothing need be fetched.
    Warm,
    /// It is not.
    Cold,
}

/// Prediction's part of the engine's thread. It outlives an engine that panicked.
#[derive(Debug)]
pub struct Foretelling {
    trainer: Trainer,
    /// Counts lessons; the one that is out, if one is.
    lessons: u64,
    out: Option<u64>,
    /// Who waits for the end of the lesson that is out, with what they taught.
    students: Vec<(BlockedClient, Option<Taught>)>,
    writer: snapshot::Writer,
    hints: Sender<Vec<(Key, u8)>>,
    next_round: Instant,
}

/// A caller's rows: how many there were, and how many of them were taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taught {
    /// Rows given.
    pub rows: usize,
    /// Of these: those that say something.
    pub taken: usize,
}

/// Whether the main thread has something to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hinted {
    /// Hints were sent.
    Sent,
    /// None were.
    Nothing,
}

impl Foretelling {
    /// With the thread that learns, and the way of hints to the main thread; where the snapshots are read.
    pub fn new(trainer: Trainer, hints: Sender<Vec<(Key, u8)>>) -> (Self, Arc<ArcSwap<Snapshot>>) {
        let (writer, published) = snapshot::Writer::new();
        let (lessons, out, students, next_round) = (0, None, Vec::new(), Instant::default());
        (Foretelling { trainer, lessons, out, students, writer, hints, next_round }, published)
    }

    /// What is to be done from time to time; how long the thread may sleep as far as this is concerned.
    pub fn turn(&mut self, now: Now, engine: &mut Engine, settings: &Settings) -> (Duration, Hinted) {
        let sleep = self.writer.turn(now, engine, settings.horizon);
        if now.mono < self.next_round {
            return (sleep, Hinted::Nothing);
        }
        self.next_round = now.mono.after(ROUND);
        if self.is_idle()
            && let Some(lesson) = engine.lesson(now, Occasion::Due)
        {
            self.begin(engine, lesson);
        }
        // Hints of the last round that nobody took are as good as new ones.
        if self.hints.is_full() {
            return (sleep, Hinted::Nothing);
        }
        let hints = engine.hints(now);
        let sent = !hints.is_empty() && self.hints.try_send(hints).is_ok();
        (sleep, if sent { Hinted::Sent } else { Hinted::Nothing })
    }

    /// Answers a client, or lets it wait.
    pub fn answer(&mut self, now: Now, engine: &mut Engine, question: Question, client: BlockedClient) {
        match question {
            Question::Predict(key, horizon, features) => {
                let ask = Ask { db: key.db(), name: key.name(), horizon, features: &features };
                client.answer(records::prediction(key.name(), &engine.predict(now, &ask)));
            }
            Question::Enqueue(request, warmth, base, features) => {
                client.answer(enqueue(now, engine, request, warmth, base, &features));
            }
            Question::Top(selection, scores) => client.answer(records::ranking(engine.top(now, &selection), scores)),
            Question::Info => client.answer(records::model(&engine.model_info())),
            Question::Train => self.train(now, engine, client),
            Question::Teach(json) => {
                if let Err(client) = self.trainer.read(json, client) {
                    client.answer(Refusal::QueueFull("other rows are being read").into());
                }
            }
            Question::Export => {
                // A blob of no models is of no use to anybody.
                let trained = engine.model_info().trained_at.is_some();
                client.answer(if trained { Reply::Bulk(engine.export_model().into()) } else { Reply::Null });
            }
            Question::Import(blob) => match engine.import_model(now, &blob) {
                Ok(()) => {
                    self.writer.restart();
                    client.answer(Reply::Ok);
                }
                Err(error) => client.answer(argument(format!("blob is not a model: {error}")).into()),
            },
            Question::Reset => {
                engine.reset_model();
                // What is being learned was learned from samples that are to be forgotten.
                self.forget_lesson(engine, "the model was reset");
                self.writer.restart();
                client.answer(Reply::Ok);
            }
        }
    }

    /// Takes in what the thread that learns has to say.
    pub fn reported(&mut self, now: Now, engine: &mut Engine, report: Report) {
        match report {
            Report::Learned(number, learned, took) if self.out == Some(number) => {
                self.out = None;
                let adoption = engine.learned(now, *learned, took);
                self.writer.restart();
                let info = engine.model_info();
                for (client, taught) in self.students.drain(..) {
                    client.answer(records::training(Some(adoption), taught, &info));
                }
            }
            Report::Failed(number) if self.out == Some(number) => {
                self.forget_lesson(engine, "the training failed, see the log");
            }
            // Of an engine that is gone, or of samples that were forgotten.
            Report::Learned(..) | Report::Failed(_) => {}
            Report::Rows(Ok(rows), client) => {
                let taught = Taught { rows: rows.len(), taken: engine.teach(now, &rows) };
                self.learn_what_was_taught(now, engine, taught, client);
            }
            Report::Rows(Err(refusal), client) => client.answer(refusal.into()),
        }
    }

    /// The engine was built anew: what it had handed out is nobody's.
    pub fn engine_lost(&mut self, now: Now) {
        self.out = None;
        self.writer.rest(now);
        self.next_round = now.mono.after(ROUND);
        let lost = Reply::from(argument("the training was lost in an internal error, see the log".to_owned()));
        self.students.drain(..).for_each(|(client, _)| client.answer(lost.clone()));
    }

    /// Ends the thread that learns; nobody may keep it waiting for room.
    pub fn stop(&mut self) {
        self.trainer.stop();
    }

    fn is_idle(&self) -> bool {
        self.out.is_none() && self.trainer.has_room()
    }

    fn begin(&mut self, engine: &mut Engine, lesson: Lesson) {
        self.lessons += 1;
        if self.trainer.teach(self.lessons, lesson) {
            self.out = Some(self.lessons);
        } else {
            engine.lesson_failed();
        }
    }

    fn train(&mut self, now: Now, engine: &mut Engine, client: BlockedClient) {
        if self.students.len() >= MOST_STUDENTS {
            return client.answer(Refusal::QueueFull("too many clients wait for a training").into());
        }
        if self.out.is_none() && !self.trainer.has_room() {
            return client.answer(Refusal::QueueFull("other rows are being read").into());
        }
        // One that is under way has the samples of a moment ago: its end is the answer.
        if self.out.is_none() {
            match engine.lesson(now, Occasion::Asked) {
                Some(lesson) => self.begin(engine, lesson),
                None => return client.answer(too_few(engine).into()),
            }
        }
        self.students.push((client, None));
    }

    /// Learns at once what a caller taught, unless a lesson is going on or there is too little: then with the next one.
    fn learn_what_was_taught(&mut self, now: Now, engine: &mut Engine, taught: Taught, client: BlockedClient) {
        if self.is_idle()
            && self.students.len() < MOST_STUDENTS
            && let Some(lesson) = engine.lesson(now, Occasion::Asked)
        {
            self.begin(engine, lesson);
            return self.students.push((client, Some(taught)));
        }
        client.answer(records::training(None, Some(taught), &engine.model_info()));
    }

    fn forget_lesson(&mut self, engine: &mut Engine, why: &str) {
        if self.out.take().is_some() {
            engine.lesson_failed();
        }
        let lost = Reply::from(argument(why.to_owned()));
        self.students.drain(..).for_each(|(client, _)| client.answer(lost.clone()));
    }
}

/// Queues a key as urgently as it is worth.
fn enqueue(
    now: Now,
    engine: &mut Engine,
    request: Request,
    warmth: Warmth,
    base: Priority,
    features: &[ContentFeature],
) -> Reply {
    if !features.is_empty() {
        engine.describe(now, &request.key, features);
    }
    let (db, name) = (request.key.db(), request.key.name());
    let prediction = engine.predict(now, &Ask { db, name, horizon: None, features });
    let priority = prediction.urgency(base);
    if warmth == Warmth::Warm {
        return records::enqueued(priority, &prediction, warmth);
    }
    match engine.want(now, request, priority, Reason::Request) {
        Admission::Rejected => Refusal::QueueFull("the queue of keys to warm is full").into(),
        Admission::Queued | Admission::Joined | Admission::Repeated => records::enqueued(priority, &prediction, warmth),
    }
}

fn too_few(engine: &Engine) -> Refusal {
    let stats = engine.stats().foresight;
    if stats.mode == Mode::Off {
        return argument("nothing is learned while warm.predict is off".to_owned());
    }
    let (samples, needed) = (engine.model_info().samples, Lesson::FEWEST_SAMPLES);
    argument(format!(
        "there are too few samples to learn from: {samples} were gathered, {needed} are needed; they come from keys that are \
         asked for over several horizons (warm.horizon)"
    ))
}
