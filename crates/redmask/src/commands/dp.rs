//! `redmask dp`: one JSON object a call, in every format.

use redmask::metrics::BinaryCounts;
use redmask::metrics::accountant::{Accountant, NoiseTarget, SampledGaussian, noise_for, spent};
use redmask::metrics::epsilon::{OneRunAudit, epsilon_lower_bound};
use redmask::{Error, Result};
use serde::Serialize;

use crate::args::{AccountantArg, BoundArgs, DpCommand, EpsilonArgs, NoiseArgs, OneRunArgs};
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(command: &DpCommand) -> Result<Exit> {
    match command {
        DpCommand::Bound(args) => bound(args)?,
        DpCommand::OneRun(args) => one_run(args)?,
        DpCommand::Epsilon(args) => epsilon(args)?,
        DpCommand::Noise(args) => noise(args)?,
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

impl From<AccountantArg> for Accountant {
    fn from(arg: AccountantArg) -> Self {
        match arg {
            AccountantArg::Rdp => Self::Rdp,
            AccountantArg::Pld => Self::Pld,
        }
    }
}

#[derive(Serialize)]
struct EpsilonOutput {
    /// An upper bound under add-or-remove-one neighbours.
    epsilon: f64,
    delta: f64,
    accountant: Accountant,
    /// The Renyi order that gave the bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<f64>,
    /// The order is the first or the last one tried; another grid might give less.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    order_at_edge: bool,
}

fn epsilon(args: &EpsilonArgs) -> Result<()> {
    let steps = SampledGaussian::new(args.sample_rate, args.noise, args.steps)?;
    let spent = spent(&[steps], args.delta, args.accountant.into())?;
    if !spent.epsilon.is_finite() {
        return Err(Error::config(
            "--noise",
            format!("with {} no finite epsilon holds", args.noise),
        ));
    }
    Printer::json(&EpsilonOutput {
        epsilon: spent.epsilon,
        delta: spent.delta,
        accountant: spent.accountant,
        order: spent.order,
        order_at_edge: spent.order_at_edge,
    })
}

#[derive(Serialize)]
struct NoiseOutput {
    /// The least noise multiplier whose epsilon does not exceed the target.
    noise: f64,
    /// The epsilon it has.
    epsilon: f64,
    target_epsilon: f64,
    delta: f64,
    accountant: Accountant,
}

fn noise(args: &NoiseArgs) -> Result<()> {
    let accountant = args.accountant.into();
    let target = NoiseTarget::new(
        args.target_epsilon,
        args.delta,
        args.sample_rate,
        args.steps,
    );
    let noise = noise_for(&target, accountant)?;
    let steps = SampledGaussian::new(args.sample_rate, noise, args.steps)?;
    Printer::json(&NoiseOutput {
        noise,
        epsilon: spent(&[steps], args.delta, accountant)?.epsilon,
        target_epsilon: args.target_epsilon,
        delta: args.delta,
        accountant,
    })
}
