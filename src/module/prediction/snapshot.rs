//! What is expected of the tracked keys, as the engine's thread last wrote it down: for commands that must be answered at
//! once, in MULTI and in scripts.
//!
//! Structure: the keys with the most requests expected, best first, and a hash index over them; 53 bytes a key, whose name
//! is shared with the engine. It is written in portions between the engine's other work, and replaced as a whole, so that
//! reading never waits. It is renewed twice a second, or as often as takes a fiftieth of the thread's time.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::engine::Engine;
use crate::engine::foresight::forecast::{Class, Prediction, Ranked};
use crate::engine::foresight::{Ask, Selection};
use crate::engine::key::{Db, Key};
use crate::engine::time::{Instant, Now, Wall};
use crate::module::clock;

/// Keys that are written down.
const MOST: usize = 200_000;

/// Keys foretold in one portion; about a millisecond.
const PORTION: usize = 500;

/// The shortest time between two.
const SOONEST: Duration = Duration::from_millis(500);

/// The time between two is at least so many times the time that one takes.
const REST: u32 = 50;

/// What was expected at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    keys: Vec<Foretold>,
    index: HashTable<u32>,
    hasher: RandomState,
    model: u64,
    at: Wall,
    horizon: Duration,
}

/// One key's part.
#[derive(Clone, Debug)]
struct Foretold {
    key: Key,
    /// What the ranking goes by; a prediction of the key alone may know better.
    ranked: f32,
    popularity: f32,
    hot: f32,
    confidence: f32,
    class: Class,
}

impl Snapshot {
    /// What was expected of a key; of one that is not in it, what is expected of any unknown key. For another horizon the
    /// requests are scaled in proportion.
    pub fn predict(&self, db: Db, name: &[u8], horizon: Option<Duration>, now: Wall) -> Prediction {
        let hash = self.hash(db, name);
        let is_it = |at: &u32| {
            let key = &self.keys[*at as usize].key;
            key.db() == db && key.name() == name
        };
        let (class, features, model) = (Class::Unknown, Vec::new(), self.model);
        match self.index.find(hash, is_it) {
            Some(at) => {
                let Foretold { popularity, hot, confidence, class, .. } = self.keys[*at as usize];
                let popularity = f64::from(popularity) * self.scale(horizon);
                let (hot, confidence) = (f64::from(hot), f64::from(confidence));
                Prediction { popularity, hot, confidence, class, features, model, at: self.at }
            }
            None => Prediction { popularity: 0.0, hot: 0.0, confidence: 0.5, class, features, model, at: now },
        }
    }

    /// The keys with the most requests expected, best first.
    pub fn top(&self, selection: &Selection) -> Vec<Ranked> {
        let scale = self.scale(selection.horizon);
        let chosen = self.keys.iter().filter(|foretold| {
            selection.class.is_none_or(|class| class == foretold.class)
                && selection.db.is_none_or(|db| db == foretold.key.db())
        });
        let ranked =
            |foretold: &Foretold| Ranked { key: foretold.key.clone(), popularity: f64::from(foretold.ranked) * scale };
        chosen.take(selection.count).map(ranked).collect()
    }

    /// Bytes of memory, names not counted: they are shared with the engine.
    pub fn memory(&self) -> usize {
        self.keys.capacity() * size_of::<Foretold>() + self.index.allocation_size()
    }

    fn scale(&self, horizon: Option<Duration>) -> f64 {
        match horizon {
            Some(horizon) if !self.horizon.is_zero() => horizon.as_secs_f64() / self.horizon.as_secs_f64(),
            _ => 1.0,
        }
    }

    fn hash(&self, db: Db, name: &[u8]) -> u64 {
        self.hasher.hash_one((db, name))
    }

    fn of(keys: Vec<Foretold>, model: u64, at: Wall, horizon: Duration) -> Self {
        let mut snapshot = Snapshot { model, at, horizon, ..Snapshot::default() };
        snapshot.index.reserve(keys.len(), |_| 0);
        let hashes: Vec<u64> =
            keys.iter().map(|foretold| snapshot.hash(foretold.key.db(), foretold.key.name())).collect();
        for (at, hash) in (0_u32..).zip(&hashes) {
            snapshot.index.insert_unique(*hash, at, |at| hashes[*at as usize]);
        }
        snapshot.keys = keys;
        snapshot
    }
}

/// Writes snapshots, on the engine's thread.
#[derive(Debug)]
pub struct Writer {
    published: Arc<ArcSwap<Snapshot>>,
    draft: Option<Draft>,
    next: Instant,
}

#[derive(Debug)]
struct Draft {
    left: std::vec::IntoIter<Ranked>,
    done: Vec<Foretold>,
    model: u64,
    at: Wall,
    spent: Duration,
}

impl Writer {
    /// A writer that begins at once, and where what it writes is read.
    pub fn new() -> (Self, Arc<ArcSwap<Snapshot>>) {
        let published = Arc::new(ArcSwap::default());
        (Writer { published: Arc::clone(&published), draft: None, next: Instant::default() }, published)
    }

    /// Writes a portion, if it is time; how long the thread may sleep as far as this is concerned. `horizon` is that of
    /// the settings.
    pub fn turn(&mut self, now: Now, engine: &Engine, horizon: Duration) -> Duration {
        let began = clock::mono();
        let Some(draft) = &mut self.draft else {
            if now.mono < self.next {
                return self.next.since(now.mono);
            }
            let everything = Selection { count: MOST, class: None, db: None, horizon: None };
            let keys = engine.top(now, &everything);
            let (left, done) = (keys.into_iter(), Vec::new());
            self.draft = Some(Draft { left, done, model: 0, at: now.wall, spent: clock::mono().since(began) });
            return Duration::ZERO;
        };
        for Ranked { key, popularity: ranked } in draft.left.by_ref().take(PORTION) {
            let ask = Ask { db: key.db(), name: key.name(), horizon: None, features: &[] };
            let Prediction { popularity, hot, confidence, class, model, .. } = engine.predict(now, &ask);
            draft.model = model;
            let (ranked, popularity, hot, confidence) =
                (ranked as f32, popularity as f32, hot as f32, confidence as f32);
            draft.done.push(Foretold { key, ranked, popularity, hot, confidence, class });
        }
        draft.spent += clock::mono().since(began);
        if draft.left.len() > 0 {
            return Duration::ZERO;
        }
        if let Some(Draft { done, model, at, spent, .. }) = self.draft.take() {
            self.published.store(Arc::new(Snapshot::of(done, model, at, horizon)));
            let rest = SOONEST.max(spent.saturating_mul(REST));
            self.next = now.mono.after(rest);
            return rest;
        }
        SOONEST
    }

    /// Gives up what is half written, and rests for a while.
    pub fn rest(&mut self, now: Now) {
        self.draft = None;
        self.next = now.mono.after(SOONEST);
    }

    /// Begins anew with the next turn: what was known is outdated.
    pub fn restart(&mut self) {
        self.draft = None;
        self.next = Instant::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let foretold = |db, name: &str, popularity, class| Foretold {
            key: Key::new(Db(db), name.as_bytes()),
            ranked: popularity,
            popularity,
            hot: 0.25,
            confidence: 0.75,
            class,
        };
        let keys = vec![
            foretold(0, "a", 30.0, Class::Popular),
            foretold(1, "a", 20.0, Class::Popular),
            foretold(0, "b", 10.0, Class::Normal),
        ];
        Snapshot::of(keys, 3, Wall::from_millis(5), Duration::from_secs(60))
    }

    #[test]
    fn a_key_is_found_by_database_and_name() {
        let (snapshot, now) = (snapshot(), Wall::from_millis(9));
        let told = snapshot.predict(Db(1), b"a", None, now);
        assert_eq!((told.popularity, told.hot, told.confidence), (20.0, 0.25, 0.75));
        assert_eq!((told.class, told.model, told.at), (Class::Popular, 3, Wall::from_millis(5)));
        assert_eq!(snapshot.predict(Db(0), b"b", Some(Duration::from_secs(30)), now).popularity, 5.0);
        let unknown = snapshot.predict(Db(2), b"a", None, now);
        assert_eq!((unknown.class, unknown.popularity, unknown.at), (Class::Unknown, 0.0, now));
        assert_eq!(Snapshot::default().predict(Db(0), b"a", None, now).class, Class::Unknown);
    }

    #[test]
    fn the_best_come_first() {
        let snapshot = snapshot();
        let names = |class, db, count| {
            let ranked = snapshot.top(&Selection { count, class, db, horizon: None });
            ranked.iter().map(|ranked| ranked.popularity).collect::<Vec<_>>()
        };
        assert_eq!(names(None, None, 10), [30.0, 20.0, 10.0]);
        assert_eq!(names(None, Some(Db(0)), 10), [30.0, 10.0]);
        assert_eq!(names(Some(Class::Popular), None, 1), [30.0]);
    }
}
