//! `redmask run`

use redmask::{RecipeSource, Result};

use crate::args::RunArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<Exit> {
    let source = RecipeSource::find(&args.recipe)?;
    let experiment = experiment::prepare(&source, args.profile.as_deref(), &args.input)?;
    experiment::execute(context, experiment, &args.output)
}
