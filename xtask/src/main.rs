//! Repository chores. `cargo xtask help` lists them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

mod ci;
mod controls;
mod edges;
mod generate;
mod record;
mod sizes;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  ci                 format, lints, docs, edges, sizes, generated files, tests (what .ci/run runs)
  edges              check the crates' dependencies against the allowed-edge table
  sizes              list Rust files over 500 lines; fail over 800
  record OUT FILE    write what a finished run measured as Markdown, for docs/results
  controls REDMASK RECIPE [SEEDS [OUT]] [-- ARGS]
                     run a recipe with many seeds (20) and count how often each control's interval covers 0.5;
                     a second call resumes; ARGS go to `redmask run`
  generate [--check] write docs/reference/cli.md from the binary's help (or check that it is current)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.first().map(String::as_str) {
        Some("ci") => ci::run(),
        Some("edges") => edges::check(),
        Some("sizes") => sizes::check(),
        Some("record") => record::run(&args[1..]),
        Some("controls") => controls::run(&args[1..]),
        Some("generate") => generate::run(args.iter().any(|a| a == "--check")),
        Some("help") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("no command {other:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
