//! Progress on stderr: bars on a terminal, one line a finished stage elsewhere, nothing with `--quiet`.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use redmask::{NoProgress, ProgressSink, ProgressTask};

/// Redraws a second: enough to look alive, cheap over a slow connection.
const REFRESH: u8 = 8;

/// Where progress goes in this process.
pub(crate) fn sink(quiet: bool) -> Arc<dyn ProgressSink> {
    if quiet {
        Arc::new(NoProgress)
    } else if std::io::stderr().is_terminal() && std::env::var_os("REDMASK_NO_PROGRESS").is_none() {
        Arc::new(Bars(MultiProgress::with_draw_target(
            ProgressDrawTarget::stderr_with_hz(REFRESH),
        )))
    } else {
        Arc::new(Lines(Mutex::new(())))
    }
}

/// Bars that disappear when their task ends; lines stay.
#[derive(Debug)]
struct Bars(MultiProgress);

impl ProgressSink for Bars {
    fn start(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn ProgressTask> {
        let bar = self.0.add(ProgressBar::new(total));
        let template =
            format!("{{prefix:.bold}} {{bar:24}} {{pos}}/{{len}} {unit}s, {{eta}} left  {{msg}}");
        // The template is ours and fixed; the default style is the fallback all the same.
        bar.set_style(
            ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Box::new(Bar(bar))
    }

    fn line(&self, text: &str) {
        // A closed stderr is nobody's loss.
        let _ = self.0.println(text);
    }
}

struct Bar(ProgressBar);

impl ProgressTask for Bar {
    fn advance(&mut self, n: u64) {
        self.0.inc(n);
    }

    fn message(&mut self, text: &str) {
        self.0.set_message(text.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One line for each thing worth a line in a log.
#[derive(Debug)]
struct Lines(Mutex<()>);

impl ProgressSink for Lines {
    fn start(&self, _: &str, _: u64, _: &'static str) -> Box<dyn ProgressTask> {
        Box::new(NoProgress)
    }

    fn line(&self, text: &str) {
        let _guard = self.0.lock();
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
