//! `redmask report`

use redmask::report::gate::Gate;
use redmask::{Report, Result, RunOutcome};

use crate::args::ReportArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &ReportArgs) -> Result<Exit> {
    let mut report = Report::read(&args.out)?;
    if !args.show_members {
        report.data = report.data.without_members();
    }
    report.draw(&args.out)?;
    let gates = Gate::judge_all(&report.data.gates, &report.results)?;
    let outcome = RunOutcome { report, gates };
    experiment::print(context, &outcome)?;
    context.printer.note(&format!(
        "report: {}",
        args.out.join("report.html").display()
    ));
    Ok(experiment::verdict(&outcome))
}
