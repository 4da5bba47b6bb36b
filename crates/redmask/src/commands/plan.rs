//! `redmask plan`

use std::fmt::Write as _;

use redmask::lab::plan::{Estimate, Estimator, Plan};
use redmask::lab::recipe::builtins;
use redmask::{Experiment, RecipeSource, Result};
use serde::Serialize;

use crate::args::{Format, PlanArgs};
use crate::commands::{Context, experiment};
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(context: &Context, args: &PlanArgs) -> Result<Exit> {
    let Some(name) = &args.recipe else {
        list(context)?;
        return Ok(Exit::Done);
    };
    let source = RecipeSource::find(name)?;
    if args.show_text {
        Printer::text(source.text())?;
        return Ok(Exit::Done);
    }
    let profiles = source.profiles()?;
    let default = profiles.iter().find(|p| *p == "small").map(String::as_str);
    let experiment =
        experiment::prepare(&source, args.profile.as_deref().or(default), &args.input)?;
    let destination = experiment::destination(&experiment.recipe.name, &args.place, false);
    let plan = experiment.plan()?;
    let root = destination.store_root();
    let estimate = Estimator::from_store(&root).estimate(&plan, &root);
    match context.printer.format() {
        Format::Text => Printer::text(&render(&experiment, &plan, &estimate))?,
        Format::Json => Printer::json(&summary(&experiment, &plan, &estimate))?,
        Format::Csv => Printer::text(&csv(&plan, &estimate))?,
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct ListedRecipe {
    name: &'static str,
    title: String,
    profiles: Vec<String>,
    /// Minutes on two cores at the profile `small`, or as written.
    minutes: Option<f64>,
    roles: Vec<String>,
}

fn list(context: &Context) -> Result<()> {
    let mut recipes = Vec::new();
    for builtin in builtins() {
        let source = RecipeSource::find(builtin.name)?;
        let profiles = source.profiles()?;
        let small = profiles.iter().find(|p| *p == "small").map(String::as_str);
        let (recipe, _) = source.resolve(small)?;
        recipes.push(ListedRecipe {
            name: builtin.name,
            title: recipe.title,
            profiles,
            minutes: recipe.budget.map(|b| b.minutes),
            roles: recipe.data.into_keys().collect(),
        });
    }
    if context.printer.format() == Format::Json {
        return Printer::json(&recipes);
    }
    let width = recipes.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for recipe in &recipes {
        let minutes = recipe
            .minutes
            .map_or_else(|| "?".to_owned(), |m| format!("{m:.0}"));
        let _ = writeln!(
            text,
            "{:width$}  {minutes:>4} min  {}  [data: {}]",
            recipe.name,
            recipe.title,
            recipe.roles.join(", ")
        );
    }
    text.push_str("\nMinutes are for two cores at the profile `small`.\n");
    Printer::text(&text)
}

#[derive(Serialize)]
struct PlanSummary {
    recipe: String,
    profile: String,
    data: String,
    seeds: Vec<u64>,
    seconds: f64,
    memory_bytes: f64,
    disk_bytes: f64,
    rates_measured: bool,
    stages: Vec<StageSummary>,
}

#[derive(Serialize)]
struct StageSummary {
    key: String,
    kind: &'static str,
    label: String,
    state: &'static str,
    seconds: f64,
    inputs: Vec<usize>,
}

fn summary(experiment: &Experiment, plan: &Plan, estimate: &Estimate) -> PlanSummary {
    let stages = plan.stages.iter().zip(&estimate.stages);
    PlanSummary {
        recipe: experiment.recipe.name.clone(),
        profile: experiment.profile.clone(),
        data: experiment.data.name(),
        seeds: experiment.seeds.clone(),
        seconds: estimate.seconds,
        memory_bytes: estimate.memory,
        disk_bytes: estimate.disk,
        rates_measured: estimate.measured,
        stages: stages
            .map(|(stage, (state, seconds))| StageSummary {
                key: stage.key.hash.to_hex(),
                kind: stage.key.kind.as_str(),
                label: stage.label.clone(),
                state: state.as_str(),
                seconds: *seconds,
                inputs: stage.inputs.clone(),
            })
            .collect(),
    }
}

fn render(experiment: &Experiment, plan: &Plan, estimate: &Estimate) -> String {
    let data = &experiment.data;
    let substitution = if data.substituted {
        format!(", standing in for {}", data.expected)
    } else {
        String::new()
    };
    let mut text = format!(
        "{} at profile {}, data {}{substitution}, {} seed(s)\n\n",
        experiment.recipe.title,
        experiment.profile,
        data.name(),
        experiment.seeds.len()
    );
    for (stage, (state, seconds)) in plan.stages.iter().zip(&estimate.stages) {
        let time = if *seconds >= 0.5 {
            duration(*seconds)
        } else {
            String::new()
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{:8} {:>8}  {:12}  {}",
            state.as_str(),
            time,
            stage.key.hash.short(),
            stage.label
        );
    }
    let cached = estimate
        .stages
        .iter()
        .filter(|(state, _)| state.as_str() == "cached")
        .count();
    let basis = if estimate.measured {
        "from stages that ran here"
    } else {
        "from a guess for two cores; better after the first training"
    };
    let _ = write!(
        text,
        "\n{cached} of {} stages cached; about {} to go ({basis}), {:.1} GB of memory, {:.0} MB of disk\n",
        plan.stages.len(),
        duration(estimate.seconds),
        estimate.memory / 1e9,
        (estimate.disk / 1e6).ceil(),
    );
    if let Some(budget) = experiment.recipe.budget {
        let _ = writeln!(
            text,
            "the recipe's budget on two cores: {:.0} minutes",
            budget.minutes
        );
    }
    text
}

fn csv(plan: &Plan, estimate: &Estimate) -> String {
    let mut text = String::from("key,kind,state,seconds,label\n");
    for (stage, (state, seconds)) in plan.stages.iter().zip(&estimate.stages) {
        let _ = writeln!(
            text,
            "{},{},{},{seconds:.1},\"{}\"",
            stage.key.hash.to_hex(),
            stage.key.kind,
            state.as_str(),
            stage.label.replace('"', "\"\"")
        );
    }
    text
}

fn duration(seconds: f64) -> String {
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else if seconds < 6000.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
