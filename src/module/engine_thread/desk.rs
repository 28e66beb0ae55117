//! The engine, and the clients that wait for it: what each message comes to.

use std::collections::HashMap;
use std::sync::Arc;

use super::{MOST_WAITING, Message, Question, Sealed};
use crate::engine::Engine;
use crate::engine::foresight::supply::Supply;
use crate::engine::jobs::{JobState, Opening};
use crate::engine::request::{JobId, LoaderId, LoaderRules, Reason};
use crate::engine::settings::Settings;
use crate::engine::time::Instant;
use crate::module::api::blocked::BlockedClient;
use crate::module::reply::{Refusal, Reply};
use crate::module::{answers, clock};

/// The engine, and the clients that wait for it.
pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) settings: Settings,
    loaders: Vec<LoaderRules>,
    supplies: Vec<Supply>,
    /// What the loaders are called, also those that are gone while keys remember them.
    names: HashMap<LoaderId, Arc<str>>,
    /// Keys accepted and rejected so far, of jobs whose keys still come.
    open: HashMap<JobId, (u64, u64)>,
    /// Clients that wait for a job's end, each until an instant.
    pub(super) waiting: Vec<(JobId, Instant, BlockedClient)>,
}

impl Desk {
    /// An engine that knows nothing.
    pub(super) fn new(settings: Settings) -> Self {
        Desk {
            engine: Engine::new(settings.clone()),
            settings,
            loaders: Vec::new(),
            supplies: Vec::new(),
            names: HashMap::new(),
            open: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// A new engine with what the owner knows, after a panic; those who wait are told that their job is lost.
    pub(super) fn rebuilt(&mut self) -> Self {
        for (_, _, client) in self.waiting.drain(..) {
            client.answer(Reply::Error("ERR the job was lost in an internal error, see the log".to_owned()));
        }
        let mut desk = Desk::new(self.settings.clone());
        desk.loaders = std::mem::take(&mut self.loaders);
        desk.names = std::mem::take(&mut self.names);
        desk.supplies = std::mem::take(&mut self.supplies);
        desk.engine.set_loaders(clock::now(), desk.loaders.clone());
        desk.engine.set_supplies(clock::now(), desk.supplies.clone());
        desk
    }

    /// Handles a message.
    pub(super) fn handle(&mut self, message: Message) {
        let now = clock::now();
        match message {
            Message::Open(job, spec) => {
                if self.engine.open_job(now, job, spec) == Opening::Opened {
                    self.open.insert(job, (0, 0));
                }
            }
            Message::Enqueue(job, requests) => {
                let taken = self.engine.enqueue(now, job, requests);
                if let Some((accepted, rejected)) = self.open.get_mut(&job) {
                    *accepted += taken.accepted as u64;
                    *rejected += taken.rejected as u64;
                }
            }
            Message::Want(request, priority) => {
                // A full queue means that the key stays cold, as it was; the engine counts it.
                self.engine.want(now, request, priority, Reason::Request);
            }
            Message::Seal(job, sealed) => {
                let counted = self.open.remove(&job);
                self.engine.seal_job(now, job);
                match (counted, sealed) {
                    (Some((accepted, rejected)), Some(sealed)) => self.sealed(job, accepted, rejected, sealed),
                    (None, Some(sealed)) => sealed.client.answer(Refusal::QueueFull("too many jobs run").into()),
                    (_, None) => {}
                }
            }
            Message::Settle(settlements) => {
                settlements.into_iter().for_each(|settlement| self.engine.settle(now, settlement));
            }
            Message::Vitals(memory, role) => self.engine.set_vitals(memory, role),
            Message::Loaders(loaders) => {
                self.names.extend(loaders.iter().map(|(rules, name)| (rules.id, Arc::clone(name))));
                self.loaders = loaders.into_iter().map(|(rules, _)| rules).collect();
                self.engine.set_loaders(now, self.loaders.clone());
            }
            Message::Supplies(supplies) => {
                self.supplies = supplies.clone();
                self.engine.set_supplies(now, supplies);
            }
            Message::Describe(descriptions) => {
                descriptions.iter().for_each(|(key, features)| self.engine.describe(now, key, features));
            }
            Message::Flushed(scope) => self.engine.flushed(scope),
            Message::Configure(settings) => {
                self.settings = (*settings).clone();
                self.engine.configure(*settings);
            }
            Message::Pause => self.engine.pause(),
            Message::Resume => self.engine.resume(),
            Message::Ask(question, client) => self.answer(question, client),
            // These need what only the owner has; `Owner::hear` handles them.
            // The ring is emptied before any message is heard.
            Message::List(..) | Message::Trained(_) | Message::Drain | Message::Stop => {}
        }
    }

    fn sealed(&mut self, job: JobId, accepted: u64, rejected: u64, sealed: Sealed) {
        match sealed.wait {
            Some(until) => self.wait(job, until, sealed.client),
            None => sealed.client.answer(Reply::record([
                ("job", Reply::count(job.0)),
                ("accepted", Reply::count(accepted)),
                ("fresh", Reply::count(sealed.fresh)),
                ("no_loader", Reply::count(sealed.no_loader)),
                ("rejected", Reply::count(rejected + sealed.denied)),
            ])),
        }
    }

    /// Lets a client wait for a job's end; one that has ended is told of at once.
    fn wait(&mut self, job: JobId, until: Instant, client: BlockedClient) {
        let now = clock::now();
        match self.engine.job(now, job) {
            Some(status) if status.state == JobState::Running => {
                if self.waiting.len() < MOST_WAITING {
                    self.waiting.push((job, until, client));
                } else {
                    client.answer(Refusal::QueueFull("too many clients wait for jobs").into());
                }
            }
            _ => client.answer(answers::job(&self.engine, now, job)),
        }
    }

    fn answer(&mut self, question: Question, client: BlockedClient) {
        let now = clock::now();
        match question {
            Question::Job(job) => client.answer(answers::job(&self.engine, now, job)),
            Question::Jobs(filter, count) => client.answer(answers::jobs(&self.engine, now, filter, count)),
            Question::Progress(key) => client.answer(answers::progress(&self.engine, &self.names, &key)),
            Question::Queue(count) => client.answer(answers::queue(&self.engine, count)),
            Question::Wait(job, until) => self.wait(job, until, client),
            // These need what only the owner has; `Owner::hear` handles them.
            Question::Cancel(_) | Question::Foretell(_) => {}
        }
    }

    /// Answers those who wait for jobs that have ended.
    pub(super) fn end_jobs(&mut self, ended: &[JobId]) {
        let now = clock::now();
        let engine = &self.engine;
        for (job, _, client) in self.waiting.extract_if(.., |(job, _, _)| ended.contains(job)) {
            client.answer(answers::job(engine, now, job));
        }
    }

    /// Answers those whose wait ran out.
    pub(super) fn end_waits(&mut self, now: Instant) {
        for (_, _, client) in self.waiting.extract_if(.., |(_, until, _)| *until <= now) {
            client.answer(Refusal::Timeout.into());
        }
    }
}
