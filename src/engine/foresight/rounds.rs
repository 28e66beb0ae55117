//! Rounds: keys are scored one after the other, in slices; classes, rankings and windows come of it.
//!
//! A *full* round begins each window: for every key it closes the window that passed and foretells the new one. Between,
//! several *brief* rounds rescore the keys that are in use. Cutoffs (how many requests make a key popular, how many expected
//! ones make it hot) are those of the round before, read off a histogram of logarithms, so a key is looked at once.

use super::Foresight;
use super::content::Passed;
use super::deciding::price_of;
use super::features::{Moment, WIDTH, spans};
use super::forecast::Class;
use super::ladder::{HORIZON, mean_life};
use super::mode::Mode;
use super::profile::hour_of_week;
use super::reservoir::Sample;
use super::sequences::Spot;
use super::supply::Refresh;
use super::tracked::Tracked;
use super::windows::Window;
use crate::engine::key::{Db, Key};
use crate::engine::keyed::Slot;
use crate::engine::request::Reason;
use crate::engine::time::{Instant, Now, Wall};
use std::time::Duration;

/// Brief rounds in a window, at most, and at least if copies live long.
const BRIEF_MOST: u32 = 60;
const BRIEF_LEAST: u32 = 12;

/// A key is in use if it was asked for in the last so many horizons.
const IN_USE: f32 = 24.0;

/// The share of the keys in use that are popular.
pub(super) const POPULAR: f64 = 0.01;

/// A key is trending if it is asked for at least so many times as often as before,
const TRENDING_RATIO: f32 = 2.0;

/// and by more than so many standard deviations.
const TRENDING_SIGNIFICANCE: f32 = 5.0;

/// A key is cold if it is asked for less often in a horizon.
const COLD: f32 = 0.1;

/// A brief round leaves out keys that were cold and were not asked for in so many horizons.
const DORMANT: f32 = 2.0;

/// Keys looked at for hints at a time, and how much the heat must have changed.
const HINTED: usize = 4096;
const HEAT_STEP: u8 = 12;

/// Samples taken of a window: of the keys in use, and of the others.
const SAMPLED: [f64; 2] = [900.0, 300.0];

/// An absent key is looked at if so many requests are expected within the life of a copy.
const WORTH_A_LOOK: f32 = 0.15;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Rounds {
    /// When the next window begins; the end of time: none has begun.
    window_at: Instant,
    next_at: Instant,
    going: Option<Going>,
    window: Window,
    /// Rows of the window that runs, each with its weight and time.
    rows: Vec<(Spot, [f32; WIDTH], f32, u64)>,
    next_rows: Vec<(Spot, [f32; WIDTH], f32, u64)>,
    popular: Cutoff,
    hot: Cutoff,
    /// Keys in use and others, of the last full round and of this one.
    counted: [f64; 2],
    counting: [f64; 2],
    /// What keys get in their first window, on average.
    newcomers: f32,
    chance: u64,
    started: Option<Wall>,
    ended: bool,
    /// Where hints go on.
    hinted: Slot,
}

#[derive(Clone, Copy, Debug)]
struct Going {
    kind: Kind,
    next: Slot,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Full,
    Brief,
}

/// A quantile of the round before, from a histogram of logarithms.
#[derive(Debug)]
struct Cutoff {
    bins: Vec<u32>,
    value: f32,
}

impl Cutoff {
    fn new() -> Self {
        Cutoff { bins: vec![0; 512], value: f32::INFINITY }
    }

    fn add(&mut self, value: f32) {
        let bin = ((value.max(1e-4).ln() + 10.0) * 16.0) as usize;
        let last = self.bins.len() - 1;
        self.bins[bin.min(last)] += 1;
    }

    /// Ends a round: the value that `share` of the keys exceed.
    fn close(&mut self, share: f64) {
        let all: u32 = self.bins.iter().sum();
        let top = (f64::from(all) * share).ceil() as u32;
        let mut above = 0;
        let bin = self.bins.iter().enumerate().rev().find(|(_, count)| {
            above += **count;
            above >= top.max(1)
        });
        // A bin lower: counts decay until the next round, by less than a bin.
        self.value = bin.map_or(f32::INFINITY, |(bin, _)| ((bin as f32 - 1.0) / 16.0 - 10.0).exp());
        self.bins.iter_mut().for_each(|count| *count = 0);
    }
}

impl Rounds {
    /// None was made.
    pub(super) fn new(seed: u64) -> Self {
        Rounds {
            window_at: Instant::END,
            next_at: Instant::default(),
            going: None,
            window: Window::default(),
            rows: Vec::new(),
            next_rows: Vec::new(),
            popular: Cutoff::new(),
            hot: Cutoff::new(),
            counted: [0.0; 2],
            counting: [0.0; 2],
            newcomers: 0.0,
            chance: seed,
            started: None,
            ended: false,
            hinted: 0,
        }
    }

    /// Windows begin anew.
    pub(super) fn restart(&mut self) {
        *self = Rounds::new(self.chance);
    }

    /// What a key gets in its first window, on average.
    pub(super) fn newcomers(&self) -> f32 {
        self.newcomers
    }

    /// How many expected requests make a key hot.
    pub(super) fn hot_cutoff(&self) -> f32 {
        self.hot.value
    }

    fn draw(&mut self) -> f64 {
        self.chance = self.chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.chance >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Foresight {
    /// Does what is due: decisions, and at most `most` keys of a round. When to come again; now: there is more to do.
    pub fn turn(&mut self, now: Now, most: usize) -> Option<Instant> {
        if self.settings.predict == Mode::Off || self.supplies.is_empty() {
            return None;
        }
        let decision = self.decide(now, most);
        let round = self.round(now, most);
        Some(decision.map_or(round, |decision| decision.min(round)))
    }

    /// When the next round begins; `None` before the first call of [`turn`](Foresight::turn).
    pub fn next_round(&self) -> Option<Instant> {
        let rounds = &self.rounds;
        (rounds.window_at != Instant::END).then(|| rounds.next_at.min(rounds.window_at))
    }

    /// The start of the window whose predictions were completed since the last call, if any were.
    pub fn window_started(&mut self) -> Option<Wall> {
        self.rounds.started.take()
    }

    /// Whether a round ended since the last call.
    pub fn round_ended(&mut self) -> bool {
        std::mem::take(&mut self.rounds.ended)
    }

    /// Keys whose heat changed since the server was told, of a bounded part of the table at a time.
    pub fn hints(&mut self, now: Now) -> Vec<(Key, u8)> {
        let mut hints = Vec::new();
        for _ in 0..HINTED {
            let Some(slot) = self.table.next(self.rounds.hinted) else {
                self.rounds.hinted = 0;
                break;
            };
            self.rounds.hinted = slot + 1;
            let key = self.table.at_mut(slot);
            let heat = heat_of(key.popularity);
            if key.is_held(now.mono) && heat.abs_diff(key.told_heat) >= HEAT_STEP {
                key.told_heat = heat;
                hints.push((self.table.key(slot).clone(), heat));
            }
        }
        hints
    }

    /// How hot a key is, 1..=255; 0: nothing is known of it.
    pub fn heat(&self, db: Db, name: &[u8]) -> u8 {
        self.table.find(db, name).map_or(0, |slot| heat_of(self.table.at(slot).popularity))
    }

    fn round(&mut self, now: Now, most: usize) -> Instant {
        if self.rounds.window_at == Instant::END {
            self.rounds.window_at = now.mono;
            // Windows lie on whole multiples of the horizon in wall time.
            let horizon = self.settings.horizon.as_millis().max(1) as u64;
            let into = now.wall.as_millis() % horizon;
            if into > 0 {
                self.rounds.window_at = now.mono.after(Duration::from_millis(horizon - into));
                self.rounds.next_at = self.rounds.window_at;
                return self.rounds.window_at;
            }
        }
        if self.rounds.going.is_none() {
            let kind = if now.mono >= self.rounds.window_at { Kind::Full } else { Kind::Brief };
            if kind == Kind::Brief && now.mono < self.rounds.next_at {
                return self.rounds.next_at;
            }
            self.rounds.going = Some(Going { kind, next: 0 });
        }
        let Some(Going { kind, mut next }) = self.rounds.going else { return now.mono };
        for _ in 0..most {
            let Some(slot) = self.table.next(next) else {
                self.end_round(now, kind);
                return self.rounds.next_at.min(self.rounds.window_at);
            };
            self.score(now, slot, kind);
            next = slot + 1;
        }
        self.rounds.going = Some(Going { kind, next });
        now.mono
    }

    fn score(&mut self, now: Now, slot: Slot, kind: Kind) {
        let horizon = self.horizon();
        let key = self.table.at(slot);
        let idle = spans(now.mono, key.seen_at, horizon);
        if kind == Kind::Brief && idle > DORMANT && key.class == Class::Cold {
            self.rounds.hot.add(key.popularity);
            if idle <= IN_USE {
                self.rounds.popular.add(0.0);
            }
            return;
        }
        let moment = Moment::new(now, horizon, &self.traffic);
        let key = self.table.at(slot);
        let ttl = self.ttl(key.supply);
        let counts = moment.counts(key);
        let row = moment.row(key, ttl, 1.0);
        let popularity = self.predictors.popularity(&row, counts[HORIZON], moment.since(key.first_at));
        let hot = self.predictors.hot(&row, popularity, self.rounds.hot.value);
        let class = classify(key, &counts, self.rounds.popular.value);
        if idle <= IN_USE {
            self.rounds.popular.add(counts[HORIZON]);
        }
        self.rounds.hot.add(popularity);
        if kind == Kind::Full {
            self.close_window(slot);
            self.sample_window(now, slot, row, usize::from(counts[HORIZON] < 0.25));
        }
        let held_out = {
            let name = self.table.key(slot);
            self.holdout.holds(name.db(), name.name(), now.wall)
        };
        let key = self.table.at_mut(slot);
        (key.popularity, key.hot, key.class, key.held_out) = (popularity, hot, class, held_out);
        if kind == Kind::Full {
            key.foretold = [popularity, hot];
        }
        self.warm_absent(now, slot, ttl);
    }

    /// An absent key that is expected is fetched, if it is worth it.
    fn warm_absent(&mut self, now: Now, slot: Slot, ttl: f32) {
        let key = self.table.at(slot);
        let held_out = key.held_out;
        // What the server took for want of room would take the room of something else.
        if key.is_held(now.mono) || key.copy.renewing || key.copy.evicted {
            return;
        }
        let season = key.profile.as_ref().filter(|_| key.class == Class::Seasonal).map_or(1.0, |profile| {
            // The expectation is for a horizon; a seasonal key's hour may begin within the life of a copy.
            let middle = now.wall.as_millis() + (f64::from(ttl) / 2.0 * self.horizon() / 1000.0) as u64;
            let share = |wall: Wall| {
                let hour = hour_of_week(wall);
                profile.share(hour, self.traffic.share(hour))
            };
            (share(Wall::from_millis(middle)) / share(now.wall)).max(1.0)
        });
        let Some(supply) = self.supplies.get(key.supply as usize) else { return };
        if key.popularity * ttl * season < WORTH_A_LOOK || supply.refresh == Refresh::Off {
            return;
        }
        let cost = price_of(supply.cost);
        let (row, ttl) = self.decision_row(now, slot);
        self.await_outcome(now, slot, &row);
        let trained = self.predictors.requested.is_some();
        let probability = self.predictors.requested(&row, 0);
        if self.settings.predict == Mode::On && trained && !held_out && self.price.buys_refresh(probability, cost) {
            self.figures.predicted_warms += 1;
            self.copy_ended(slot);
            let copy = &mut self.table.at_mut(slot).copy;
            copy.state = super::tracked::State::Absent;
            copy.renewing = true;
            self.ask_for(slot, Reason::Predict, ttl, probability);
        }
    }

    fn close_window(&mut self, slot: Slot) {
        let key = self.table.at_mut(slot);
        let came = std::mem::take(&mut key.window);
        if key.foretold[0] >= 0.0 {
            self.rounds.window.add(key.foretold, key.last_window, came);
        } else {
            let rounds = &mut self.rounds;
            rounds.newcomers += (came as f32 - rounds.newcomers) * 0.01;
        }
        key.last_window = came;
    }

    /// Keeps the features at a window's start of a few keys: of those in use more than of the others.
    fn sample_window(&mut self, now: Now, slot: Slot, row: [f32; WIDTH], group: usize) {
        self.rounds.counting[group] += 1.0;
        let probability = SAMPLED[group] / self.rounds.counted[group].max(SAMPLED[group]);
        if self.rounds.draw() < probability {
            let spot = self.table.spot(slot);
            self.rounds.next_rows.push((spot, row, (1.0 / probability) as f32, now.wall.as_millis()));
        }
    }

    fn end_round(&mut self, now: Now, kind: Kind) {
        self.rounds.going = None;
        self.rounds.ended = true;
        self.rounds.popular.close(POPULAR);
        self.rounds.hot.close(self.settings.hot_share);
        let horizon = self.settings.horizon;
        if kind == Kind::Full {
            let bar = self.rounds.window.bar(self.settings.hot_share);
            for (spot, row, weight, time) in std::mem::take(&mut self.rounds.rows) {
                let Some(key) = self.table.spotted(spot) else { continue };
                let came = key.last_window as f32;
                if self.window_samples.wants() {
                    let labels = [f32::from(u8::from(came >= bar)), came];
                    self.window_samples.take(Sample { row: &row, labels, weight, time });
                }
            }
            let threshold = if self.predictors.hot.is_some() { self.predictors.hot_threshold } else { 0.5 };
            let rounds = &mut self.rounds;
            if self.scores.windows > 0 || rounds.window.bar(1.0) > 0.0 {
                self.scores.score(&rounds.window, self.settings.hot_share, threshold);
            }
            rounds.window.clear();
            rounds.rows = std::mem::take(&mut rounds.next_rows);
            rounds.counted = std::mem::take(&mut rounds.counting);
            let start = rounds.window_at;
            rounds.started =
                Some(Wall::from_millis(now.wall.as_millis().saturating_sub(now.mono.since(start).as_millis() as u64)));
            // Windows that passed unseen (a suspended machine) are left out.
            let passed = now.mono.since(start).as_micros() / horizon.as_micros().max(1) + 1;
            rounds.window_at = start.after(horizon * u32::try_from(passed).unwrap_or(u32::MAX));
            let table = &self.table;
            self.content.window_passed(|spot| match table.spotted(spot) {
                None => Passed::Gone,
                Some(key) if key.foretold[0] < 0.0 || key.last_window == 0 && key.total == 0.0 => Passed::Part,
                Some(key) => Passed::Whole(f64::from(key.last_window)),
            });
        }
        let shortest = self.supplies.iter().map(|supply| supply.ttl).min().unwrap_or(horizon);
        let period = shortest.clamp(horizon / BRIEF_MOST, horizon / BRIEF_LEAST).max(Duration::from_micros(1));
        // Brief rounds keep their distance from the window's start, so that a late one does not shift the others.
        let start = Instant::from_micros(self.rounds.window_at.as_micros().saturating_sub(horizon.as_micros() as u64));
        let steps = now.mono.since(start).as_micros() / period.as_micros() + 1;
        self.rounds.next_at = start.after(period * u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// Every tracked key with what was foretold for the window that runs, and its class.
    pub fn foretold(&self) -> impl Iterator<Item = (&Key, f32, f32, Class)> {
        let known = self.table.iter().filter(|(.., key)| key.foretold[0] >= 0.0);
        known.map(|(_, name, key)| (name, key.foretold[0], key.foretold[1], key.class))
    }
}

/// The heat of a key of which so many requests are expected in a horizon: 24 for each doubling, from one in sixteen
/// horizons on.
fn heat_of(popularity: f32) -> u8 {
    (24.0 * (16.0 * popularity.max(0.0)).max(1.0).log2() + 1.0).min(255.0) as u8
}

/// The kind of demand of a key, by its decayed counts and by what makes a key popular. No model is asked, so a class means
/// the same before and after one is trained.
fn classify(key: &Tracked, counts: &[f32], popular: f32) -> Class {
    if counts[HORIZON] >= popular.max(1.0) {
        return Class::Popular;
    }
    // A quarter of a horizon beside four horizons, both as requests in the shorter span.
    let (fast, slow) = (counts[HORIZON + 1], counts[HORIZON - 1]);
    let usual = (slow - fast).max(0.0) * mean_life(HORIZON + 1) / mean_life(HORIZON - 1);
    let significance = (fast - usual) / (usual + 1.0).sqrt();
    if fast >= TRENDING_RATIO * usual && significance > TRENDING_SIGNIFICANCE {
        return Class::Trending;
    }
    if key.profile.as_ref().is_some_and(|profile| profile.is_seasonal()) {
        return Class::Seasonal;
    }
    let per_horizon = counts[HORIZON - 1] / mean_life(HORIZON - 1);
    if per_horizon < COLD { Class::Cold } else { Class::Normal }
}
