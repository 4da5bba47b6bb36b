//! `redmask report`

use redmask::report::html::Options;
use redmask::{Report, Result, RunOutcome};

use crate::args::ReportArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &ReportArgs) -> Result<Exit> {
    let report = Report::read(&args.out)?;
    let options = Options {
        show_members: args.show_members,
    };
    let gates = report.draw(&args.out, options)?;
    let outcome = RunOutcome { report, gates };
    experiment::print(context, &outcome)?;
    context.printer.note(&format!(
        "report: {}",
        args.out.join("report.html").display()
    ));
    Ok(experiment::verdict(&outcome))
}
