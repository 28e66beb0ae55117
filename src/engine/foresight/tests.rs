//! Stories: what foresight decides, seen from outside.

use std::time::Duration;

use super::lessons::Occasion;
use super::mode::{Mode, RefreshAhead};
use super::seen::{Seen, What};
use super::supply::{Refresh, Supply};
use super::*;
use crate::engine::key::Db;
use crate::engine::pattern::Pattern;
use crate::engine::time::{Now, Wall};

const DB: Db = Db(0);
const TTL: u64 = 60_000;

/// Foresight, and a cache that is filled on demand and does what foresight wishes.
struct Story {
    foresight: Foresight,
    now: u64,
    fetched: Vec<(Vec<u8>, Reason)>,
    misses: u64,
    held: std::collections::BTreeMap<Vec<u8>, u64>,
}

impl Story {
    fn new(settings: Settings) -> Self {
        let mut foresight = Foresight::new(&Settings { holdout_percent: 0, ..settings });
        let supply = Supply {
            loader: LoaderId(1),
            pattern: Pattern::parse(b"content:{id}").unwrap(),
            ttl: Duration::from_millis(TTL),
            cost: 1.0,
            refresh: Refresh::Auto,
            lead: Duration::from_secs(1),
        };
        foresight.set_supplies(at(0), vec![supply]);
        Story { foresight, now: 1, fetched: Vec::new(), misses: 0, held: Default::default() }
    }

    fn advance(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(100) {
            self.now += 100;
            self.foresight.turn(at(self.now), usize::MAX);
            while let Some(wish) = self.foresight.wish() {
                self.fetched.push((wish.key.name().to_vec(), wish.reason));
                self.fill(wish.key.name(), Some(wish.reason));
            }
        }
    }

    fn fill(&mut self, name: &[u8], reason: Option<Reason>) {
        self.held.insert(name.to_vec(), self.now + TTL);
        let filled = Filled::Written { expires_at: Some(at(self.now + TTL).wall), bytes: 100 };
        self.foresight.filled(at(self.now), DB, name, filled, reason);
    }

    fn read(&mut self, name: &[u8]) {
        let seen = |what| Seen { db: DB, name, what };
        self.foresight.see(at(self.now), seen(What::Read { count: 1, client: None }));
        if self.held.get(name).is_none_or(|until| *until <= self.now) {
            self.misses += 1;
            self.foresight.see(at(self.now), seen(What::Missed));
            self.fill(name, None);
        }
    }

    fn refreshes(&self, name: &[u8]) -> usize {
        self.fetched.iter().filter(|(other, reason)| other == name && *reason == Reason::Refresh).count()
    }
}

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_micros(millis * 1000), wall: Wall::from_millis(1_700_000_000_000 + millis) }
}

#[test]
fn a_hot_key_never_expires_and_a_cold_one_does() {
    let mut story = Story::new(Settings::default());
    story.read(b"content:cold");
    for _ in 0..600 {
        story.read(b"content:hot");
        story.advance(1000);
    }
    assert_eq!(story.misses, 2, "each key missed once");
    assert!((9..=11).contains(&story.refreshes(b"content:hot")), "{}", story.refreshes(b"content:hot"));
    assert_eq!(story.refreshes(b"content:cold"), 0, "nobody read its copy");
    let stats = story.foresight.stats();
    assert_eq!(stats.overall().requests, 601);
    assert_eq!(stats.overall().hits, 599);
    assert_eq!(stats.refreshes as usize, story.refreshes(b"content:hot"));
}

#[test]
fn who_only_observes_fetches_nothing_and_who_is_off_sees_nothing() {
    for (mode, tracked) in [(Mode::Observe, 1), (Mode::Off, 0)] {
        let mut story = Story::new(Settings { predict: mode, ..Settings::default() });
        for _ in 0..200 {
            story.read(b"content:hot");
            story.advance(1000);
        }
        assert!(story.fetched.is_empty(), "{mode:?}");
        assert_eq!(story.foresight.stats().tracked, tracked, "{mode:?}");
    }
    let mut story = Story::new(Settings { refresh_ahead: RefreshAhead::Off, ..Settings::default() });
    for _ in 0..200 {
        story.read(b"content:hot");
        story.advance(1000);
    }
    assert_eq!(story.refreshes(b"content:hot"), 0);
}

#[test]
fn the_holdout_is_never_fetched_ahead_and_counted_apart() {
    let mut story = Story::new(Settings::default());
    story.foresight.configure(&Settings { holdout_percent: 50, ..Settings::default() });
    let names: Vec<Vec<u8>> = (0..40).map(|n| format!("content:{n}").into_bytes()).collect();
    for _ in 0..300 {
        names.iter().for_each(|name| story.read(name));
        story.advance(1000);
    }
    let refreshed = names.iter().filter(|name| story.refreshes(name) > 0).count();
    assert!((8..=32).contains(&refreshed), "{refreshed} of 40");
    let stats = story.foresight.stats();
    assert!(stats.holdout.requests > 0 && stats.eligible.ratio() > stats.holdout.ratio());
    assert!(stats.origin_saved() > 0.0);
}

#[test]
fn keys_of_no_loader_are_not_tracked() {
    let mut story = Story::new(Settings::default());
    story.read(b"session:1");
    assert_eq!(story.foresight.stats().tracked, 0);
    assert_eq!(
        story.foresight.predict(at(2), &Ask { db: DB, name: b"session:1", horizon: None, features: &[] }).class,
        Class::Unknown
    );
}

#[test]
fn a_clock_that_jumps_neither_stops_nor_floods() {
    let mut story = Story::new(Settings::default());
    for _ in 0..100 {
        story.read(b"content:hot");
        story.advance(1000);
    }
    let before = story.fetched.len();
    story.now += 6 * 3_600_000;
    story.read(b"content:hot");
    story.advance(1000);
    assert!(story.fetched.len() <= before + 3, "{} and then {}", before, story.fetched.len());
    let earlier = Now { wall: Wall::from_millis(1_600_000_000_000), ..at(story.now) };
    story.foresight.see(earlier, Seen { db: DB, name: b"content:hot", what: What::Read { count: 1, client: None } });
    story.foresight.turn(earlier, usize::MAX);
    assert!(story.foresight.stats().overall().requests > 100);
}

#[test]
fn what_was_learned_goes_from_one_server_to_another_and_damage_is_refused() {
    let mut story = Story::new(Settings { horizon: Duration::from_secs(60), ..Settings::default() });
    let mut chance = 7_u64;
    for n in 0..40_000_u64 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = (chance >> 33) % 200;
        // Ten keys at a time are asked for much more often than the rest; which ones changes every five minutes.
        let key = if n % 2 == 0 { key % 10 + 10 * (story.now / 300_000 % 20) } else { key };
        story.read(format!("content:{key}").as_bytes());
        story.advance(100);
    }
    let lesson = story.foresight.lesson(at(story.now), Occasion::Asked).expect("an hour has samples enough");
    assert!(story.foresight.lesson(at(story.now), Occasion::Asked).is_none(), "one at a time");
    story.foresight.learned(at(story.now), lesson.learn(), Duration::from_millis(5));
    let info = story.foresight.model_info();
    assert_eq!((info.kind == "none", info.version), (false, 1));
    assert!(info.windows > 50 && info.coverage.unwrap() > 0.5 && info.accuracy.unwrap() > 0.5);
    let blob = story.foresight.export_model();
    let mut other = Story::new(Settings::default());
    other.foresight.import_model(at(1), &blob).unwrap();
    assert_eq!(other.foresight.model_info().kind, info.kind);
    for damage in [0, 7, blob.len() / 2, blob.len() - 1] {
        let mut damaged = blob.clone();
        damaged[damage] ^= 1;
        assert!(other.foresight.import_model(at(1), &damaged).is_err());
    }
    assert!(other.foresight.import_model(at(1), &blob[..blob.len() - 3]).is_err());
    assert_eq!(other.foresight.model_info().kind, info.kind, "nothing was changed");
    story.foresight.reset_model();
    assert_eq!(story.foresight.model_info().kind, "none");
}

#[test]
fn a_follower_that_always_comes_is_there_when_its_leader_was_asked_for() {
    let mut story = Story::new(Settings { refresh_ahead: RefreshAhead::Off, ..Settings::default() });
    for n in 0..400_u64 {
        // The leader and its follower come together, then other keys for longer than a copy lives.
        story.read(b"content:leader");
        (0..6).for_each(|k| story.read(format!("content:between-{}", (n * 6 + k) % 500).as_bytes()));
        story.advance(100);
        story.read(b"content:follower");
        story.advance(TTL + 5000);
    }
    let announced =
        story.fetched.iter().filter(|(name, reason)| name == b"content:follower" && *reason == Reason::Related);
    assert!(announced.count() > 100);
}
