//! `warmctl overlay`: writes a trace whose keys have hours of the day, to see what a policy makes of seasons. Recorded
//! traces hardly have any.
//!
//! *Daily* keys (`daily:0`, `daily:1`, …) are each asked for during `--hours` hours from an hour of the day of their own,
//! every day, as a Poisson process of `--rate` an hour; *weekly* keys (`weekly:0`, …) on one weekday only. Below them lies a
//! recorded trace, or a made-up background: keys `base:1`, `base:2`, … by Zipf's law, whose traffic swings by 60 % over the
//! day, strongest at 14:00. Hours are UTC. The columns are `ts_ms,key,user,region`; a user always comes from the same
//! region. The same arguments give the same trace. Memory: one hour of requests, and the recorded trace.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::reader;
use super::trace::{Labels, Trace};
use crate::cli::error::Error;
use crate::cli::zipf::Zipf;

/// Write a synthetic trace with daily and weekly rhythms to standard output, as CSV
#[derive(clap::Args, Debug)]
pub(crate) struct Overlay {
    /// Lay the rhythms over this trace, as long as it lasts, instead of a made-up background of --days.
    trace: Option<PathBuf>,
    /// How many days.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=3660), conflicts_with = "trace")]
    days: u64,
    /// Keys with an hour of the day of their own.
    #[arg(long, default_value_t = 200)]
    keys: u32,
    /// Keys that have theirs on one weekday only.
    #[arg(long, default_value_t = 0)]
    weekly_keys: u32,
    /// For how many hours a day such a key is asked for.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=24))]
    hours: u64,
    /// How often in each of these hours, on average.
    #[arg(long, default_value_t = 60.0, value_parser = rate)]
    rate: f64,
    /// Keys of the background.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "trace")]
    background_keys: u32,
    /// Requests of the background an hour, on average.
    #[arg(long, default_value_t = 5000.0, value_parser = rate, conflicts_with = "trace")]
    background_rate: f64,
    /// Zipf exponent of the background; 0 is uniform.
    #[arg(long, default_value_t = 0.9, value_parser = exponent)]
    exponent: f64,
    /// How many users there are.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// How many regions they come from.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    regions: u32,
    /// Where the days begin, in milliseconds since 1970 [default: Monday, 2026-01-05]
    #[arg(long, default_value_t = 1_767_571_200_000, value_parser = clap::value_parser!(u64).range(..=10_000_000_000_000))]
    start: u64,
    /// For the same trace again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub(crate) fn run(overlay: &Overlay) -> Result<ExitCode, Error> {
    let trace = overlay.trace.as_deref().map(reader::read).transpose()?;
    if let (Some(path), Some(true)) = (&overlay.trace, trace.as_ref().map(Trace::is_order_only)) {
        let problem = "its times only count requests, so it has no hours".to_owned();
        return Err(Error::Trace { path: path.clone(), problem });
    }
    match overlay.write(trace.as_ref(), io::stdout().lock()) {
        // Whoever reads it has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Error::file(Path::new("standard output"))(error)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

impl Overlay {
    fn write(&self, trace: Option<&Trace>, into: impl Write) -> io::Result<()> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let seasonal = self.seasonal(&mut random);
        let zipf = Zipf::new(self.background_keys, self.exponent);
        let (first_ms, last_ms) = trace.map_or((self.start, self.start + self.days * 24 * HOUR_MS - 1), Trace::span);
        let mut rows = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(into);
        rows.write_record(["ts_ms", "key", "user", "region"])?;
        let mut recorded = 0;
        for hour in first_ms / HOUR_MS..=last_ms / HOUR_MS {
            let mut events = Vec::new();
            for &season in seasonal.iter().filter(|season| season.has(hour, self.hours)) {
                poisson(&mut random, self.rate, hour, |at, random| {
                    events.push((at, Event::Season(season, random.u32(..))))
                });
            }
            if let Some(trace) = trace {
                let end = trace.times.partition_point(|&time| time / HOUR_MS <= hour);
                events.extend(trace.requests(recorded..end).map(|at| (at.ts_ms, Event::Recorded(at.index))));
                recorded = end;
            } else {
                let rate = self.background_rate * swing(hour);
                poisson(&mut random, rate, hour, |at, random| {
                    events.push((at, Event::Background(zipf.rank(random.f64()), random.u32(..))));
                });
            }
            events.retain(|&(at, _)| (first_ms..=last_ms).contains(&at));
            events.sort_by_key(|&(at, _)| at);
            for (at, event) in events {
                self.row(&mut rows, at, event, trace)?;
            }
        }
        rows.flush()
    }

    fn seasonal(&self, random: &mut fastrand::Rng) -> Vec<Season> {
        let daily = (0..self.keys).map(|number| (number, false));
        let weekly = (0..self.weekly_keys).map(|number| (number, true));
        let season = |(number, weekly): (u32, bool)| {
            let (hour, weekday) = (random.u64(0..24), random.u64(0..7));
            Season { number, hour, weekday: weekly.then_some(weekday) }
        };
        daily.chain(weekly).map(season).collect()
    }

    fn row(&self, rows: &mut csv::Writer<impl Write>, at: u64, event: Event, trace: Option<&Trace>) -> io::Result<()> {
        let at = at.to_string();
        let (key, user) = match event {
            Event::Season(Season { number, weekday: None, .. }, user) => (format!("daily:{number}"), user),
            Event::Season(Season { number, weekday: Some(_), .. }, user) => (format!("weekly:{number}"), user),
            Event::Background(rank, user) => (format!("base:{rank}"), user),
            Event::Recorded(index) => {
                let Some(trace) = trace else { return Ok(()) };
                let key = trace.keys.get(index).map(|&key| trace.names.name(key)).unwrap_or_default();
                let label =
                    |labels: &Labels| labels.at(index).map(|id| labels.names.name(id).to_vec()).unwrap_or_default();
                let (user, region) = (label(&trace.users), label(&trace.regions));
                return Ok(rows.write_record([at.as_bytes(), key, &user, &region])?);
            }
        };
        let user = user % self.users;
        let (name, region) = (format!("user:{user}"), format!("region:{}", user % self.regions));
        Ok(rows.write_record([at, key, name, region])?)
    }
}

#[derive(Clone, Copy)]
enum Event {
    /// A key, and a number that chooses the user.
    Season(Season, u32),
    /// A rank, and a number that chooses the user.
    Background(usize, u32),
    /// A request's place in the recorded trace.
    Recorded(usize),
}

/// When a key is asked for.
#[derive(Clone, Copy)]
struct Season {
    number: u32,
    hour: u64,
    /// 0 is Monday.
    weekday: Option<u64>,
}

impl Season {
    /// True if the hour (since 1970) is one of the key's; the hours may run over midnight and then belong to the day
    /// before.
    fn has(self, hour: u64, hours: u64) -> bool {
        let since = (hour % 24 + 24 - self.hour) % 24;
        let begun = hour.saturating_sub(since);
        // 1970 began on a Thursday.
        since < hours && self.weekday.is_none_or(|weekday| (begun / 24 + 3) % 7 == weekday)
    }
}

/// The background's traffic in an hour, relative to the mean.
fn swing(hour: u64) -> f64 {
    1.0 + 0.6 * ((hour % 24) as f64 / 24.0 * std::f64::consts::TAU - 14.0 / 24.0 * std::f64::consts::TAU).cos()
}

/// The instants of a Poisson process of `rate` an hour within an hour.
fn poisson(random: &mut fastrand::Rng, rate: f64, hour: u64, mut event: impl FnMut(u64, &mut fastrand::Rng)) {
    let mut at = 0.0;
    loop {
        // 1 − f64() is in 0 < u ≤ 1.
        at -= (1.0 - random.f64()).ln() / rate;
        if at >= 1.0 {
            return;
        }
        event(hour * HOUR_MS + (at * HOUR_MS as f64) as u64, random);
    }
}

fn rate(text: &str) -> Result<f64, String> {
    super::number(text, 0.001, 1e8)
}

fn exponent(text: &str) -> Result<f64, String> {
    super::number(text, 0.0, 10.0)
}

const HOUR_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        overlay: Overlay,
    }

    fn rows(arguments: &str, trace: Option<&Trace>) -> Vec<(u64, String)> {
        let line = Line::parse_from(std::iter::once("overlay").chain(arguments.split_whitespace()));
        let mut written = Vec::new();
        line.overlay.write(trace, &mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(text.starts_with("ts_ms,key,user,region\n"));
        let row = |row: &str| {
            let fields: Vec<_> = row.split(',').collect();
            (fields[0].parse().unwrap(), fields[1].to_owned())
        };
        text.lines().skip(1).map(row).collect()
    }

    #[test]
    fn daily_keys_keep_their_hours_and_the_order_is_that_of_time() {
        let rows = rows("--days 5 --keys 10 --hours 2 --rate 40 --background-rate 100 --seed 7", None);
        assert!(rows.is_sorted_by_key(|&(at, _)| at));
        for number in 0..10 {
            let key = format!("daily:{number}");
            let hours: Vec<_> = rows.iter().filter(|(_, name)| *name == key).map(|(at, _)| at / HOUR_MS % 24).collect();
            let distinct: std::collections::BTreeSet<_> = hours.iter().collect();
            assert_eq!(distinct.len(), 2, "{key}");
            assert!((200..600).contains(&hours.len()), "{key}: {}", hours.len());
        }
        let background = rows.iter().filter(|(_, name)| name.starts_with("base:")).count();
        assert!((11_000..13_000).contains(&background), "{background}");
    }

    #[test]
    fn weekly_keys_have_one_weekday() {
        let rows = rows("--days 21 --keys 0 --weekly-keys 5 --background-rate 1", None);
        for number in 0..5 {
            let key = format!("weekly:{number}");
            let days = rows.iter().filter(|(_, name)| *name == key).map(|(at, _)| at / HOUR_MS / 24);
            let distinct: std::collections::BTreeSet<_> = days.collect();
            assert_eq!(distinct.len(), 3, "{key}");
            assert_eq!(distinct.iter().map(|day| day % 7).collect::<std::collections::BTreeSet<_>>().len(), 1);
        }
    }

    #[test]
    fn a_recorded_trace_is_kept_and_the_same_seed_gives_the_same() {
        let trace = Trace::of(&[(HOUR_MS, 0), (HOUR_MS + 5, 1), (90 * HOUR_MS, 0)]);
        let found = rows("--keys 3 --seed 3", Some(&trace));
        assert_eq!(found, rows("--keys 3 --seed 3", Some(&trace)));
        let recorded: Vec<_> =
            found.iter().filter(|(_, name)| !name.starts_with("daily:")).map(|(at, _)| *at).collect();
        assert_eq!(recorded, trace.times);
        assert_ne!(found, rows("--keys 3 --seed 4", Some(&trace)));
    }
}
