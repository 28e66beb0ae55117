//! The flags.

use std::time::Duration;

use clap::Parser;

/// An HTTP content service over a generated catalogue, for trying out redis-warm.
#[derive(Parser, Clone, Debug)]
#[command(name = "origin", version)]
pub(crate) struct Settings {
    /// Where to listen; port 0 takes a free port. The first line of output names the real address.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
    /// Documents in the catalogue; their ids are 1 to this number.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) documents: u32,
    /// Size of a document in bytes: exact for /raw, within a few bytes for the JSON forms (never below about 400).
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) body_bytes: u32,
    /// Serve a document for any id at all, not only for those of the catalogue.
    #[arg(long)]
    pub(crate) any_id: bool,
    /// What `Cache-Control: max-age=` says, in seconds.
    #[arg(long, default_value_t = 300)]
    pub(crate) max_age: u32,
    /// How long each answer takes, for example 20ms or 1s.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub(crate) latency: Duration,
    /// Share of the content requests that are answered with status 500, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(crate) error_rate: f64,
    /// Share of the content requests that are never answered, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(crate) hang_rate: f64,
    /// The catalogue and the sequence of faults follow from it.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads that serve.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,
}

fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not a duration such as 20ms or 1s");
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s').ok_or_else(refused)?, 1000),
    };
    let number: u32 = digits.parse().map_err(|_| refused())?;
    Ok(Duration::from_millis(u64::from(number) * unit))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?} is not a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert!(duration("20").is_err());
        assert!(duration("-1s").is_err());
    }

    #[test]
    fn shares_lie_between_zero_and_one() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert!(share("1.1").is_err());
        assert!(share("NaN").is_err());
    }
}
