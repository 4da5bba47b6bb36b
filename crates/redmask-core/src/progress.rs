//! How long work reports itself, without knowing who listens.

use std::sync::Arc;

use crate::CancelToken;

/// Where progress goes: bars on a terminal, lines in a log, nowhere in tests.
pub trait ProgressSink: Send + Sync + std::fmt::Debug {
    /// Announces a task of `total` units (`"epoch"`, `"image"`). The task ends when the handle is dropped.
    fn start(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn ProgressTask>;

    /// Says one line that outlives the task (a warning, a finished stage).
    fn line(&self, text: &str);
}

/// A running task.
pub trait ProgressTask: Send {
    /// Moves on by `n` units.
    fn advance(&mut self, n: u64);

    /// Shows a short state beside the bar, such as the current loss.
    fn message(&mut self, text: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn start(&self, _: &str, _: u64, _: &'static str) -> Box<dyn ProgressTask> {
        Box::new(Self)
    }

    fn line(&self, _: &str) {}
}

impl ProgressTask for NoProgress {
    fn advance(&mut self, _: u64) {}

    fn message(&mut self, _: &str) {}
}

/// What every long operation is handed: where to report, and when to stop.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where progress goes.
    pub progress: Arc<dyn ProgressSink>,
    /// Polled between steps.
    pub cancel: CancelToken,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            progress: Arc::new(NoProgress),
            cancel: CancelToken::default(),
        }
    }
}
