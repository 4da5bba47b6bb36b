//! What goes to stdout. Data only; everything else is stderr's.

use std::io::{ErrorKind, IsTerminal, Write};

use redmask::{Error, Result};
use serde::Serialize;

use crate::args::Format;

/// Text is wrapped here where stdout is no terminal.
const PLAIN_WIDTH: usize = 100;

/// Writes a command's output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
    quiet: bool,
}

impl Printer {
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// The form that was asked for.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// How wide prose may be.
    pub(crate) fn width() -> usize {
        if std::io::stdout().is_terminal() {
            let (_, columns) = console::Term::stdout().size();
            usize::from(columns).clamp(60, 140)
        } else {
            PLAIN_WIDTH
        }
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// If stdout cannot be written. A reader that went away (`| head`) is no error.
    pub(crate) fn text(text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| {
            if text.ends_with('\n') {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        });
        match written.and_then(|()| out.flush()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("stdout", "writing", e)),
            _ => Ok(()),
        }
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// As [`Printer::text`].
    pub(crate) fn json(value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::Internal(format!("output as JSON: {e}")))?;
        Self::text(&text)
    }

    /// Writes a remark to stderr, unless quiet.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
