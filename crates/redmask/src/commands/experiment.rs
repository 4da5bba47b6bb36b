//! What `quickstart`, `run`, `reproduce` and `plan` have in common: from a recipe's name to a run, from a run to stdout.

use std::path::PathBuf;

use redmask::lab::initial_weights;
use redmask::report::{csv, text};
use redmask::{Destination, Experiment, RecipeSource, Result, RunOutcome, bind};

use crate::args::{Format, InputArgs, OutputArgs, PlaceArgs};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

/// Resolves a recipe and opens its data.
pub(super) fn prepare(
    source: &RecipeSource,
    profile: Option<&str>,
    input: &InputArgs,
) -> Result<Experiment> {
    let (mut recipe, profile) = source.resolve(profile)?;
    if let Some(precision) = input.precision {
        recipe.training.precision = precision.checked()?;
    }
    let data = bind(&recipe, &input.data)?;
    let weights = initial_weights(&recipe, &input.weights)?;
    let count = input.seeds.unwrap_or(recipe.seeds);
    Ok(Experiment {
        seeds: (0..count).map(|i| input.seed.wrapping_add(i)).collect(),
        recipe,
        profile,
        data,
        weights,
        show_members: false,
    })
}

/// The folders of a run.
pub(super) fn destination(recipe: &str, place: &PlaceArgs, force: bool) -> Destination {
    let default = || PathBuf::from("redmask-out").join(recipe);
    Destination {
        out: place.out.clone().unwrap_or_else(default),
        store: place.store.clone(),
        force,
    }
}

/// Runs an experiment and prints what it found.
pub(super) fn execute(
    context: &Context,
    mut experiment: Experiment,
    output: &OutputArgs,
) -> Result<Exit> {
    experiment.show_members = output.show_members;
    let destination = destination(&experiment.recipe.name, &output.place, output.force);
    let data = &experiment.data;
    if data.substituted {
        context.printer.note(&format!(
            "data: {} stands in for {}",
            data.name(),
            data.expected
        ));
    }
    let command: Vec<String> = std::env::args().collect();
    let outcome = redmask::run(&experiment, &destination, &command, &context.session)?;
    print(context, &outcome)?;
    context.printer.note(&format!(
        "report: {}",
        destination.out.join("report.html").display()
    ));
    Ok(verdict(&outcome))
}

/// Prints a run's results in the form that was asked for.
pub(super) fn print(context: &Context, outcome: &RunOutcome) -> Result<()> {
    let printer = context.printer;
    match printer.format() {
        Format::Text => Printer::text(&text::render(
            &outcome.report,
            &outcome.gates,
            Printer::width(),
        )),
        Format::Json => Printer::json(&outcome.report.results),
        Format::Csv => Printer::text(&csv::measurements(&outcome.report.results)?),
    }
}

/// A failed gate is a finding.
pub(super) fn verdict(outcome: &RunOutcome) -> Exit {
    if outcome
        .gates
        .iter()
        .all(redmask::report::gate::GateOutcome::passed)
    {
        Exit::Done
    } else {
        Exit::Finding
    }
}
