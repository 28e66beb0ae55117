//! The thread that owns the engine: what the main thread tells and asks it, and what it wants done.
//!
//! Bounded channels. *Messages* come from the main thread, which never waits: when the channel is full a client is
//! told QUEUEFULL, and settlements stay with the main thread for the next slice. What was *seen* comes through a ring of its own
//! ([`watch`](super::watch)), which is emptied before a message is handled. *Directives* go to the main thread; they
//! are bounded by the orders that may be outstanding. The thread sleeps until a message comes or the engine wants to be
//! asked again.
//!
//! Prediction's part, and the thread that learns, are in [`prediction`]; what messages come to is in `desk`.
//!
//! A panic is noted, and the engine is built anew: its jobs are lost, orders still under way settle as unknown, and
//! clients that wait for a job are told so.

mod desk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::answers;
use super::api::blocked::BlockedClient;
use super::describing::Description;
use super::expansion::members::{Listed, Listing};
use super::prediction::snapshot::Snapshot;
use super::prediction::training::{Report, Trainer};
use super::prediction::{self, Foretelling, Hinted};
use super::pulse::Waker;
use super::reply::{Refusal, Reply};
use super::watch::ring::Reader;
use super::watch::tally::Tally;
use super::{clock, entry, threads};
use crate::engine::foresight::supply::Supply;
use crate::engine::jobs::JobFilter;
use crate::engine::key::Key;
use crate::engine::orders::{Order, Step};
use crate::engine::outcome::Role;
use crate::engine::progress::Scope;
use crate::engine::request::{JobId, JobSpec, LoaderRules, Priority, Request};
use crate::engine::settings::Settings;
use crate::engine::settlement::{OrderId, Settlement};
use crate::engine::stats::Stats;
use crate::engine::time::Instant;
use desk::Desk;

/// Messages that may wait; each is at most one slice's work.
const MESSAGES: usize = 4096;

/// Directives that may wait; the engine's thread waits for room when the main thread is that far behind.
const DIRECTIVES: usize = 4096;

/// Lists of eviction hints that may wait; further ones are not asked for until the main thread took one.
const HINTS: usize = 1;

/// The longest sleep: figures are published at least this often.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Clients that may wait for jobs at one time. One that leaves keeps its place until its wait or the job ends.
const MOST_WAITING: usize = 10_000;

/// Messages handled before orders are asked for again.
const MESSAGES_A_ROUND: usize = 64;

/// Orders sent before messages are looked at again.
const ORDERS_A_ROUND: usize = 64;

/// What the main thread tells the engine.
#[derive(Debug)]
pub enum Message {
    /// A job begins.
    Open(JobId, JobSpec),
    /// Keys for a job.
    Enqueue(JobId, Vec<Request>),
    /// One key that a client asked for where it could not wait.
    Want(Request, Priority),
    /// No more keys come for a job.
    Seal(JobId, Option<Sealed>),
    /// What became of keys.
    Settle(Vec<Settlement>),
    /// How the server is: the used share of `maxmemory`, if there is a limit, and its role.
    Vitals(Option<f64>, Role),
    /// What is defined, with the names to show.
    Loaders(Vec<(LoaderRules, Arc<str>)>),
    /// The same, for foresight.
    Supplies(Vec<Supply>),
    /// What is said of keys' content.
    Describe(Vec<Description>),
    /// Databases were emptied or swapped.
    Flushed(Scope),
    /// The directives changed.
    Configure(Box<Settings>),
    /// Warming stands still.
    Pause,
    /// Warming goes on.
    Resume,
    /// The ring of what was seen is half full.
    Drain,
    /// A client asks.
    Ask(Question, BlockedClient),
    /// A target asks for its keys.
    List(Listing, Sender<Listed>),
    /// The thread that learns has something to say.
    Trained(Report),
    /// The thread ends.
    Stop,
}

/// Who waits for a job's keys to be queued, and what the main thread counted of them.
#[derive(Debug)]
pub struct Sealed {
    /// The client of WARM.LOAD.
    pub client: BlockedClient,
    /// Keys that existed already.
    pub fresh: u64,
    /// Keys that no loader matches.
    pub no_loader: u64,
    /// Keys the caller may not write.
    pub denied: u64,
    /// Whether the client waits for the job's end, and until when.
    pub wait: Option<Instant>,
}

/// What clients ask of the engine.
#[derive(Debug)]
pub enum Question {
    /// WARM.JOB STATUS.
    Job(JobId),
    /// WARM.JOB LIST: which, and how many at most.
    Jobs(JobFilter, usize),
    /// WARM.JOB WAIT.
    Wait(JobId, Instant),
    /// WARM.JOB CANCEL.
    Cancel(JobId),
    /// WARM.PROGRESS.
    Progress(Key),
    /// WARM.QUEUE.
    Queue(usize),
    /// What is expected, and the models.
    Foretell(prediction::Question),
}

/// The engine's end of what the main thread sees.
#[derive(Debug)]
pub struct Watched {
    /// What was seen.
    pub reader: Reader,
    /// Counts it.
    pub tally: Arc<Tally>,
}

/// What the engine wants the main thread to do. Two channels, since what is given up must be known before more is written.
#[derive(Debug)]
pub struct Directives {
    /// Load these keys.
    pub orders: Receiver<Order>,
    /// These orders no longer want these keys: drop what is under way unless somebody else wants it.
    pub abandoned: Receiver<Vec<(OrderId, Key)>>,
    /// Let the server know how hot these keys are.
    pub hints: Receiver<Vec<(Key, u8)>>,
}

/// The main thread's end.
#[derive(Debug)]
pub struct EngineHandle {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    foretold: Arc<ArcSwap<Snapshot>>,
}

/// Starts the thread: its handle, the directives it will send, and the figures it publishes.
pub fn start(
    settings: Settings,
    waker: Waker,
    watched: Watched,
) -> std::io::Result<(EngineHandle, Directives, Arc<ArcSwap<Stats>>)> {
    let (messages, inbox) = bounded(MESSAGES);
    let (orders, order_inbox) = bounded(DIRECTIVES);
    let (abandoned, abandoned_inbox) = bounded(DIRECTIVES);
    let (hints, hint_inbox) = bounded(HINTS);
    let directives = Directives { orders: order_inbox, abandoned: abandoned_inbox, hints: hint_inbox };
    let desk = Desk::new(settings);
    let reports = messages.clone();
    // Without the engine's end there is nobody to tell.
    let trainer = Trainer::start(move |report| drop(reports.send(Message::Trained(report))))?;
    let (foretelling, foretold) = Foretelling::new(trainer, hints);
    let stats = Arc::new(ArcSwap::from_pointee(desk.engine.stats()));
    let published = Arc::clone(&stats);
    let thread = thread::Builder::new().name("warm-engine".to_owned()).spawn(move || {
        threads::step_back();
        let mut owner = Owner { inbox, orders, abandoned, waker, published, watched, foretelling, desk };
        while catch_unwind(AssertUnwindSafe(|| owner.run())).is_err() {
            entry::note_panic("the engine thread");
            owner.desk = owner.desk.rebuilt();
            owner.foretelling.engine_lost(clock::now());
        }
        // The inbox goes first: the thread that learns must not wait for room in it.
        let Owner { inbox, mut foretelling, .. } = owner;
        drop(inbox);
        foretelling.stop();
    })?;
    Ok((EngineHandle { messages, thread: Some(thread), foretold }, directives, stats))
}

impl EngineHandle {
    /// Sends a message; gives it back if there is no room.
    pub fn send(&self, message: Message) -> Result<(), Message> {
        self.messages.try_send(message).map_err(|refused| match refused {
            TrySendError::Full(message) | TrySendError::Disconnected(message) => message,
        })
    }

    /// What is expected of the tracked keys, as last written down.
    pub fn foretold(&self) -> Arc<Snapshot> {
        self.foretold.load_full()
    }

    /// Asks for a client; a client that cannot be heard is told so.
    pub fn ask(&self, question: Question, client: BlockedClient) {
        if let Err(Message::Ask(_, client)) = self.send(Message::Ask(question, client)) {
            client.answer(Refusal::ENGINE_BUSY.into());
        }
    }

    /// Ends the thread and waits for it. The directives' receiver must be gone, so that the thread cannot wait for room.
    pub fn stop(&mut self) {
        // A full channel is drained by the thread itself; waiting here is bounded by that.
        let _ = self.messages.send_timeout(Message::Stop, Duration::from_secs(5));
        if let Some(thread) = self.thread.take() {
            // A panic there was noted where it was caught; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

struct Owner {
    inbox: Receiver<Message>,
    orders: Sender<Order>,
    abandoned: Sender<Vec<(OrderId, Key)>>,
    waker: Waker,
    published: Arc<ArcSwap<Stats>>,
    /// Not the desk's: what was seen outlives a panic.
    watched: Watched,
    foretelling: Foretelling,
    desk: Desk,
}

impl Owner {
    fn run(&mut self) {
        loop {
            let now = clock::now();
            let mut sleep = LONGEST_SLEEP;
            let mut sent = 0;
            while sent < ORDERS_A_ROUND {
                match self.desk.engine.poll(now) {
                    Step::Order(order) => {
                        if self.orders.send(order).is_err() {
                            return;
                        }
                        sent += 1;
                    }
                    Step::WaitUntil(at) => {
                        sleep = sleep.min(at.since(now.mono));
                        break;
                    }
                    Step::Idle => break,
                }
            }
            if sent > 0 {
                self.waker.wake_paced();
            }
            if sent == ORDERS_A_ROUND {
                sleep = Duration::ZERO;
            }
            let (doze, hinted) = self.foretelling.turn(now, &mut self.desk.engine, &self.desk.settings);
            sleep = sleep.min(doze);
            if hinted == Hinted::Sent {
                self.waker.wake_paced();
            }
            self.desk.end_waits(now.mono);
            if let Some(first) = self.desk.waiting.iter().map(|(_, until, _)| *until).min() {
                sleep = sleep.min(first.since(now.mono));
            }
            if !self.hear(sleep) {
                return;
            }
        }
    }

    /// Handles what came, waiting for the first at most `sleep`; false if the thread is to end.
    fn hear(&mut self, sleep: Duration) -> bool {
        let first = match self.inbox.try_recv() {
            Ok(message) => Ok(message),
            Err(_) => {
                self.publish();
                self.inbox.recv_timeout(sleep)
            }
        };
        // Before the message is heard: what was seen before it was sent comes first.
        self.see();
        let first = match first {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let mut next = Some(first);
        let mut handled = 0;
        while let Some(message) = next.take() {
            match message {
                Message::Stop => return false,
                Message::Ask(Question::Cancel(job), client) => self.cancel(job, client),
                Message::Ask(Question::Foretell(question), client) => {
                    self.foretelling.answer(clock::now(), &mut self.desk.engine, question, client);
                }
                Message::Trained(report) => self.foretelling.reported(clock::now(), &mut self.desk.engine, report),
                Message::List(listing, reply) => {
                    // Without anybody who waits the list is dropped.
                    let _ = reply.send(listing.answered(clock::now(), &self.desk.engine));
                    self.waker.wake_paced();
                }
                message => self.desk.handle(message),
            }
            handled += 1;
            if handled < MESSAGES_A_ROUND {
                next = self.inbox.try_recv().ok();
            }
        }
        let ended = self.desk.engine.ended_jobs();
        if !ended.is_empty() {
            self.publish();
            self.desk.end_jobs(&ended);
        }
        true
    }

    /// Takes in what the main thread saw; all of it happened now, as far as the engine is told.
    fn see(&mut self) {
        let now = clock::now();
        let (Watched { reader, tally }, engine) = (&mut self.watched, &mut self.desk.engine);
        reader.drain(|seen| {
            tally.count(&seen);
            engine.see(now, seen);
        });
    }

    fn cancel(&mut self, job: JobId, client: BlockedClient) {
        let now = clock::now();
        let reply = match self.desk.engine.cancel_job(now, job) {
            None if self.desk.engine.job(now, job).is_some() => Reply::Integer(0),
            None => answers::no_such_job(job),
            Some(cancelled) => {
                let dropped = Reply::count(cancelled.dropped);
                if !cancelled.abandon.is_empty() && self.abandoned.send(cancelled.abandon).is_ok() {
                    self.waker.wake();
                }
                dropped
            }
        };
        client.answer(reply);
    }

    fn publish(&self) {
        self.published.store(Arc::new(self.desk.engine.stats()));
    }
}
