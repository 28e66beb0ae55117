//! The findings as text for people who see them for the first time: two tables, and what their columns mean.

use std::fmt;

use indicatif::HumanCount;

use super::classes;
use super::figures::{Figures, Findings, Settings};
use super::spans::Span;
use super::table::Table;

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited = self.settings.capacity_keys.or(self.settings.capacity_bytes).is_some();
        writeln!(f, "{}", self.settings)?;
        writeln!(f, "{}", self.served())?;
        writeln!(f, "{COLUMNS}")?;
        writeln!(f, "{}", self.missed())?;
        writeln!(f, "{MISSES}")?;
        writeln!(f, "The policies:")?;
        for figures in &self.policies {
            let note = figures.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let over = if figures.origin.within_budget { "" } else { " (above the budget)" };
            writeln!(f, "  {:20} {}{note}{over}", figures.policy, figures.meaning)?;
        }
        if !limited {
            writeln!(f, "Nothing is ever evicted here: policies that differ only in who leaves are equal.")?;
        }
        Ok(())
    }
}

impl Findings {
    fn served(&self) -> Table {
        let mut header = vec!["policy", "hit ratio"];
        header.extend(classes::NAMES);
        header.extend(["misses cut", "load", "demand", "refreshed", "useful", "warmed", "useful", "requests/s"]);
        let mut table = Table::new(header);
        for figures in &self.policies {
            let origin = figures.origin;
            let mut row = vec![figures.policy.clone(), ratio(figures.overall.hit_ratio)];
            let by_class = |name: &&str| ratio(figures.by_class.get(name).and_then(|class| class.hit_ratio));
            row.extend(classes::NAMES.iter().map(by_class));
            row.extend([percent(figures.misses_cut), multiple(origin.load), count(origin.demand)]);
            row.extend([count(origin.refresh), percent(origin.useful_share)]);
            row.extend([count(origin.warm), percent(origin.warm_useful_share)]);
            row.push(count(figures.requests_per_second as u64));
            table.row(row);
        }
        table
    }

    fn missed(&self) -> Table {
        let mut table = Table::new(["misses", "first ever", "evicted", "expired recently", "expired long ago"]);
        for figures in &self.policies {
            let Figures { policy, misses: Some(misses), overall, .. } = figures else { continue };
            let share = |part: u64| percent((overall.requests > 0).then(|| part as f64 / overall.requests as f64));
            let parts = [misses.first_ever, misses.evicted, misses.expired_recently, misses.expired_long_ago];
            table.row(std::iter::once(policy.clone()).chain(parts.map(share)));
        }
        table
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, keys) = (HumanCount(self.requests as u64), HumanCount(self.distinct_keys as u64));
        let time = |ms: u64| if self.order_only { format!("{} requests", HumanCount(ms)) } else { span(ms) };
        let hours = (self.last_ms - self.first_ms) as f64 / 3_600_000.0;
        let over = if self.order_only { "in order, without times".to_owned() } else { format!("in {hours:.1} hours") };
        writeln!(f, "The trace: {requests} requests of {keys} keys, {over}.")?;
        let reported = HumanCount((self.requests - self.report_from) as u64);
        let from = HumanCount(self.report_from as u64);
        writeln!(f, "The figures: of the last {reported} requests; caches were warm after {from} before them.")?;
        let room = match (self.capacity_keys, self.capacity_bytes) {
            (Some(keys), _) => format!("{} keys", HumanCount(keys)),
            (_, Some(bytes)) => format!("{} bytes", HumanCount(bytes)),
            _ => "everything".to_owned(),
        };
        let (ttl, window) = (time(self.ttl_ms), time(self.window_ms));
        writeln!(f, "The cache: a copy lives {ttl} from its fetch; there is room for {room}.")?;
        writeln!(
            f,
            "The terms: a load of at most {}; popular is the hottest {} % of the keys, by a window of {window}.",
            self.budget, self.hot_percent
        )
    }
}

fn span(ms: u64) -> String {
    Span::from_millis(ms).map_or_else(|| "0".to_owned(), |span| span.to_string())
}

fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

fn ratio(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.4}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn multiple(load: Option<f64>) -> String {
    load.map_or_else(|| "-".to_owned(), |load| format!("{load:.3}"))
}

const COLUMNS: &str = "  hit ratio    requests served from the cache, of all; then of each class of requests
  misses cut   demand fill's misses (LRU, the same room) that are none here
  load         requests to the origin, as a multiple of demand fill's: demand + refreshed + warmed
  demand       fetched because a request missed
  refreshed    fetched again when a copy ran out, before anyone asked; useful: read before they ended
  warmed       fetched while absent, before anyone asked; useful: read before they ended
  requests/s   how fast the policy is replayed, by this program on this machine
";

const MISSES: &str = "  in percent of all requests, by what would have made them a hit:
  first ever        nobody had asked for the key before: an event that announces it
  evicted           the copy had to leave while it was fresh: a better choice of what to keep
  expired recently  the copy ran out less than one life ago: one refresh
  expired long ago  the copy ran out before that: several refreshes, or warming the key anew
";
