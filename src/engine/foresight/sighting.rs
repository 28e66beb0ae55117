//! Something was seen: an access is counted, a miss corrected, a write or an end of a copy noted.

use std::hash::{BuildHasher, Hasher};

use super::Foresight;
use super::deciding::Outcome;
use super::features::spans;
use super::figures::Hits;
use super::filling::Filled;
use super::forecast::Class;
use super::mode::{Clients, Mode};
use super::profile::{Profile, hour_of_week};
use super::seen::{Gone, Seen, What};
use super::sequences::{Came, Followers};
use super::supply::Supply;
use super::tracked::{Fetch, State};
use crate::engine::key::Db;
use crate::engine::keyed::Slot;
use crate::engine::progress::Scope;
use crate::engine::routes::Routes;
use crate::engine::time::Now;

/// Accesses that a key needs before its hours are kept.
const LEAST_FOR_PROFILE: f32 = 4.0;

/// Who accessed a key.
#[derive(Clone, Copy)]
enum Who<'a> {
    Nobody,
    Client(u64),
    User(&'a [u8]),
}

impl Foresight {
    /// One thing happened to one key. O(1); no allocation for a key that is tracked.
    pub fn see(&mut self, now: Now, seen: Seen<'_>) {
        if self.settings.predict == Mode::Off {
            return;
        }
        let Seen { db, name, what } = seen;
        match what {
            What::Read { count, client } => {
                let slot = self.access(now, db, name, count.max(1), client.map_or(Who::Nobody, Who::Client));
                self.count_read(slot, u64::from(count.max(1)));
            }
            What::Told { count, user, region: _ } => {
                // It was served elsewhere: demand, but no read of ours.
                self.access(now, db, name, count.max(1), user.map_or(Who::Nobody, Who::User));
            }
            What::Missed => self.missed(db, name),
            What::Written { expires_at, bytes } => {
                if let Some(slot) = self.table.find(db, name) {
                    let bytes = bytes.unwrap_or(0);
                    self.copy_came(now, slot, Filled::Written { expires_at, bytes }, Fetch::Demand);
                }
            }
            What::Gone(why) => self.gone(now, db, name, why),
        }
    }

    /// Says which keys come from which loader, and how. Keys that no supply matches are not tracked.
    /// O(tracked keys) if a pattern came, went or moved; else O(supplies), so that what a loader's latency says may be told
    /// often.
    pub fn set_supplies(&mut self, _now: Now, supplies: Vec<Supply>) {
        let patterns =
            |list: &[Supply]| list.iter().map(|it| (it.loader, it.pattern.text().to_vec())).collect::<Vec<_>>();
        if patterns(&self.supplies) == patterns(&supplies) {
            self.supplies = supplies;
            return;
        }
        let routes = supplies.iter().zip(0..).map(|(supply, place)| (supply.pattern.clone(), place)).collect();
        self.routes = Routes::new(routes);
        self.supplies = supplies;
        let doomed: Vec<Slot> = {
            let routes = &self.routes;
            let gone =
                |(slot, key, _): (Slot, &crate::engine::key::Key, _)| routes.find(key.name()).is_none().then_some(slot);
            self.table.iter().filter_map(gone).collect()
        };
        doomed.into_iter().for_each(|slot| self.table.remove(slot));
        let routes = &self.routes;
        for (key, tracked) in self.table.iter_mut() {
            tracked.supply = routes.find(key.name()).copied().unwrap_or(0);
        }
    }

    /// Databases were emptied or swapped: no copies are there any more.
    pub fn flushed(&mut self, scope: Scope) {
        for (key, tracked) in self.table.iter_mut() {
            if scope.holds(key.db()) {
                tracked.copy.state = State::Absent;
                tracked.copy.renewing = false;
            }
        }
    }

    fn access(&mut self, now: Now, db: Db, name: &[u8], count: u32, who: Who<'_>) -> Option<Slot> {
        let horizon = self.horizon();
        let slot = match self.table.find(db, name) {
            Some(slot) => slot,
            None => {
                let routes = &self.routes;
                let slot = self.table.admit(now.mono, horizon, db, name, || routes.find(name).copied())?;
                self.table.at_mut(slot).held_out = self.holdout.holds(db, name, now.wall);
                slot
            }
        };
        let spot = self.table.spot(slot);
        let weight = match who {
            Who::Client(client) => self.pollers.weight(client, spot.slot),
            Who::Nobody | Who::User(_) => 1.0,
        } * count as f32;
        let since = spans(now.mono, self.traffic.at(), horizon);
        self.traffic.add(now.mono, now.wall, since, weight);
        let share = self.traffic.share(hour_of_week(now.wall));
        let ttl =
            self.supplies.get(self.table.at(slot).supply as usize).map_or_else(Default::default, |supply| supply.ttl);

        let key = self.table.at_mut(slot);
        let elapsed = spans(now.mono, key.seen_at, horizon);
        if key.total > 0.0 {
            key.gaps = [elapsed, key.gaps[0], key.gaps[1]];
        }
        key.ladder.add(elapsed, weight);
        key.seen_at = now.mono;
        key.total += weight;
        key.window = key.window.saturating_add(count);
        match &mut key.profile {
            Some(profile) => profile.add(now.wall, share),
            // Also the first access of a second day makes a profile of use.
            None if key.total >= LEAST_FOR_PROFILE || spans(now.mono, key.first_at, 8.64e10) >= 0.5 => {
                let mut profile = Box::new(Profile::new(now.wall));
                profile.add(now.wall, share);
                key.profile = Some(profile);
            }
            None => {}
        }
        if key.shadow_until <= now.mono {
            key.shadow_until = now.mono.after(ttl);
            self.price.demand_fill();
            self.figures.demand_fill_requests += 1;
        }
        let (sample, cue) = (std::mem::take(&mut key.sample), std::mem::take(&mut key.cue));
        let in_time = key.cue_until >= now.mono;
        if sample != 0 {
            self.end_sample(sample, Outcome::Asked);
        }
        if cue != 0 {
            self.cues.score(cue - 1, if in_time { Came::True } else { Came::False });
        }
        self.follow(now, slot, who);
        Some(slot)
    }

    /// Learns what the access follows, and looks at what follows it.
    fn follow(&mut self, now: Now, slot: Slot, who: Who<'_>) {
        let spot = self.table.spot(slot);
        let mut learn = |before: super::sequences::Spot, weight: f32| {
            if let Some(key) = self.table.spotted_mut(before) {
                key.followers.get_or_insert_with(|| Box::new(Followers::new())).count(spot, weight);
            }
        };
        match who {
            Who::Client(client) if self.settings.clients == Clients::Users => {
                let mut hasher = self.hash.build_hasher();
                hasher.write_u64(client);
                self.trails.user(now, hasher.finish(), spot).for_each(|(before, weight)| learn(before, weight));
            }
            Who::User(user) => {
                let mut hasher = self.hash.build_hasher();
                hasher.write(user);
                self.trails.user(now, hasher.finish(), spot).for_each(|(before, weight)| learn(before, weight));
            }
            Who::Nobody | Who::Client(_) => {
                self.trails.stream(spot).for_each(|(before, weight)| learn(before, weight));
            }
        }
        self.announce(now, slot);
    }

    /// A read is a hit until its miss is told.
    fn count_read(&mut self, slot: Option<Slot>, count: u64) {
        let Some(slot) = slot else {
            add(&mut self.figures.classes[Class::Unknown as usize], count, count);
            return;
        };
        let key = self.table.at_mut(slot);
        if key.copy.state == State::Unknown {
            key.copy.state = State::Held;
        }
        key.copy.hits = key.copy.hits.saturating_add(1);
        if key.copy.hits == 1 && key.copy.state == State::Held && key.copy.fetch != Fetch::Demand {
            self.figures.warmed_hits += 1;
        }
        let side = if key.held_out { &mut self.figures.holdout } else { &mut self.figures.eligible };
        add(side, count, count);
        add(&mut self.figures.classes[key.class as usize], count, count);
    }

    /// The read that was told of last found nothing.
    fn missed(&mut self, db: Db, name: &[u8]) {
        let Some(slot) = self.table.find(db, name) else {
            let unknown = &mut self.figures.classes[Class::Unknown as usize];
            unknown.hits = unknown.hits.saturating_sub(1);
            return;
        };
        let key = self.table.at_mut(slot);
        let side = if key.held_out { &mut self.figures.holdout } else { &mut self.figures.eligible };
        side.hits = side.hits.saturating_sub(1);
        let class = &mut self.figures.classes[key.class as usize];
        class.hits = class.hits.saturating_sub(1);
        let warmed = key.copy.state == State::Held && key.copy.fetch != Fetch::Demand;
        if warmed && key.copy.hits == 1 {
            self.figures.warmed_hits = self.figures.warmed_hits.saturating_sub(1);
        }
        key.copy.hits = key.copy.hits.saturating_sub(1);
        // Several clients may miss before one fill: the origin is asked once.
        let first = !std::mem::replace(&mut key.copy.awaited, true);
        self.copy_ended(slot);
        let key = self.table.at_mut(slot);
        key.copy.state = State::Absent;
        key.copy.fetch = Fetch::Demand;
        // What had to leave would have had to leave without foresight too: its miss is one of filling on demand.
        if first && key.copy.evicted {
            self.price.demand_fill();
            self.figures.demand_fill_requests += 1;
        }
        if first {
            self.figures.origin_requests += 1;
            self.price.request();
        }
    }

    fn gone(&mut self, _now: Now, db: Db, name: &[u8], why: Gone) {
        let Some(slot) = self.table.find(db, name) else { return };
        self.copy_ended(slot);
        let key = self.table.at_mut(slot);
        key.copy.state = State::Absent;
        key.copy.evicted = why == Gone::Evicted;
        if why == Gone::Deleted {
            // Whoever deletes says that the copy was wrong, not that nobody wants the key.
            key.copy.idle = 0;
        }
    }
}

fn add(to: &mut Hits, requests: u64, hits: u64) {
    to.requests = to.requests.saturating_add(requests);
    to.hits = to.hits.saturating_add(hits);
}
