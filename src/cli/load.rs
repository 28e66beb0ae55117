//! `warmctl load`: warms keys and shows how it goes.
//!
//! Keys are sent in chunks, and no more than a window of them is unsettled at a time, so that a list of any length fits
//! into the server's queue. The jobs belong to the server: they go on when `warmctl` is interrupted.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::Connection;

use super::connection::Server;
use super::error::Error;
use super::progress::Progress;
use super::record::Record;
use super::report::{Figure, Format, Report};

/// Load keys from their origin, with a progress bar; the exit code is 1 if a key could not be loaded
#[derive(clap::Args, Debug)]
pub(crate) struct Load {
    /// Also the keys of this file, one a line; - reads standard input.
    #[arg(long, value_name = "FILE")]
    keys_from: Option<PathBuf>,
    /// The priority in the server's queue.
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1000))]
    priority: Option<u16>,
    /// The keys' time to live, for example 30m, instead of their loader's.
    #[arg(long)]
    ttl: Option<String>,
    /// Load keys that are in the cache already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    format: Format,
    /// The keys.
    #[arg(required_unless_present = "keys_from")]
    keys: Vec<OsString>,
}

/// Runs the command.
pub(crate) fn run(server: &Server, load: &Load) -> Result<ExitCode, Error> {
    let keys = keys(load)?;
    let mut run = Run { load, connection: server.connect()?, totals: Totals::default(), running: Vec::new() };
    let started = Instant::now();
    let mut progress = Progress::new("warming");
    let outcome = run.all(keys, &mut progress);
    progress.finish();
    outcome?;
    run.totals.report(started.elapsed()).print(load.format);
    Ok(if run.totals.problems() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A load under way.
struct Run<'a> {
    load: &'a Load,
    connection: Connection,
    totals: Totals,
    running: Vec<Job>,
}

/// A job that has not ended, as it was last seen.
struct Job {
    id: u64,
    seen: Totals,
}

/// What became of the keys.
#[derive(Clone, Copy, Default)]
struct Totals {
    accepted: u64,
    fresh: u64,
    no_loader: u64,
    rejected: u64,
    completed: u64,
    failed: u64,
    dropped: u64,
    bytes: u64,
}

impl Run<'_> {
    fn all(
        &mut self,
        mut keys: impl Iterator<Item = io::Result<Vec<u8>>>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut chunk = self.next_chunk(&mut keys)?;
        let mut moved = (Instant::now(), 0);
        loop {
            while !chunk.is_empty() && self.unsettled() < WINDOW && self.send(&chunk)? {
                chunk = self.next_chunk(&mut keys)?;
            }
            self.poll()?;
            let seen = self.seen();
            progress.show(seen.settled(), seen.accepted, &seen.message());
            if chunk.is_empty() && self.running.is_empty() {
                return Ok(());
            }
            if seen.settled() != moved.1 {
                moved = (Instant::now(), seen.settled());
            } else if self.running.is_empty() && moved.0.elapsed() > REFUSAL_LIMIT {
                let refused = format!("the server's queue took no key for {} s", REFUSAL_LIMIT.as_secs());
                return Err(Error::Stuck(refused));
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn next_chunk(&self, keys: &mut impl Iterator<Item = io::Result<Vec<u8>>>) -> Result<Vec<Vec<u8>>, Error> {
        let path = self.load.keys_from.as_deref().unwrap_or(Path::new("-"));
        keys.take(CHUNK).collect::<io::Result<_>>().map_err(Error::file(path))
    }

    /// Sends one `WARM.LOAD`; false if the queue is full.
    fn send(&mut self, chunk: &[Vec<u8>]) -> Result<bool, Error> {
        let mut command = redis::cmd("WARM.LOAD");
        if let Some(priority) = self.load.priority {
            command.arg("PRIORITY").arg(priority);
        }
        if let Some(ttl) = &self.load.ttl {
            command.arg("TTL").arg(ttl);
        }
        if self.load.force {
            command.arg("FORCE");
        }
        command.arg("KEYS").arg(chunk);
        let reply = match command.query(&mut self.connection) {
            Err(error) if error.code() == Some("QUEUEFULL") => return Ok(false),
            reply => Record::new("WARM.LOAD", reply?)?,
        };
        let accepted = reply.count("accepted")?;
        self.totals.fresh += reply.count("fresh")?;
        self.totals.no_loader += reply.count("no_loader")?;
        self.totals.rejected += reply.count("rejected")?;
        if accepted > 0 {
            self.running.push(Job { id: reply.count("job")?, seen: Totals { accepted, ..Totals::default() } });
        }
        Ok(true)
    }

    /// Asks how the running jobs are and books those that have ended.
    fn poll(&mut self) -> Result<(), Error> {
        for mut job in std::mem::take(&mut self.running) {
            let reply = redis::cmd("WARM.JOB").arg("STATUS").arg(job.id).query(&mut self.connection)?;
            let status = Record::new("WARM.JOB STATUS", reply)?;
            job.seen.completed = status.count("completed")?;
            job.seen.failed = status.count("failed")?;
            job.seen.dropped = status.count("dropped")?;
            job.seen.bytes = status.count("bytes")?;
            if status.text("state") == "running" {
                self.running.push(job);
            } else {
                self.totals.book(job.seen);
            }
        }
        Ok(())
    }

    fn seen(&self) -> Totals {
        let mut seen = self.totals;
        self.running.iter().for_each(|job| seen.book(job.seen));
        seen
    }

    fn unsettled(&self) -> u64 {
        self.running.iter().map(|job| job.seen.accepted.saturating_sub(job.seen.settled())).sum()
    }
}

impl Totals {
    fn settled(&self) -> u64 {
        self.completed + self.failed + self.dropped
    }

    /// Keys that are not in the cache now though they were asked for.
    fn problems(&self) -> u64 {
        self.failed + self.no_loader + self.rejected
    }

    fn book(&mut self, job: Totals) {
        self.accepted += job.accepted;
        self.completed += job.completed;
        self.failed += job.failed;
        self.dropped += job.dropped;
        self.bytes += job.bytes;
    }

    fn message(&self) -> String {
        match self.problems() {
            0 => String::new(),
            problems => format!("{problems} failed"),
        }
    }

    fn report(&self, elapsed: Duration) -> Report {
        let mut report = Report::default();
        report.add("loaded", Figure::Count(self.completed));
        report.add("fresh already", Figure::Count(self.fresh));
        for (name, count) in [
            ("failed", self.failed),
            ("dropped", self.dropped),
            ("no loader", self.no_loader),
            ("rejected", self.rejected),
        ] {
            report.add(name, Figure::Count(count));
        }
        report.add("bytes", Figure::Count(self.bytes));
        report.add("time", Figure::Seconds(elapsed.as_secs_f64()));
        report.add("rate", Figure::Rate(self.completed as f64 / elapsed.as_secs_f64().max(1e-6)));
        report
    }
}

/// The keys of the arguments, then those of the file. Keys are bytes; only line ends are taken off.
fn keys(load: &Load) -> Result<impl Iterator<Item = io::Result<Vec<u8>>>, Error> {
    let reader: Box<dyn BufRead> = match load.keys_from.as_deref() {
        None => Box::new(io::empty()),
        Some(path) if path == Path::new("-") => Box::new(io::stdin().lock()),
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(Error::file(path))?)),
    };
    let named: Vec<_> = load.keys.iter().map(|key| Ok(key.clone().into_vec())).collect();
    Ok(named.into_iter().chain(lines(reader)))
}

fn lines(reader: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let whole = reader.split(b'\n').map(|line| {
        line.map(|mut line| {
            line.pop_if(|last| *last == b'\r');
            line
        })
    });
    whole.filter(|line| !matches!(line, Ok(line) if line.is_empty()))
}

/// Keys in one `WARM.LOAD`.
const CHUNK: usize = 1000;
/// Keys that may be unsettled at a time; well under the default length of the server's queue.
const WINDOW: u64 = 20_000;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a full queue is waited for when none of the keys in it are ours.
const REFUSAL_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use clap::Parser;

    use super::*;
    use crate::cli::scripted::{Scripted, map};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: Load,
    }

    fn load(words: &[&str]) -> Load {
        Line::parse_from([&["load"], words].concat()).load
    }

    fn accepted(count: &str, job: &str) -> String {
        map(&[("job", job), ("accepted", count), ("fresh", "0"), ("no_loader", "0"), ("rejected", "0")])
    }

    fn status(state: &str, completed: &str, failed: &str) -> String {
        map(&[("state", state), ("completed", completed), ("failed", failed), ("dropped", "0"), ("bytes", "10")])
    }

    #[test]
    fn a_load_ends_when_its_job_does_and_fails_with_its_keys() {
        for (failed, code) in [("0", ExitCode::SUCCESS), ("1", ExitCode::FAILURE)] {
            let polls = AtomicU64::new(0);
            let server = Scripted::new(move |command| match command {
                "WARM.LOAD PRIORITY 7 TTL 1h FORCE KEYS a b" => accepted("2", "5"),
                "WARM.JOB STATUS 5" if polls.fetch_add(1, Ordering::Relaxed) < 2 => status("running", "0", "0"),
                "WARM.JOB STATUS 5" => status("done", if failed == "0" { "2" } else { "1" }, failed),
                other => format!("-ERR unexpected {other}\r\n"),
            });
            let load = load(&["--priority", "7", "--ttl", "1h", "--force", "a", "b"]);
            assert_eq!(run(&server.address(), &load).unwrap(), code);
            assert_eq!(server.received().len(), 4);
        }
    }

    #[test]
    fn a_full_queue_is_waited_for_and_nothing_is_lost() {
        let refusals = AtomicU64::new(0);
        let server = Scripted::new(move |command| match command {
            load if load.starts_with("WARM.LOAD") => match refusals.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => "-QUEUEFULL the queue is full\r\n".to_owned(),
                nth => accepted("500", &nth.to_string()),
            },
            _ => status("done", "500", "0"),
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        let keys: Vec<String> = (0..1500).map(|number| format!("k{number}")).collect();
        std::fs::write(file.path(), keys.join("\n")).unwrap();
        let load = load(&["--keys-from", file.path().to_str().unwrap()]);
        assert_eq!(run(&server.address(), &load).unwrap(), ExitCode::SUCCESS);
        let loads: Vec<_> = server.received().into_iter().filter(|line| line.starts_with("WARM.LOAD")).collect();
        assert_eq!(loads.len(), 4);
        assert!(loads[2].starts_with("WARM.LOAD KEYS k0 k1 ") && loads[3].ends_with(" k1499"));
    }

    #[test]
    fn a_server_without_the_module_is_named_so() {
        let server = Scripted::new(|_| "-ERR unknown command 'WARM.LOAD', with args beginning with: \r\n".to_owned());
        let error = run(&server.address(), &load(&["a"])).unwrap_err();
        assert!(error.to_string().contains("does not have the warm module"));
    }

    #[test]
    fn lines_are_keys_of_any_bytes() {
        let read: Vec<_> = lines(&b"a\r\n\n\xff b\nlast"[..]).map(Result::unwrap).collect();
        assert_eq!(read, [&b"a"[..], b"\xff b", b"last"]);
    }

    #[test]
    fn only_keys_that_are_missing_are_problems() {
        let mut totals = Totals { fresh: 5, ..Totals::default() };
        totals.book(Totals { accepted: 10, completed: 8, dropped: 2, ..Totals::default() });
        assert_eq!((totals.settled(), totals.problems()), (10, 0));
        totals.no_loader = 1;
        totals.book(Totals { failed: 1, ..Totals::default() });
        assert_eq!((totals.problems(), totals.message()), (2, "2 failed".to_owned()));
    }
}
