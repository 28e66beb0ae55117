//! Foresight: what is seen of every key, what will be asked for, and what is worth fetching before it is.
//!
//! # How it works
//!
//! Every access of a key that a loader could fetch is *sighted*. For a bounded number of keys, decayed counts at several
//! half-lives, gaps, hours of the week and followers are kept. Three models, learned on the server itself, answer three
//! questions from them: will the key be asked for within the life of a copy fetched now; how many requests will come in the next
//! horizon; will the key be among the hottest. Every prediction is kept and scored when its time has passed.
//!
//! A copy that is about to expire is a *decision*: refresh it or let it go. A key that is absent and expected, or announced
//! by a key it follows, is another. Each is taken where a hit is worth its [`price`], which keeps the origin's requests at the
//! budget. What was decided leaves as a [`Wish`]; the engine queues it.
//!
//! A share of the keys, the [`holdout`], is never warmed ahead: the difference of hit ratios is the gain, measured.
//!
//! # What it costs
//!
//! An access about 0.3 µs, of a key that is not tracked less; a decision 1-2 µs; a *round*, which scores keys for rankings and
//! classes, about 1 µs a key, in slices. About 400 bytes a tracked key.
//!
//! # The parts, in reading order
//!
//! The words: [`seen`], [`supply`], [`mode`], [`forecast`], [`figures`]. What is kept: `tracked` and `table`, of `ladder`,
//! `profile`, `sequences`, `pollers`, `sketch`; `traffic` of all keys. What happens: `sighting` (something was seen),
//! `filling` (a copy came), `deciding` (a copy is about to expire, a key is announced), `rounds` (scores, classes, windows),
//! `asking` (questions), `learning` and [`lessons`]. Below them `features`, `reservoir`, `windows`, `predictors`, `content`,
//! [`price`], [`holdout`], and [`model`], which knows nothing of keys.
//!
//! Deliberately absent: clocks, threads and values; what a region or an event says (they will come as sightings).

mod asking;
mod content;
mod deciding;
mod features;
pub mod figures;
mod filling;
pub mod forecast;
pub mod holdout;
mod ladder;
mod learning;
pub mod lessons;
pub mod mode;
pub mod model;
mod pollers;
mod predictors;
pub mod price;
mod profile;
mod reservoir;
mod rounds;
pub mod seen;
mod sequences;
mod sighting;
mod sketch;
pub mod supply;
mod table;
mod tracked;
mod traffic;
mod urgency;
mod windows;

use std::collections::{BinaryHeap, VecDeque};

use content::Content;
use deciding::{Decided, Due};
use figures::{ForesightStats, Hits};
use foldhash::fast::FixedState;
use forecast::Class;
use holdout::Holdout;
use pollers::Pollers;
use predictors::Predictors;
use price::Price;
use reservoir::Reservoir;
use rounds::Rounds;
use sequences::{Cues, Trails};
use supply::Supply;
use table::Table;
use traffic::Traffic;
use windows::Scores;

use super::key::Key;
use super::request::{LoaderId, Priority, Reason};
use super::routes::Routes;
use super::settings::Settings;
use super::time::Instant;

pub use asking::{Ask, Selection};
pub use filling::Filled;

/// Samples of decisions, and of windows, that are kept to learn from.
const SAMPLES: usize = 30_000;

/// Wishes that may wait to be taken; what is beyond is let go, and counted nowhere: the key stays as it is.
const WISHES: usize = 4096;

/// What is known of the keys that were seen; see the [module's text](self).
#[derive(Debug)]
pub struct Foresight {
    settings: Settings,
    supplies: Vec<Supply>,
    routes: Routes<u32>,
    table: Table,
    traffic: Traffic,
    pollers: Pollers,
    trails: Trails,
    cues: Cues,
    holdout: Holdout,
    price: Price,
    predictors: Predictors,
    scores: Scores,
    content: Content,
    /// Samples of decisions.
    decisions: Reservoir,
    /// Samples of windows: the labels are being hot, and the number of requests.
    window_samples: Reservoir,
    /// Decisions whose outcome is awaited.
    decided: Decided,
    /// When copies are about to expire.
    due: BinaryHeap<Due>,
    rounds: Rounds,
    wishes: VecDeque<Wish>,
    lessons: learning::Lessons,
    figures: ForesightStats,
    /// For users and clients.
    hash: FixedState,
}

/// A key that is worth fetching ahead.
#[derive(Clone, PartialEq, Debug)]
pub struct Wish {
    /// The key.
    pub key: Key,
    /// Who loads it.
    pub loader: LoaderId,
    /// [`Reason::Refresh`]: fetch it though it is there; [`Reason::Predict`], [`Reason::Related`]: it is absent.
    pub reason: Reason,
    /// How urgent it is: by the requests expected within the life of the copy.
    pub priority: Priority,
}

impl Foresight {
    /// Foresight that has seen nothing.
    pub fn new(settings: &Settings) -> Self {
        let seed = settings.seed;
        let mut table = Table::new(settings.tracked_keys, seed.rotate_left(3));
        table.set_limits(settings.tracked_keys, settings.tracked_bytes);
        Foresight {
            supplies: Vec::new(),
            routes: Routes::default(),
            table,
            traffic: Traffic::new(),
            pollers: Pollers::new(),
            trails: Trails::new(),
            cues: Cues::new(),
            holdout: Holdout::new(settings.holdout_percent, seed.rotate_left(5)),
            price: Price::new(settings.origin_budget),
            predictors: Predictors::default(),
            scores: Scores::default(),
            content: Content::default(),
            decisions: Reservoir::new(features::WIDTH, SAMPLES, seed.rotate_left(7)),
            window_samples: Reservoir::new(features::WIDTH, SAMPLES, seed.rotate_left(9)),
            decided: Decided::default(),
            due: BinaryHeap::new(),
            rounds: Rounds::new(seed.rotate_left(11)),
            wishes: VecDeque::new(),
            lessons: learning::Lessons::default(),
            figures: ForesightStats::default(),
            hash: FixedState::with_seed(seed.rotate_left(15)),
            settings: settings.clone(),
        }
    }

    /// Changes the settings. A horizon of another length makes everything learned meaningless: it is forgotten.
    pub fn configure(&mut self, settings: &Settings) {
        if settings.horizon != self.settings.horizon {
            self.forget_learned();
            self.rounds.restart();
        }
        self.table.set_limits(settings.tracked_keys, settings.tracked_bytes);
        self.holdout.set_percent(settings.holdout_percent);
        self.price.set_budget(settings.origin_budget);
        self.settings = Settings { seed: self.settings.seed, ..settings.clone() };
    }

    /// The next key that is worth fetching ahead.
    pub fn wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// The figures.
    pub fn stats(&self) -> ForesightStats {
        ForesightStats {
            mode: self.settings.predict,
            tracked: self.table.len(),
            tracked_most: self.table.most(),
            displaced: self.table.displaced,
            bytes: self.bytes(),
            threshold: self.price.threshold(),
            load: self.price.load(),
            model: self.model_info(),
            ..self.figures.clone()
        }
    }

    /// Reads by class, as [`ForesightStats::classes`] has them.
    pub fn hits(&self) -> &[Hits; Class::ALL.len()] {
        &self.figures.classes
    }

    fn bytes(&self) -> usize {
        self.table.bytes()
            + self.trails.bytes()
            + self.decisions.bytes()
            + self.window_samples.bytes()
            + self.decided.bytes()
            + self.due.capacity() * size_of::<Due>()
            + self.predictors.bytes()
    }

    /// The horizon in microseconds; never zero.
    fn horizon(&self) -> f64 {
        (self.settings.horizon.as_secs_f64() * 1e6).max(1.0)
    }

    /// The supply that a key comes from, by its name.
    fn supply_of(&self, name: &[u8]) -> Option<u32> {
        self.routes.find(name).copied()
    }

    /// The life of a supply's copies, in horizons.
    fn ttl(&self, supply: u32) -> f32 {
        let ttl = self.supplies.get(supply as usize).map_or(0.0, |supply| supply.ttl.as_secs_f64());
        (ttl * 1e6 / self.horizon()) as f32
    }

    /// How urgent a key is of which so many requests are expected within the life of its copy.
    fn priority(expected: f32) -> Priority {
        let share = expected.max(0.0) / (expected.max(0.0) + 8.0);
        Priority::new((900.0 * share) as u16 + 1).unwrap_or_default()
    }

    fn wish_for(&mut self, wish: Wish) {
        if self.wishes.len() < WISHES {
            self.wishes.push_back(wish);
        }
    }
}

/// The instant a wall time stands for, seen from `now`.
fn instant_of(now: super::time::Now, wall: super::time::Wall) -> Instant {
    let ahead = wall.as_millis().saturating_sub(now.wall.as_millis());
    now.mono.after(std::time::Duration::from_millis(ahead))
}

#[cfg(test)]
mod tests;
