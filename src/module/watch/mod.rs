//! Watching: everything between the server and the engine's sixth input, [`Engine::see`](crate::engine::Engine::see).
//!
//! The command filter sees every command before it runs, and key events say what came of it. Both copy what concerns a
//! loader's pattern into a ring; the engine's thread takes it out when it is awake, at least ten times a second, and is
//! woken when half the ring is full.
//!
//! # What it promises
//!
//! * **Order**: what is put in comes out in the order in which it happened; a miss right after the read that it belongs to,
//!   with nothing but the same command's other keys and, in a transaction, other clients' commands between. What was put
//!   in before the main thread sent the engine a message is seen before that message is heard.
//! * **Time**: records carry none. The engine's thread stamps them when it takes them out, so that they are up to 100 ms
//!   late; a clock for every command would cost as much as all the rest.
//! * **Once**: a command of a transaction is seen when it is queued and not again when it is executed, a script's when the
//!   script runs it. Our own commands to the server are not seen at all, and our own writes are not told of.
//! * **Nothing** is seen on a replica, where commands come from the master, and while the server loads its data.
//! * A full ring, a name of more than 8 KiB, and the keys of one command beyond [`KEYS_A_COMMAND`] are counted as dropped.
//!
//! # What it cannot tell
//!
//! A command is seen before the server judges it. One that is refused afterwards (no permission, not authenticated, another
//! type in the way, another server's slot, a transaction that is discarded or fails) counts all the same; a wrong number of arguments and
//! unknown commands do not. The filter is told neither database nor client: [`clients`] says what is made of that. Misses
//! are not thinned out, but told of if their read was. In transactions that is not known: all misses are told of, those of
//! `EXISTS` too, and none while the watch is thin.
//!
//! # Cost
//!
//! For a command that is no read, one lookup in [`table`]. For a read of a key that no pattern's literal prefix begins,
//! that and a bit test. For one that is recorded, a copy of the name besides; for a write by others of a key that is
//! watched, one look at the key (its expiry and size). [`thinning`] bounds the first three together.
//!
//! The parts, in reading order: [`listing`] (which commands count), [`table`] (where their keys are), [`clients`],
//! [`thinning`], [`ring`], [`tally`] (what came out of the ring).

pub mod clients;
pub mod listing;
pub mod ring;
pub mod table;
pub mod tally;
pub mod thinning;

use std::sync::Arc;

use super::api::call::Tree;
use super::clock;
use super::deletions::Client;
use super::loaders::Loaders;
use crate::engine::foresight::seen::{Gone, Seen, What};
use crate::engine::key::{Db, Key};
use crate::engine::time::Wall;
use clients::{Clients, Directory};
use ring::{Put, Reader, Writer};
use table::{Command, Reads, Table, Words};
use tally::Tally;
use thinning::{Review, Thinning};

/// Keys of one command that are looked at; further ones are dropped, so that a command of a million keys does not become
/// much slower for being watched.
pub const KEYS_A_COMMAND: usize = 1000;

/// The main thread's side.
#[derive(Debug)]
pub struct Watch {
    ring: Writer,
    tally: Arc<Tally>,
    table: Table,
    eyes: Eyes,
    reading: Reading,
    clients: Clients,
    thinning: Thinning,
    /// Keys beyond [`KEYS_A_COMMAND`].
    beyond: u64,
    /// Whether a module came or went since the table was made.
    stale: bool,
}

/// Whether anything is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eyes {
    /// A master that serves.
    Open,
    /// A replica, or a server that loads its data.
    Closed,
}

/// What a miss would belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// Nothing that was recorded.
    Nothing,
    /// The command that was seen last; all its keys of a loader's pattern were recorded.
    Command,
    /// A read of the transaction that is executed.
    Transaction,
}

/// What the main thread shows of its side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figures {
    /// Commands that count as reads.
    pub commands: u64,
    /// Records put into the ring.
    pub seen: u64,
    /// Records for which there was no room, or which were too long.
    pub dropped: u64,
    /// How many commands one that is watched stands for.
    pub sampled_one_in: u64,
    /// The ring's size in bytes.
    pub ring_bytes: u64,
    /// Nanoseconds that watching one command takes, as measured; 0 until a thousand were watched.
    pub cost_ns: f64,
    /// The share of its time that the main thread was busy, of late.
    pub busy: f64,
}

impl Watch {
    /// A watch with its eyes closed, and the engine's end of its ring. `used` are the databases that have keys.
    pub fn new(seed: u64, used: &[Db]) -> (Watch, Reader) {
        let (ring, reader) = ring::ring(ring::BYTES);
        let began = Review::new(clock::uptime(), clock::worked(), 0);
        let watch = Watch {
            ring,
            tally: Arc::default(),
            table: Table::default(),
            eyes: Eyes::Closed,
            reading: Reading::Nothing,
            clients: Clients::new(used),
            thinning: Thinning::new(seed, began),
            beyond: 0,
            stale: false,
        };
        (watch, reader)
    }

    /// Opens or closes the eyes.
    pub fn set_eyes(&mut self, eyes: Eyes) {
        self.eyes = eyes;
    }

    /// Whether a key event is worth a look: the eyes are open, and some loader's pattern may match the name.
    pub fn concerns(&self, loaders: &Loaders, name: &[u8]) -> bool {
        self.eyes == Eyes::Open && name.len() <= Key::MOST_BYTES && loaders.may_match(name)
    }

    /// A module came or went: the table is to be made anew, but not while that event is told.
    pub fn modules_changed(&mut self) {
        self.stale = true;
    }

    /// Whether the table is to be made anew.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Takes over what the server answered to `COMMAND`.
    pub fn learn(&mut self, listed: &Tree) {
        self.table = listing::table(listed);
        self.stale = false;
    }

    /// A command was sent. `who` and `directory` only read what the server knows; no event can come of them.
    pub fn command(
        &mut self,
        loaders: &Loaders,
        who: impl Fn() -> Client,
        directory: &impl Directory,
        words: &impl Words,
    ) {
        self.reading = Reading::Nothing;
        match self.table.find(words) {
            None | Some(Command::Holds) => {}
            Some(Command::Selects) => self.clients.selects(who(), words.at(1)),
            Some(Command::Scripts) => {
                self.clients.sender(who(), directory);
            }
            Some(Command::Executes) => {
                self.clients.moves(who());
                // Of thinned-out reads it is not known which of the queued ones were recorded.
                if self.thinning.one_in() == 1 {
                    self.reading = Reading::Transaction;
                }
            }
            Some(Command::Reads(reads)) => {
                if self.eyes == Eyes::Closed || !reads.admits(words.count()) || !self.thinning.draws() {
                    return;
                }
                let count = self.thinning.one_in();
                // Twice: the time between is what reading the clock takes.
                let began = self.thinning.counts().then(|| (clock::nanos(), clock::nanos()));
                let mut record =
                    Recorder { ring: &mut self.ring, clients: &mut self.clients, reading: Reading::Nothing };
                self.beyond += record.keys(reads, words, loaders, count, who, directory);
                self.reading = record.reading;
                if let Some((before, began)) = began {
                    let took = clock::nanos().saturating_sub(began);
                    self.thinning.took(took.saturating_sub(began.saturating_sub(before)));
                }
            }
        }
    }

    /// The event loop turns: what is missed from now on, no command of a client's read.
    pub fn turn(&mut self) {
        self.reading = Reading::Nothing;
    }

    /// A read found nothing. Told of only if the read was recorded: `EXISTS` and the like miss, too.
    pub fn missed(&mut self, db: Db, name: &[u8]) {
        if self.reading != Reading::Nothing {
            self.record(db, name, What::Missed);
        }
    }

    /// A key is no more.
    pub fn gone(&mut self, db: Db, name: &[u8], why: Gone) {
        self.record(db, name, What::Gone(why));
    }

    /// Somebody else wrote a key, or changed when it expires.
    pub fn written(&mut self, db: Db, name: &[u8], expires_at: Option<Wall>, bytes: Option<u64>) {
        self.record(db, name, What::Written { expires_at, bytes });
    }

    /// An application tells of accesses that the server did not see. Without effect while the eyes are closed.
    pub fn told(&mut self, db: Db, name: &[u8], count: u32, user: Option<&[u8]>, region: Option<&[u8]>) {
        if self.eyes == Eyes::Open {
            self.ring.put(Seen { db, name, what: What::Told { count, user, region } });
        }
    }

    fn record(&mut self, db: Db, name: &[u8], what: What<'_>) {
        self.clients.saw(db);
        self.ring.put(Seen { db, name, what });
    }

    /// Whether the engine's thread is to be woken now.
    pub fn wants_reader(&mut self) -> bool {
        self.ring.wants_reader()
    }

    /// Decides how many commands are watched from now on.
    pub fn review(&mut self) {
        self.thinning.review(Review::new(clock::uptime(), clock::worked(), self.ring.dropped()));
    }

    /// What came out of the ring.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The figures of now.
    pub fn figures(&self) -> Figures {
        Figures {
            commands: self.table.reading() as u64,
            seen: self.ring.kept(),
            dropped: self.ring.dropped() + self.beyond,
            sampled_one_in: u64::from(self.thinning.one_in()),
            ring_bytes: self.ring.bytes() as u64,
            cost_ns: self.thinning.cost(),
            busy: self.thinning.busy(),
        }
    }
}

/// Puts the reads of one command into the ring.
struct Recorder<'a> {
    ring: &'a mut Writer,
    clients: &'a mut Clients,
    reading: Reading,
}

impl Recorder<'_> {
    /// Records the keys that may be a loader's; how many were not looked at.
    fn keys(
        &mut self,
        reads: &Reads,
        words: &impl Words,
        loaders: &Loaders,
        count: u32,
        who: impl Fn() -> Client,
        directory: &impl Directory,
    ) -> u64 {
        let mut sender = None;
        let mut whole = true;
        let beyond = reads.keys(words, KEYS_A_COMMAND, |name| {
            if !loaders.may_match(name) {
                return;
            }
            let (client, db) = *sender.get_or_insert_with(|| self.clients.sender(who(), directory));
            whole &= self.ring.put(Seen { db, name, what: What::Read { count, client } }) == Put::Kept;
        });
        if sender.is_some() && whole && beyond == 0 {
            self.reading = Reading::Command;
        }
        beyond as u64
    }
}
