//! Exit codes: part of the contract with scripts.

use std::process::ExitCode;

use redmask::Error;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and every gate passed.
    Done,
    /// Done, and a gate failed: a finding.
    Finding,
    /// It could not be done: usage, configuration, input, system.
    Failed,
    /// Interrupted; the same command resumes.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Finding => 1,
            Self::Failed => 2,
            Self::Interrupted => 130,
        }
    }

    /// How a command that failed with `error` ended.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Interrupted => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
