//! Failing origins in the server's log: one line a loader in [`EVERY`], however many keys fail.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::log::{self, Level};
use super::args::shown;
use super::directives::LogKeys;
use crate::engine::time::Instant;

/// How often a loader's trouble is told.
const EVERY: Duration = Duration::from_secs(10);

/// What was told of each loader. Bounded by the loaders that may be defined.
#[derive(Debug, Default)]
pub struct Troubles {
    loaders: BTreeMap<String, Trouble>,
}

#[derive(Debug)]
struct Trouble {
    told: Instant,
    untold: u64,
}

impl Troubles {
    /// Notes that a key could not be loaded, and tells of it if it is time.
    pub fn failed(&mut self, now: Instant, loader: &str, key: &[u8], reason: &str, log_keys: LogKeys) {
        if let Some(line) = self.line(now, loader, key, reason, log_keys) {
            log::line(Level::Warning, &line);
        }
    }

    /// Forgets loaders that are gone.
    pub fn keep(&mut self, is_defined: impl Fn(&str) -> bool) {
        self.loaders.retain(|name, _| is_defined(name));
    }

    fn line(&mut self, now: Instant, loader: &str, key: &[u8], reason: &str, log_keys: LogKeys) -> Option<String> {
        let untold = match self.loaders.get_mut(loader) {
            Some(trouble) if now.since(trouble.told) < EVERY => {
                trouble.untold += 1;
                return None;
            }
            Some(trouble) => std::mem::take(&mut trouble.untold),
            None => 0,
        };
        self.loaders.insert(loader.to_owned(), Trouble { told: now, untold: 0 });
        let key = match log_keys {
            LogKeys::Shown => format!(" key '{}':", shown(key)),
            LogKeys::Hidden => String::new(),
        };
        let others = if untold > 0 { format!(" ({untold} more since the last such line)") } else { String::new() };
        Some(format!("loader '{loader}':{key} {reason}{others}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_counts_the_others() {
        let mut troubles = Troubles::default();
        let mut at = |seconds: u64, log_keys| {
            troubles.line(Instant::from_micros(seconds * 1_000_000), "a", b"k:1", "a answered 503", log_keys)
        };
        assert_eq!(at(1, LogKeys::Hidden).as_deref(), Some("loader 'a': a answered 503"));
        assert_eq!(at(2, LogKeys::Hidden), None);
        assert_eq!(at(3, LogKeys::Hidden), None);
        let line = "loader 'a': key 'k:1': a answered 503 (2 more since the last such line)";
        assert_eq!(at(11, LogKeys::Shown).as_deref(), Some(line));
    }
}
