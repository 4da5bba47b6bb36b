//! Errors as people see them: what is wrong, where, and the way out.

use redmask::Error;

/// An error with its hint, for miette to print.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    #[help]
    hint: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            hint: error
                .hint()
                .map(str::to_owned)
                .or_else(|| general_hint(error)),
        }
    }
}

/// The way out of errors that cannot carry their own.
fn general_hint(error: &Error) -> Option<String> {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Some("free some space, or choose another place with --out or --store; finished stages are kept".to_owned())
        }
        Error::Limit { .. } => Some("files beyond the decode limits are refused: they may be hostile".to_owned()),
        _ => None,
    }
}

/// Prints an error to stderr. `NO_COLOR` and a stderr that is no terminal turn colours off.
pub(crate) fn print(error: &Error) {
    let report = miette::Report::new(Failure::from(error));
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{report:?}\n"));
}
