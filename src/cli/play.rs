//! `warmctl play`: plays a recorded trace against a server, faster than it happened. Each request is a GET; a miss is read
//! through with WARM.GET, as an application would fetch it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection, Value};

use super::connection::Server;
use super::error::Error;
use super::latency::Latency;
use super::record::Record;
use super::report::{Figure, Format, Report, ratio};
use super::trace::{self, Part, Slice};

/// Play a part of a recorded trace: GET, and WARM.GET where GET has nothing
#[derive(clap::Args, Debug)]
pub(crate) struct Play {
    /// A CSV file with the columns ts_ms and key, in the order of time; .zst is decompressed.
    trace: PathBuf,
    /// Goes before each key of the trace.
    #[arg(long, default_value = "content:")]
    prefix: String,
    /// Where to begin, in hours since the trace's first request.
    #[arg(long, default_value_t = 0.0, value_parser = hours)]
    from: f64,
    /// How much to play, in hours of the trace.
    #[arg(long, default_value_t = 1.0, value_parser = hours)]
    hours: f64,
    /// How many times faster than it happened.
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    speed: f64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// At most this many requests.
    #[arg(long, default_value_t = 5_000_000)]
    limit: usize,
    #[command(flatten)]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(server: &Server, play: &Play) -> Result<ExitCode, Error> {
    let part = Part { from_ms: millis(play.from), length_ms: millis(play.hours), limit: play.limit };
    let slice = trace::read(&play.trace, part, &play.prefix)?;
    let client = server.client()?;
    let mut connection = client.get_connection()?;
    let before = origin_requests(&mut connection)?;
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let tallies: Vec<_> = thread::scope(|scope| {
        let player = || player(&client, play, &slice, &next, begin);
        let threads: Vec<_> = (0..play.clients).map(|_| scope.spawn(player)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a player does not panic")).collect()
    });
    let elapsed = begin.elapsed();
    let mut all = Tally::new();
    for tally in tallies {
        all.merge(&tally?);
    }
    let origin = origin_requests(&mut connection)?.saturating_sub(before);
    all.report(origin, elapsed).print(play.format);
    Ok(ExitCode::SUCCESS)
}

struct Tally {
    hits: Latency,
    hit: u64,
    misses: Latency,
    missed: u64,
    absent: u64,
    errors: u64,
    late: Latency,
}

impl Tally {
    fn new() -> Self {
        let empty = Latency::new;
        Tally { hits: empty(), hit: 0, misses: empty(), missed: 0, absent: 0, errors: 0, late: empty() }
    }

    fn merge(&mut self, other: &Tally) {
        self.hits.merge(&other.hits);
        self.hit += other.hit;
        self.misses.merge(&other.misses);
        self.missed += other.missed;
        self.absent += other.absent;
        self.errors += other.errors;
        self.late.merge(&other.late);
    }

    fn report(&self, origin: u64, elapsed: Duration) -> Report {
        let requests = self.hit + self.missed;
        let mut report = Report::default();
        report.add("requests", Figure::Count(requests));
        report.add("hit ratio", ratio(self.hit, requests));
        report.add("origin requests", Figure::Count(origin));
        report.add("unknown to the origin", Figure::Count(self.absent));
        report.add("errors", Figure::Count(self.errors));
        report.add("time", Figure::Seconds(elapsed.as_secs_f64()));
        report.add("rate", Figure::Rate(requests as f64 / elapsed.as_secs_f64().max(1e-6)));
        self.hits.report("hit ", &mut report);
        self.misses.report("miss ", &mut report);
        self.late.report("late ", &mut report);
        report
    }
}

/// One client, until the slice is played. `next` only hands out positions, so any order of memory will do.
fn player(client: &Client, play: &Play, slice: &Slice, next: &AtomicUsize, begin: Instant) -> Result<Tally, Error> {
    let mut connection = client.get_connection()?;
    let mut tally = Tally::new();
    while let Some((at, key)) = slice.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let due = begin + Duration::from_millis(*at).div_f64(play.speed);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        tally.late.record(due.elapsed());
        let sent = Instant::now();
        if redis::cmd("GET").arg(&key[..]).query::<Value>(&mut connection)? != Value::Nil {
            tally.hits.record(sent.elapsed());
            tally.hit += 1;
            continue;
        }
        match redis::cmd("WARM.GET").arg(&key[..]).query(&mut connection) {
            Ok(Value::Nil) => tally.absent += 1,
            Ok(_) => {}
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(error) => {
                if tally.errors == 0 {
                    eprintln!("warmctl: {error}");
                }
                tally.errors += 1;
            }
        }
        tally.misses.record(sent.elapsed());
        tally.missed += 1;
    }
    Ok(tally)
}

/// The requests that all loaders have made so far.
fn origin_requests(connection: &mut Connection) -> Result<u64, Error> {
    let names: Vec<String> = redis::cmd("WARM.LOADER").arg("LIST").query(connection)?;
    let mut sum = 0;
    for name in names {
        let reply = redis::cmd("WARM.LOADER").arg("GET").arg(name).query(connection)?;
        sum += Record::new("WARM.LOADER GET", reply)?.count("requests")?;
    }
    Ok(sum)
}

fn millis(hours: f64) -> u64 {
    (hours * 3_600_000.0) as u64
}

fn hours(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1e6)
}

fn speed(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1e9)
}

/// The bounds keep every due time within what an `Instant` can hold.
fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::scripted::{Scripted, map};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        play: Play,
    }

    #[test]
    fn misses_are_read_through_and_hits_are_not() {
        let server = Scripted::new(|command| match command {
            "GET content:1" => "$1\r\nx\r\n".to_owned(),
            "GET content:2" => "_\r\n".to_owned(),
            "WARM.GET content:2" => "$1\r\ny\r\n".to_owned(),
            "WARM.LOADER LIST" => "*1\r\n+one\r\n".to_owned(),
            "WARM.LOADER GET one" => map(&[("requests", "7")]),
            other => format!("-ERR unexpected {other}\r\n"),
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ts_ms,key\n1,1\n2,2\n3,1\n").unwrap();
        let line = Line::parse_from(["play", file.path().to_str().unwrap(), "--clients", "2"]);
        assert_eq!(run(&server.address(), &line.play).unwrap(), ExitCode::SUCCESS);
        let through = server.received().iter().filter(|line| line.starts_with("WARM.GET")).count();
        assert_eq!((through, server.received().len()), (1, 8));
    }

    #[test]
    fn the_slowest_play_of_the_longest_slice_has_a_due_time() {
        let longest = Duration::from_millis(millis(hours("1e6").unwrap())).div_f64(speed("0.001").unwrap());
        assert!(Instant::now().checked_add(longest).is_some());
        assert!(speed("0").is_err());
        assert!(hours("-1").is_err());
        assert!(hours("inf").is_err());
    }

    #[test]
    fn hits_and_misses_add_up() {
        let (mut all, mut other) = (Tally::new(), Tally::new());
        other.hit = 3;
        other.missed = 1;
        all.merge(&other);
        let text = all.report(1, Duration::from_secs(2)).to_string();
        assert!(text.contains("hit ratio              0.7500"), "{text}");
        assert!(text.contains("rate                   2/s"), "{text}");
    }
}
