//! Who sent a command, and in which database: the command filter is told neither.
//!
//! # The rule for databases
//!
//! Until there is a sign of a second database, every read is one of database 0. Signs are a `SELECT` of another, a key
//! event in another, and keys in another when the module is loaded. From then on:
//!
//! * Where the server tells the client's number (Redis from 7.2 on, Valkey), it is asked for the client's database, and the
//!   answer is remembered until the client sends `SELECT`, `RESET` or `EXEC`. What a client reads inside a transaction is of
//!   the database that it had when it queued the read; what a script reads is of the database of its caller. A `SELECT`
//!   inside a transaction or a script is not followed.
//! * Where it does not (Redis 7.0), a read is of the database in which a key of the loaders' patterns was last seen to be
//!   missed, written or removed. That is right for one cache, in whichever database; two caches whose keys match the
//!   same patterns in different databases are confused there.
//!
//! A command that no connected client sent (a script's, another module's) belongs to the client that last ran a command
//! with keys or a script.
//!
//! Structure: a table of [`PLACES`] clients, indexed by the low bits of their numbers, which servers give in turn; a client that
//! is pushed out is asked for again. Cost: one access to memory for each read; 0.1 to 1 µs when a client is new.

use crate::engine::key::Db;
use crate::module::deletions::Client;

/// Clients that are remembered; more than a server's default `maxclients`, at 16 bytes each.
const PLACES: usize = 16_384;

/// What the server knows of its clients.
pub trait Directory {
    /// Whether a client of this number is connected.
    fn is_connected(&self, id: u64) -> bool;

    /// The database that a connected client has selected.
    fn db(&self, id: u64) -> Option<Db>;
}

/// Who sent a command, as far as it is known, and where.
pub type Sender = (Option<u64>, Db);

/// The clients that were seen.
#[derive(Debug)]
pub struct Clients {
    /// Empty until the first client with a number is seen.
    places: Vec<Place>,
    /// Whether there was a sign of a second database.
    several: bool,
    /// The connected client that sent the last command that mattered.
    last: Sender,
    /// Where keys of the loaders' patterns were last seen.
    home: Db,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    known: Known,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// It is connected.
    Connected,
    /// It is connected, and this is its database.
    In(Db),
    /// It is none of the connected clients.
    Inner,
}

impl Clients {
    /// `used` are the databases that have keys.
    pub fn new(used: &[Db]) -> Self {
        let home = match used {
            [only] => *only,
            _ => Db(0),
        };
        let several = used.iter().any(|db| *db != Db(0));
        Clients { places: Vec::new(), several, last: (None, Db(0)), home }
    }

    /// Who sent the command that is being looked at.
    pub fn sender(&mut self, client: Client, directory: &impl Directory) -> Sender {
        let Client::Id(id) = client else { return (None, self.home) };
        if self.places.is_empty() {
            self.places = vec![Place { id: 0, known: Known::Inner }; PLACES];
        }
        let Some(place) = self.places.get_mut(id as usize % PLACES) else { return (None, self.home) };
        if place.id != id {
            let known = if directory.is_connected(id) { Known::Connected } else { Known::Inner };
            *place = Place { id, known };
        }
        let db = match place.known {
            Known::Inner => return self.last,
            Known::In(db) => db,
            Known::Connected if !self.several => Db(0),
            Known::Connected => {
                let db = directory.db(id).unwrap_or_default();
                place.known = Known::In(db);
                db
            }
        };
        self.last = (Some(id), db);
        self.last
    }

    /// A client is about to change its database to the one that `word` names, if any.
    pub fn selects(&mut self, client: Client, word: Option<&[u8]>) {
        self.several |= word.is_some_and(|word| word != b"0");
        self.moves(client);
    }

    /// A client's database may be another after this command.
    pub fn moves(&mut self, client: Client) {
        if let Client::Id(id) = client
            && let Some(place) = self.places.get_mut(id as usize % PLACES)
            && place.id == id
            && let Known::In(_) = place.known
        {
            place.known = Known::Connected;
        }
    }

    /// Something happened to a key of the loaders' patterns in this database.
    pub fn saw(&mut self, db: Db) {
        self.home = db;
        self.several |= db != Db(0);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Fake {
        dbs: RefCell<BTreeMap<u64, u32>>,
        asked: Cell<u32>,
    }

    impl Directory for Fake {
        fn is_connected(&self, id: u64) -> bool {
            self.dbs.borrow().contains_key(&id)
        }

        fn db(&self, id: u64) -> Option<Db> {
            self.asked.set(self.asked.get() + 1);
            self.dbs.borrow().get(&id).copied().map(Db)
        }
    }

    fn server(clients: &[(u64, u32)]) -> Fake {
        Fake { dbs: RefCell::new(clients.iter().copied().collect()), asked: Cell::new(0) }
    }

    #[test]
    fn nobody_is_asked_while_there_is_one_database() {
        let (server, mut clients) = (server(&[(7, 0)]), Clients::new(&[Db(0)]));
        assert_eq!(clients.sender(Client::Id(7), &server), (Some(7), Db(0)));
        clients.selects(Client::Id(7), Some(b"0"));
        assert_eq!(clients.sender(Client::Id(7), &server), (Some(7), Db(0)));
        assert_eq!(server.asked.get(), 0);
    }

    #[test]
    fn a_client_is_asked_once_after_each_select() {
        let (server, mut clients) = (server(&[(7, 0), (8, 0)]), Clients::new(&[]));
        clients.sender(Client::Id(7), &server);
        clients.selects(Client::Id(7), Some(b"3"));
        server.dbs.borrow_mut().insert(7, 3);
        for _ in 0..3 {
            assert_eq!(clients.sender(Client::Id(7), &server), (Some(7), Db(3)));
            assert_eq!(clients.sender(Client::Id(8), &server), (Some(8), Db(0)));
        }
        assert_eq!(server.asked.get(), 2);
        clients.moves(Client::Id(8));
        server.dbs.borrow_mut().insert(8, 5);
        assert_eq!(clients.sender(Client::Id(8), &server), (Some(8), Db(5)));
    }

    #[test]
    fn what_a_script_reads_is_its_callers() {
        let (server, mut clients) = (server(&[(7, 2)]), Clients::new(&[Db(0), Db(2)]));
        clients.sender(Client::Id(7), &server);
        assert_eq!(clients.sender(Client::Id(1), &server), (Some(7), Db(2)));
    }

    #[test]
    fn a_client_that_takes_anothers_place_is_asked_anew() {
        let other = 7 + PLACES as u64;
        let (server, mut clients) = (server(&[(7, 1), (other, 2)]), Clients::new(&[Db(1)]));
        for _ in 0..2 {
            assert_eq!(clients.sender(Client::Id(7), &server), (Some(7), Db(1)));
            assert_eq!(clients.sender(Client::Id(other), &server), (Some(other), Db(2)));
        }
    }

    #[test]
    fn without_numbers_reads_are_where_the_cache_is() {
        let (server, mut clients) = (server(&[]), Clients::new(&[]));
        assert_eq!(clients.sender(Client::Unknown, &server), (None, Db(0)));
        clients.selects(Client::Unknown, Some(b"4"));
        assert_eq!(clients.sender(Client::Unknown, &server), (None, Db(0)));
        clients.saw(Db(4));
        assert_eq!(clients.sender(Client::Unknown, &server), (None, Db(4)));
        assert_eq!(Clients::new(&[Db(5)]).sender(Client::Unknown, &server), (None, Db(5)));
    }
}
