//! `redmask reproduce`

use redmask::lab::recipe::builtins;
use redmask::{Error, RecipeSource, Result};

use crate::args::ReproduceArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &ReproduceArgs) -> Result<Exit> {
    let published: Vec<&str> = builtins()
        .iter()
        .map(|b| b.name)
        .filter(|name| name.contains('/'))
        .collect();
    if !published.contains(&args.experiment.as_str()) {
        return Err(Error::config(
            format!("experiment `{}`", args.experiment),
            "not a published experiment that ships with Redmask",
        )
        .with_hint(format!("there are: {}", published.join(", "))));
    }
    let source = RecipeSource::find(&args.experiment)?;
    let experiment = experiment::prepare(&source, Some(&args.profile), &args.input)?;
    experiment::execute(context, experiment, &args.output)
}
