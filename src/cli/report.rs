//! What a measurement found: figures with names, as aligned lines for people or as one line of JSON for scripts.

use std::fmt;

/// Figures in the order of their mention.
#[derive(Default)]
pub(crate) struct Report(Vec<(String, Figure)>);

/// One figure.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    /// How many.
    Count(u64),
    /// A share in 0..1; unknown if nothing was counted.
    Ratio(Option<f64>),
    /// Per second.
    Rate(f64),
    /// Milliseconds.
    Millis(f64),
    /// Seconds.
    Seconds(f64),
}

/// How a report is printed.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Format {
    /// True if scripts read it.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }
}

impl Report {
    /// Appends a figure. JSON calls it by its name with underscores for spaces.
    pub(crate) fn add(&mut self, name: impl Into<String>, figure: Figure) {
        self.0.push((name.into(), figure));
    }

    /// Prints everything.
    pub(crate) fn print(&self, format: Format) {
        if format.json {
            println!("{}", self.json());
        } else {
            print!("{self}");
        }
    }

    fn json(&self) -> String {
        let fields = self.0.iter().map(|(name, figure)| {
            let value = match *figure {
                Figure::Count(count) => count.to_string(),
                Figure::Ratio(None) => "null".to_owned(),
                Figure::Ratio(Some(number)) | Figure::Rate(number) => json_number(number),
                Figure::Millis(number) | Figure::Seconds(number) => json_number(number),
            };
            format!("\"{}\":{value}", name.replace([' ', '.'], "_"))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.0.iter().try_for_each(|(name, figure)| writeln!(f, "{name:width$}  {figure}"))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Count(count) => write!(f, "{}", indicatif::HumanCount(*count)),
            Figure::Ratio(Some(share)) => write!(f, "{share:.4}"),
            Figure::Ratio(None) => f.write_str("-"),
            Figure::Rate(rate) => write!(f, "{}/s", indicatif::HumanCount(rate.max(0.0) as u64)),
            Figure::Millis(millis) => write!(f, "{millis:.3} ms"),
            Figure::Seconds(seconds) => write!(f, "{seconds:.2} s"),
        }
    }
}

/// `part / whole`, unknown for an empty whole.
pub(crate) fn ratio(part: u64, whole: u64) -> Figure {
    Figure::Ratio((whole > 0).then(|| part as f64 / whole as f64))
}

fn json_number(number: f64) -> String {
    if number.is_finite() { number.to_string() } else { "null".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_both_ways() {
        let mut report = Report::default();
        report.add("requests", Figure::Count(12_345));
        report.add("hit ratio", ratio(1, 4));
        report.add("p99.9", Figure::Millis(1.5));
        report.add("empty", ratio(0, 0));
        assert_eq!(report.to_string(), "requests   12,345\nhit ratio  0.2500\np99.9      1.500 ms\nempty      -\n");
        assert_eq!(report.json(), r#"{"requests":12345,"hit_ratio":0.25,"p99_9":1.5,"empty":null}"#);
    }
}
