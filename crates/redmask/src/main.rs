//! The binary: parse, dispatch, print the error, exit.

mod args;
mod commands;
mod exit;
mod failure;
mod printer;
mod progress;
mod signals;

use std::process::ExitCode;

use clap::Parser;
use redmask::{CancelToken, Error, Result, Session};

use crate::args::{Cli, Command};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    redmask_nn::ops::retain_freed_memory();
    // clap itself exits with 2 on a usage error and with 0 after --help.
    let cli = Cli::parse();
    match start(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            failure::print(&error);
            Exit::of(&error).into()
        }
    }
}

fn start(cli: &Cli) -> Result<Exit> {
    if let Some(threads) = cli.global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .map_err(|e| Error::Internal(format!("{threads} worker threads: {e}")))?;
    }
    let cancel = CancelToken::default();
    signals::listen(&cancel)?;
    let context = Context {
        printer: Printer::new(cli.global.format, cli.global.quiet),
        session: Session {
            progress: progress::sink(cli.global.quiet),
            cancel,
        },
    };
    match &cli.command {
        Command::Quickstart(args) => commands::quickstart::run(&context, args),
        Command::Run(args) => commands::run::run(&context, args),
        Command::Plan(args) => commands::plan::run(&context, args),
        Command::Reproduce(args) => commands::reproduce::run(&context, args),
        Command::Audit(args) => commands::audit::run(&context, args),
        Command::Model(command) => commands::model::run(&context, command),
        Command::Report(args) => commands::report::run(&context, args),
        Command::Compare(args) => commands::compare::run(&context, args),
        Command::Data(command) => commands::data::run(&context, command),
        Command::Poison(args) => commands::poison::run(&context, args),
        Command::Dp(command) => commands::dp::run(command),
        Command::Completions { shell } => commands::completions::run(*shell),
    }
}
