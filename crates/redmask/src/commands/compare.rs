//! `redmask compare`

use redmask::report::compare::Comparison;
use redmask::{Error, Report, Result};

use crate::args::{CompareArgs, Format};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(context: &Context, args: &CompareArgs) -> Result<Exit> {
    let before = Report::read(&args.before)?;
    let after = Report::read(&args.after)?;
    let comparison = Comparison::of(&before, &after, &args.ignore)?;
    match context.printer.format() {
        Format::Text => Printer::text(&comparison.to_text())?,
        Format::Json => Printer::json(&comparison)?,
        Format::Csv => {
            return Err(Error::unsupported(
                "a comparison as CSV",
                "it is a report; use --format json, or join the two tables/measurements.csv",
            ));
        }
    }
    let newly_failed = comparison
        .gates
        .iter()
        .any(|gate| gate.after == Some(false) && gate.before != Some(false));
    Ok(if newly_failed {
        Exit::Finding
    } else {
        Exit::Done
    })
}
