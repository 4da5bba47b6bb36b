//! One error type for everything that crosses a crate border, split by whose fault it is.

use std::path::{Path, PathBuf};

/// What went wrong, by fault. Each variant names the thing that is wrong and, where one exists, the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file the user gave us is missing, corrupt, or does not fit the others.
    #[error("{}: {problem}", path.display())]
    Input {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A value in a recipe, a flag or a configuration cannot be used.
    #[error("{what}: {problem}")]
    Config {
        /// The key, flag or argument.
        what: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An input exceeds a decode limit.
    #[error("{}: {what} is {found}, the limit is {limit}", path.display())]
    Limit {
        /// The file at fault.
        path: PathBuf,
        /// The limited quantity, with its unit.
        what: &'static str,
        /// What the file declares.
        found: u64,
        /// What we accept.
        limit: u64,
    },
    /// The operating system refused.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What we tried, as a noun ("reading", "writing", "creating").
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The model or data set cannot do what was asked of it.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be done.
        reason: String,
    },
    /// The numbers went wrong (NaN loss, degenerate statistics).
    #[error("{what}: {problem}")]
    Numeric {
        /// The quantity.
        what: String,
        /// What happened to it.
        problem: String,
    },
    /// The user interrupted the run; it can be resumed.
    #[error("interrupted; run the same command again to resume")]
    Interrupted,
    /// A bug of ours.
    #[error("internal error: {0}; please report this")]
    Internal(String),
}

/// The result of fallible operations across Redmask.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A bad file, without a hint.
    pub fn input(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Input {
            path: path.as_ref().to_owned(),
            problem: problem.into(),
            hint: None,
        }
    }

    /// A bad configuration value, without a hint.
    pub fn config(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config {
            what: what.into(),
            problem: problem.into(),
            hint: None,
        }
    }

    /// A failed system call.
    pub fn io(path: impl AsRef<Path>, action: &'static str, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_owned(),
            action,
            source,
        }
    }

    /// Something the model or data set cannot do.
    pub fn unsupported(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// A quantity that went wrong.
    pub fn numeric(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Numeric {
            what: what.into(),
            problem: problem.into(),
        }
    }

    /// Adds what to do about it, where the variant can carry a hint.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Input { hint, .. } | Self::Config { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What to do about it, if known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Input { hint, .. } | Self::Config { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}
