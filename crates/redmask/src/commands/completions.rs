//! `redmask completions`

use clap::CommandFactory;
use clap_complete::Shell;
use redmask::{Error, Result};

use crate::args::Cli;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "redmask", &mut script);
    let script = String::from_utf8(script)
        .map_err(|_| Error::Internal("a completion script that is not UTF-8".into()))?;
    Printer::text(&script)?;
    Ok(Exit::Done)
}
