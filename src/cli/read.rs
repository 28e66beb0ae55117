//! `warmctl read`: a read load as a cache sees it, to measure hit ratio, throughput and latency. Closed loop: each client
//! sends its next request when the last was answered.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use redis::{Client, RedisError, Value};

use super::connection::Server;
use super::error::Error;
use super::latency::Latency;
use super::report::{Figure, Format, Report, ratio};
use super::zipf::Zipf;

/// Read documents by Zipf's law and measure hit ratio, throughput and latency
#[derive(clap::Args, Debug)]
pub(crate) struct Read {
    /// Keys are this prefix and a number from 1; 1 is the most popular.
    #[arg(long, default_value = "content:")]
    keys_prefix: String,
    /// How many keys there are.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    documents: u32,
    /// How many requests to make.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// The exponent of Zipf's law; 0 asks for all keys alike.
    #[arg(long, default_value_t = 0.9, value_parser = exponent, conflicts_with = "in_order")]
    zipf: f64,
    /// Read key 1, 2, 3 ... instead of drawing; after the last key, the first again.
    #[arg(long)]
    in_order: bool,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// Read through with WARM.GET instead of GET: misses are loaded from the origin.
    #[arg(long)]
    through: bool,
    /// The requests follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(server: &Server, read: &Read) -> Result<ExitCode, Error> {
    let client = server.client()?;
    let zipf = (!read.in_order).then(|| Zipf::new(read.documents, read.zipf));
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let mut all = Tally::new();
    let tallies: Vec<_> = thread::scope(|scope| {
        let reader = |number| reader(&client, read, zipf.as_ref(), &next, number);
        let threads: Vec<_> = (0..read.clients).map(|number| scope.spawn(move || reader(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a reader does not panic")).collect()
    });
    for tally in tallies {
        all.merge(&tally?);
    }
    let elapsed = started.elapsed().as_secs_f64().max(1e-6);
    let mut report = Report::default();
    report.add("requests", Figure::Count(all.requests));
    report.add("hit ratio", ratio(all.values, all.requests - all.errors));
    report.add("errors", Figure::Count(all.errors));
    report.add("throughput", Figure::Rate(all.requests as f64 / elapsed));
    all.latency.report("", &mut report);
    report.print(read.format);
    Ok(ExitCode::SUCCESS)
}

struct Tally {
    requests: u64,
    values: u64,
    errors: u64,
    latency: Latency,
}

impl Tally {
    fn new() -> Self {
        Tally { requests: 0, values: 0, errors: 0, latency: Latency::new() }
    }

    /// Counts an error of one key and shows the first. A server without our commands ends the load.
    fn refuse(&mut self, error: RedisError) -> Result<(), Error> {
        match Error::from(error) {
            Error::NoModule => return Err(Error::NoModule),
            error if self.errors == 0 => eprintln!("warmctl: {error}"),
            _ => {}
        }
        self.errors += 1;
        Ok(())
    }

    fn merge(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.values += other.values;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }
}

/// One client, until all requests are made. `next` only hands out numbers, so any order of memory will do.
fn reader(client: &Client, read: &Read, zipf: Option<&Zipf>, next: &AtomicU64, number: u16) -> Result<Tally, Error> {
    let mut connection = client.get_connection()?;
    let mut random = fastrand::Rng::with_seed(read.seed.wrapping_mul(1 << 16).wrapping_add(u64::from(number)));
    let mut tally = Tally::new();
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        if position >= read.requests {
            return Ok(tally);
        }
        let document = match zipf {
            Some(zipf) => zipf.rank(random.f64()) as u64,
            None => position % u64::from(read.documents) + 1,
        };
        let mut command = redis::cmd(if read.through { "WARM.GET" } else { "GET" });
        command.arg(format!("{}{document}", read.keys_prefix));
        let sent = Instant::now();
        match command.query(&mut connection) {
            Ok(Value::Nil) => {}
            Ok(_) => tally.values += 1,
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(error) => tally.refuse(error)?,
        }
        tally.latency.record(sent.elapsed());
        tally.requests += 1;
    }
}

fn exponent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(exponent) if (0.0..=10.0).contains(&exponent) => Ok(exponent),
        _ => Err(format!("{text:?} is not a number from 0 to 10")),
    }
}
