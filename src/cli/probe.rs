//! `warmctl probe`: what a foreground client feels. GETs at a fixed rate, whether or not the server keeps up.
//!
//! Open loop without coordinated omission: every request has a time when it is due, and its latency counts from then. A
//! stall therefore shows in all requests that were due in it, not only in the one that happened to be out. Each
//! connection has one request at a time and catches up after a stall; so many connections share the rate that this
//! queueing starts only after `clients / rate` (5 ms with the defaults). "late" is how much later than due the requests
//! left: with an idle server it is the prober's own share of the latency.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Value};

use super::connection::Server;
use super::error::Error;
use super::latency::Latency;
use super::report::{Figure, Format, Report, ratio};

/// Measure the latency of GET at a fixed rate, counted from when each request was due
#[derive(clap::Args, Debug)]
pub(crate) struct Probe {
    /// Keys are this prefix and a number from 1.
    #[arg(long, default_value = "content:")]
    keys_prefix: String,
    /// How many keys there are; all are asked for alike.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    documents: u32,
    /// Requests per second, over all connections.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Connections that share the rate.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// The requests follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(server: &Server, probe: &Probe) -> Result<ExitCode, Error> {
    wake_on_time();
    let client = server.client()?;
    let begin = Instant::now() + Duration::from_millis(100);
    let tallies: Vec<_> = thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> =
            (0..probe.clients).map(|number| scope.spawn(move || prober(client, probe, begin, number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a prober does not panic")).collect()
    });
    let mut all = Tally::new();
    for tally in tallies {
        all.merge(&tally?);
    }
    let mut report = Report::default();
    report.add("requests", Figure::Count(all.requests));
    report.add("hit ratio", ratio(all.values, all.requests));
    report.add("rate", Figure::Rate(all.requests as f64 / begin.elapsed().as_secs_f64()));
    all.latency.report("", &mut report);
    all.late.report("late ", &mut report);
    report.print(probe.format);
    Ok(ExitCode::SUCCESS)
}

struct Tally {
    requests: u64,
    values: u64,
    latency: Latency,
    late: Latency,
}

impl Tally {
    fn new() -> Self {
        Tally { requests: 0, values: 0, latency: Latency::new(), late: Latency::new() }
    }

    fn merge(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.values += other.values;
        self.latency.merge(&other.latency);
        self.late.merge(&other.late);
    }
}

/// One connection. It takes every `clients`-th place in the sequence of due times.
fn prober(client: &Client, probe: &Probe, begin: Instant, number: u16) -> Result<Tally, Error> {
    let mut connection = client.get_connection()?;
    let mut random = fastrand::Rng::with_seed(probe.seed.wrapping_mul(1 << 16).wrapping_add(u64::from(number)));
    let mut tally = Tally::new();
    let last = u64::from(probe.rate) * u64::from(probe.seconds);
    for place in (u64::from(number)..last).step_by(usize::from(probe.clients)) {
        let due = begin + due_after(place, probe.rate);
        let mut command = redis::cmd("GET");
        command.arg(format!("{}{}", probe.keys_prefix, random.u32(1..=probe.documents)));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        tally.late.record(due.elapsed());
        if command.query::<Value>(&mut connection)? != Value::Nil {
            tally.values += 1;
        }
        tally.latency.record(due.elapsed());
        tally.requests += 1;
    }
    Ok(tally)
}

/// When the request at `place` is due, from the beginning.
fn due_after(place: u64, rate: u32) -> Duration {
    Duration::from_nanos(u64::try_from(u128::from(place) * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX))
}

/// Asks Linux not to bundle this process's timers: by default a sleep ends up to 50 µs late. Threads inherit it. Where it
/// is not possible, "late" shows the price.
fn wake_on_time() {
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_even_and_do_not_drift() {
        assert_eq!(due_after(0, 10_000), Duration::ZERO);
        assert_eq!(due_after(1, 10_000), Duration::from_micros(100));
        assert_eq!(due_after(36_000_000, 10_000), Duration::from_secs(3600));
        assert_eq!(due_after(3, 3), Duration::from_secs(1));
    }
}
