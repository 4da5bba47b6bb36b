//! `redmask quickstart`

use redmask::{RecipeSource, Result};

use crate::args::QuickstartArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &QuickstartArgs) -> Result<Exit> {
    let source = RecipeSource::find("quickstart")?;
    let experiment = experiment::prepare(&source, None, &args.input)?;
    experiment::execute(context, experiment, &args.output)
}
