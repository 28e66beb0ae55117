//! A visible job: a live bar on a terminal, a line every two seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of something that counts towards a total that may still grow.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    printed: Instant,
}

impl Progress {
    /// An empty bar for `what` is happening, for example "warming".
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{prefix} {bar:40.green/black} {human_pos}/{human_len} keys  {per_sec}  {eta}  {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style.progress_chars("━╸─")).with_prefix(what)
        });
        Progress { bar, printed: Instant::now() }
    }

    /// Shows that `done` of `total` are done.
    pub(crate) fn show(&mut self, done: u64, total: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message.to_owned());
        } else if self.printed.elapsed() >= LINE_INTERVAL {
            self.printed = Instant::now();
            eprintln!("{done}/{total} keys  {message}");
        }
    }

    /// Leaves the last state of the bar on the screen.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.abandon();
        }
    }
}

const LINE_INTERVAL: Duration = Duration::from_secs(2);
