//! What was predicted, as CSV, so that it can be scored elsewhere: one row for each window and key that was thought of.
//!
//! The columns: `window_start_ms`; `key`, quoted where CSV needs it; `popularity`, the requests expected in the window;
//! `hot`, 1 if the key is thought to be among the hottest; `class`. Rows are buffered, 8 KiB.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::classes::{self, Class};
use super::heat::Heat;
use super::setting::Setting;
use super::trace::Trace;
use crate::cli::error::Error;

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
    /// Among the hottest.
    pub(crate) hot: bool,
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
        let hot: &[u8] = if prediction.hot { b"1" } else { b"0" };
        let class = classes::NAMES.get(usize::from(prediction.class)).copied().unwrap_or_default();
        self.row([start.as_bytes(), prediction.key, popularity.as_bytes(), hot, class.as_bytes()])
    }

    /// Writes what is buffered.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.rows.flush().map_err(Error::file(&self.path))
    }

    fn row<'a>(&mut self, fields: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Error> {
        self.rows.write_record(fields).map_err(|error| Error::file(&self.path)(error.into()))
    }
}

/// Writes what [`Heat`] expects of every window of the reported part: at its beginning, each key that is still warm. The
/// same rule as the classes', and a baseline for better ones.
pub(crate) fn predict(trace: &Trace, setting: &Setting, into: &mut Predictions) -> Result<(), Error> {
    let (first_ms, last_ms) = trace.span();
    let from_ms = trace.times.get(setting.report_from).copied().unwrap_or(last_ms);
    let mut heat = Heat::new(trace.distinct(), setting.window_ms, setting.hot_share, first_ms);
    let mut window_start_ms = first_ms;
    for request in trace.requests(0..trace.len()) {
        while request.ts_ms >= window_start_ms.saturating_add(setting.window_ms) {
            window_start_ms = window_start_ms.saturating_add(setting.window_ms);
            heat.advance(window_start_ms);
            let mut expected: Vec<_> = heat.expected().collect();
            if expected.is_empty() {
                // A silence: straight to the window of the next request.
                let windows = (request.ts_ms - window_start_ms) / setting.window_ms;
                window_start_ms += windows * setting.window_ms;
            }
            expected.sort_unstable_by_key(|&(key, _)| key);
            if window_start_ms < from_ms {
                continue;
            }
            for (key, popularity) in expected {
                let hot = heat.is_hot(key);
                let (name, class) = (trace.names.name(key), Class::from(hot));
                into.add(Prediction { window_start_ms, key: name, popularity, hot, class })?;
            }
        }
        heat.advance(request.ts_ms);
        heat.count(request.key);
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
        let row = Prediction { window_start_ms: 7, key: b"a,\"\xff", popularity: 0.5, hot: true, class: 1 };
        predictions.add(row).unwrap();
        predictions.finish().unwrap();
        let expected = b"window_start_ms,key,popularity,hot,class\n7,\"a,\"\"\xff\",0.500000,1,popular\n";
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    }

    #[test]
    fn every_window_of_the_reported_part_is_predicted_from_what_came_before() {
        let trace = Trace::of(&[(0, 0), (10, 1), (150, 0), (250, 1), (420, 0)]);
        let setting = Setting { report_from: 2, ..Setting::of(100, Room::Unlimited) };
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut predictions = Predictions::create(file.path()).unwrap();
        predict(&trace, &setting, &mut predictions).unwrap();
        predictions.finish().unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let starts: Vec<_> = text.lines().skip(1).map(|row| row.split_once(',').unwrap().0).collect();
        assert_eq!(starts, ["200", "200", "300", "300", "400", "400"]);
    }
}
