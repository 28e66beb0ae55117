//! A visible job: a live bar on a terminal, a line every two seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of something that counts towards a total that may still grow.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    elsewhere: Elsewhere,
    printed: Instant,
}

/// What is shown where there is no terminal.
enum Elsewhere {
    Lines,
    Nothing,
}

impl Progress {
    /// An empty bar for `what` is happening to keys, for example "warming"; lines where there is no terminal.
    pub(crate) fn new(what: &'static str) -> Self {
        Progress { bar: bar(what, "keys"), elsewhere: Elsewhere::Lines, printed: Instant::now() }
    }

    /// An empty bar for `what` is happening to `units`, for example "reading" "bytes"; nothing where there is no terminal.
    pub(crate) fn on_terminal(what: &'static str, units: &str) -> Self {
        Progress { bar: bar(what, units), elsewhere: Elsewhere::Nothing, printed: Instant::now() }
    }

    /// Shows that `done` of `total` are done.
    pub(crate) fn show(&mut self, done: u64, total: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message.to_owned());
        } else if matches!(self.elsewhere, Elsewhere::Lines) && self.printed.elapsed() >= LINE_INTERVAL {
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

fn bar(what: &'static str, units: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let template = format!(
            "{{prefix}} {{bar:40.green/black}} {{human_pos}}/{{human_len}} {units}  {{per_sec}}  {{eta}}  {{msg}}"
        );
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style.progress_chars("━╸─")).with_prefix(what)
    })
}

const LINE_INTERVAL: Duration = Duration::from_secs(2);
