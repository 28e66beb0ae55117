//! A target becomes keys, in slices: each key is routed to its loader and left out if it is warm already, and the rest goes
//! to the engine in chunks.
//!
//! [`members`] is where names come from that the caller did not write out. What is read there may be changed by others
//! meanwhile: a member that moves may be missed or met twice. The engine queues a key once, so meeting it twice does no harm.

pub mod members;

use super::api::Context;
use super::api::blocked::BlockedClient;
use super::api::client::{Caller, Need};
use super::api::context::{Held, Look};
use super::clock;
use super::engine_thread::{Message, Sealed};
use super::reply::{Refusal, Reply};
use super::slice::Progress;
use super::state::{self, State};
use super::target::Target;
use crate::engine::key::{Db, Key};
use crate::engine::request::{JobId, Mode, Plan, Request};
use crate::engine::time::Instant;
use members::{Batch, Members};

/// Keys looked at in one step; about 0.5 µs each.
const KEYS_A_STEP: usize = 32;

/// Expansions that are tried in one step, if those before cannot go on.
const TRIED_A_STEP: usize = 8;

/// Keys sent to the engine in one message.
const CHUNK: usize = 256;

/// A target on its way to the engine.
#[derive(Debug)]
pub struct Expansion {
    job: JobId,
    db: Db,
    plan: Plan,
    caller: Option<Caller>,
    client: Option<BlockedClient>,
    wait: Option<Instant>,
    members: Members,
    names: std::vec::IntoIter<Vec<u8>>,
    chunk: Vec<Request>,
    counts: Counts,
}

/// What the main thread counts of a target's keys.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Keys handed to the engine.
    pub sent: u64,
    /// Keys that are warm.
    pub fresh: u64,
    /// Keys that no loader matches.
    pub no_loader: u64,
    /// Keys that the caller may not write, or that are too long.
    pub denied: u64,
}

/// What a step of one expansion came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    More,
    /// The engine has no room, or has not answered yet; try later.
    Stalled,
    Finished,
}

impl Expansion {
    /// A target to expand for a job in the client's database. Refused if the caller may not touch what it names, or the
    /// collection is none.
    pub fn new(ctx: &Context<'_>, job: JobId, target: Target, plan: Plan) -> Result<Self, Refusal> {
        let caller = ctx.caller();
        let db = ctx.db();
        // Explicit keys are checked here, as a whole; members are checked one by one as they are read.
        let (caller, members, names) = match target {
            Target::Keys(names) => {
                may(caller.as_ref(), Need::Write, names.iter().map(Vec::as_slice))?;
                (None, Members::None, names)
            }
            Target::From(collection) => {
                may(caller.as_ref(), Need::Read, [collection.as_slice()])?;
                let members = Members::of(ctx, collection)?;
                (caller, members, Vec::new())
            }
            Target::Match(pattern, limit) => (caller, Members::matching(db, pattern, limit)?, Vec::new()),
            Target::Top(count, class) => (caller, Members::top(db, count, class)?, Vec::new()),
        };
        Ok(Expansion {
            job,
            db,
            plan,
            caller,
            client: None,
            wait: None,
            members,
            names: names.into_iter(),
            chunk: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Lets a client wait for the keys to be queued, or for the job's end until `wait`.
    pub fn answering(self, client: BlockedClient, wait: Option<Instant>) -> Self {
        Expansion { client: Some(client), wait, ..self }
    }

    /// Expands everything at once, for a caller that cannot wait; the context's database is the target's.
    /// If the engine has no room, the rest follows in slices, and the counts are those of the keys looked at.
    pub fn at_once(mut self, ctx: &Context<'_>) -> Counts {
        loop {
            match self.advance(ctx) {
                Outcome::More => {}
                Outcome::Finished => return self.counts,
                Outcome::Stalled => {
                    let counts = self.counts;
                    state::with(|state| {
                        state.expansions.push_back(self);
                        state.leftover = true;
                    });
                    return counts;
                }
            }
        }
    }

    fn advance(&mut self, ctx: &Context<'_>) -> Outcome {
        for _ in 0..KEYS_A_STEP {
            if self.chunk.len() >= CHUNK {
                break;
            }
            match self.names.next() {
                Some(name) => self.consider(ctx, &name),
                None => break,
            }
        }
        let read_out = self.names.len() == 0 && self.members.is_none();
        if (self.chunk.len() >= CHUNK || (read_out && !self.chunk.is_empty())) && !self.send_chunk() {
            return Outcome::Stalled;
        }
        if self.names.len() > 0 {
            return Outcome::More;
        }
        if !self.members.is_none() {
            return match self.members.next(ctx) {
                Batch::Names(names) => {
                    self.names = names.into_iter();
                    Outcome::More
                }
                Batch::NotYet => Outcome::Stalled,
            };
        }
        if self.seal() { Outcome::Finished } else { Outcome::Stalled }
    }

    fn consider(&mut self, ctx: &Context<'_>, name: &[u8]) {
        let loader = state::with(|state| state.loaders.route(name).map(|loader| loader.id)).flatten();
        let Some(loader) = loader else {
            self.counts.no_loader += 1;
            return;
        };
        if name.len() > Key::MOST_BYTES || self.client_may_not_write(name) {
            self.counts.denied += 1;
            return;
        }
        if self.plan.mode == Mode::Missing && ctx.held(name, Look::Peek) != Held::Nothing {
            self.counts.fresh += 1;
            return;
        }
        self.counts.sent += 1;
        self.chunk.push(Request { key: Key::new(self.db, name), loader, plan: self.plan });
    }

    fn client_may_not_write(&self, name: &[u8]) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.first_denied(Need::Write, [name]).is_some())
    }

    fn send_chunk(&mut self) -> bool {
        let chunk = std::mem::take(&mut self.chunk);
        let back = state::with(|state| state.engine.send(Message::Enqueue(self.job, chunk)));
        match back {
            Some(Ok(())) => true,
            Some(Err(Message::Enqueue(_, chunk))) => {
                self.chunk = chunk;
                false
            }
            _ => false,
        }
    }

    fn seal(&mut self) -> bool {
        let Counts { fresh, no_loader, denied, .. } = self.counts;
        let sealed = self.client.take().map(|client| Sealed { client, fresh, no_loader, denied, wait: self.wait });
        match state::with(|state| state.engine.send(Message::Seal(self.job, sealed))) {
            Some(Ok(())) => true,
            Some(Err(Message::Seal(_, sealed))) => {
                self.client = sealed.map(|sealed| sealed.client);
                false
            }
            _ => false,
        }
    }
}

fn may<'k>(caller: Option<&Caller>, need: Need, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<(), Refusal> {
    match caller.and_then(|caller| caller.first_denied(need, keys)) {
        None => Ok(()),
        Some(_) => Err(Refusal::NoPermission("this user has no permission to access one of the keys".to_owned())),
    }
}

/// One step of the oldest expansion that can make one; the others take their turns after it.
pub fn step(ctx: &Context<'_>) -> Progress {
    let waiting = state::with(|state| state.expansions.len()).unwrap_or(0);
    for _ in 0..waiting.min(TRIED_A_STEP) {
        let Some(Some(mut expansion)) = state::with(|state| state.expansions.pop_front()) else { break };
        ctx.select(expansion.db);
        let outcome = expansion.advance(ctx);
        if outcome != Outcome::Finished {
            state::with(|state| state.expansions.push_back(expansion));
        }
        if outcome != Outcome::Stalled {
            return Progress::Stepped;
        }
    }
    if waiting > 0 {
        state::with(|state| {
            state.leftover = true;
            state.pulse.wake_at(clock::mono().after(super::slice::HALT));
        });
    }
    Progress::Idle
}

impl State {
    /// The number of a new job.
    pub fn new_job(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job)
    }
}

impl Counts {
    /// The reply of WARM.LOAD where the client could not wait for the engine's own count.
    pub fn record(&self, job: JobId) -> Reply {
        Reply::record([
            ("job", Reply::count(job.0)),
            ("accepted", Reply::count(self.sent)),
            ("fresh", Reply::count(self.fresh)),
            ("no_loader", Reply::count(self.no_loader)),
            ("rejected", Reply::count(self.denied)),
        ])
    }
}
