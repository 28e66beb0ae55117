//! What was predicted, as CSV, so that it can be scored elsewhere: one row for each window and key that was thought of.
//!
//! The columns: `window_start_ms`; `key`, quoted where CSV needs it; `popularity`, the requests expected in the window;
//! `hot`, the
//! calibrated probability that the key is among the hottest (`--hot-percent`) of the tracked keys; `class`. Rows are buffered, 8 KiB.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::classes::{self, Class};
use super::setting::Setting;
use super::trace::Trace;
use super::virtual_time::{Driven, Learning};
use crate::cli::error::Error;
use crate::engine::foresight::Foresight;
use crate::engine::foresight::mode::Mode;

/// A file of predictions.
pub(crate) struct Predictions {
    path: PathBuf,
    rows: csv::Writer<File>,
}

/// What is thought of one key in one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prediction<'a> {
    /// When the window begins, in milliseconds of the trace.
    pub(crate) window_start_ms: u64,
    /// The key's name.
    pub(crate) key: &'a [u8],
    /// Requests expected in the window.
    pub(crate) popularity: f64,
    /// The probability that it is among the hottest.
    pub(crate) hot: f64,
    /// Its class.
    pub(crate) class: Class,
}

impl Predictions {
    /// Creates the file, or empties it, and writes the header.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::file(path))?;
        let mut predictions = Predictions { path: path.to_owned(), rows: csv::Writer::from_writer(file) };
        predictions.row([&b"window_start_ms"[..], b"key", b"popularity", b"hot", b"class"])?;
        Ok(predictions)
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, prediction: Prediction<'_>) -> Result<(), Error> {
        let (start, popularity) = (prediction.window_start_ms.to_string(), format!("{:.6}", prediction.popularity));
        let hot = format!("{:.9}", prediction.hot);
        let class = classes::NAMES.get(usize::from(prediction.class)).copied().unwrap_or_default();
        self.row([start.as_bytes(), prediction.key, popularity.as_bytes(), hot.as_bytes(), class.as_bytes()])
    }

    /// Writes what is buffered.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.rows.flush().map_err(Error::file(&self.path))
    }

    fn row<'a>(&mut self, fields: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Error> {
        self.rows.write_record(fields).map_err(|error| Error::file(&self.path)(error.into()))
    }
}

/// Writes what the engine foretells for every window of the reported part: at its beginning, each tracked key, by name. The
/// engine watches and learns as it does on a server, and sees nothing of the window before it has foretold it.
pub(crate) fn predict(trace: &Trace, setting: &Setting, into: &mut Predictions) -> Result<(), Error> {
    let from_ms = trace.times.get(setting.report_from).copied().unwrap_or(u64::MAX);
    let mut driven = Driven::new(trace, setting, Mode::Observe, Learning::On);
    for request in trace.requests(0..trace.len()) {
        while let Some(next_ms) = driven.next(request.ts_ms) {
            driven.wake(next_ms);
            let Some(start) = driven.foresight.window_started() else { continue };
            if start.as_millis() >= from_ms {
                write(&driven.foresight, start.as_millis(), into)?;
            }
        }
        driven.see(&request);
    }
    Ok(())
}

fn write(foresight: &Foresight, window_start_ms: u64, into: &mut Predictions) -> Result<(), Error> {
    let mut foretold: Vec<_> = foresight.foretold().collect();
    foretold.sort_unstable_by(|a, b| a.0.cmp(b.0));
    for (key, popularity, hot, class) in foretold {
        let (popularity, hot, class) = (f64::from(popularity), f64::from(hot), classes::number(class));
        into.add(Prediction { window_start_ms, key: key.name(), popularity, hot, class })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::replay::setting::Room;

    #[test]
    fn keys_are_quoted_where_csv_needs_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut predictions = Predictions::create(file.path()).unwrap();
        let row = Prediction { window_start_ms: 7, key: b"a,\"\xff", popularity: 0.5, hot: 0.25, class: 1 };
        predictions.add(row).unwrap();
        predictions.finish().unwrap();
        let expected = b"window_start_ms,key,popularity,hot,class\n7,\"a,\"\"\xff\",0.500000,0.250000000,trending\n";
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    }

    /// What is foretold for a trace, of which the first 30 % are not reported.
    fn foretold(trace: &Trace) -> String {
        let setting = Setting { report_from: 3, train_until: 3, ..Setting::of(100, Room::Unlimited) };
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut predictions = Predictions::create(file.path()).unwrap();
        predict(trace, &setting, &mut predictions).unwrap();
        predictions.finish().unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn a_trace_that_is_cut_at_a_windows_start_gives_the_same_rows_before() {
        let requests: Vec<(u64, u32)> = (0..3000).map(|n: u64| (n * 7, (n * n % 31) as u32)).collect();
        let whole = foretold(&Trace::of(&requests));
        let cut: Vec<_> = requests.iter().copied().take_while(|&(at, _)| at < 12_000).collect();
        let part = foretold(&Trace::of(&cut));
        let rows = |text: &str| -> Vec<String> {
            let before =
                |row: &&str| row.split(',').next().and_then(|at| at.parse().ok()).is_some_and(|at: u64| at < 12_000);
            text.lines().skip(1).filter(before).map(str::to_owned).collect()
        };
        assert!(rows(&part).len() > 1000, "{}", rows(&part).len());
        assert_eq!(rows(&whole), rows(&part));
    }
}
