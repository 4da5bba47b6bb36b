//! `redmask dp`: one JSON object a call, in every format.

use redmask::metrics::BinaryCounts;
use redmask::metrics::epsilon::{OneRunAudit, epsilon_lower_bound};
use redmask::{Error, Result};
use serde::Serialize;

use crate::args::{BoundArgs, DpCommand, OneRunArgs};
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(command: &DpCommand) -> Result<Exit> {
    match command {
        DpCommand::Bound(args) => bound(args)?,
        DpCommand::OneRun(args) => one_run(args)?,
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct BoundOutput {
    /// The training is not (epsilon, delta)-private for any smaller epsilon, at this confidence.
    epsilon: f64,
    delta: f64,
    alpha: f64,
    tpr: f64,
    fpr: f64,
}

fn bound(args: &BoundArgs) -> Result<()> {
    let rest = |part: u64, whole: u64, names: [&str; 2]| {
        whole.checked_sub(part).ok_or_else(|| {
            Error::config(
                names[0],
                format!("{part} is more than {}, {whole}", names[1]),
            )
        })
    };
    let counts = BinaryCounts {
        tp: args.tp,
        fn_: rest(args.tp, args.members, ["--tp", "--members"])?,
        fp: args.fp,
        tn: rest(args.fp, args.non_members, ["--fp", "--non-members"])?,
    };
    let bound = epsilon_lower_bound(&counts, args.delta, args.alpha)?;
    Printer::json(&BoundOutput {
        epsilon: bound.epsilon,
        delta: args.delta,
        alpha: args.alpha,
        tpr: args.tp as f64 / args.members as f64,
        fpr: args.fp as f64 / args.non_members as f64,
    })
}

#[derive(Serialize)]
struct OneRunOutput {
    /// The largest epsilon that the guesses rule out.
    epsilon: f64,
    delta: f64,
    significance: f64,
}

fn one_run(args: &OneRunArgs) -> Result<()> {
    let audit = OneRunAudit {
        canaries: args.canaries,
        guesses: args.guesses,
        correct: args.correct,
        delta: args.delta,
    };
    Printer::json(&OneRunOutput {
        epsilon: audit.epsilon(args.significance)?,
        delta: args.delta,
        significance: args.significance,
    })
}
