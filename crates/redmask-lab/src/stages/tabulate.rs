//! Turns outcomes into measurements, tables and figures.

use redmask_core::Result;
use serde_json::{Value, json};

use super::Workshop;
use crate::results::{RECORDS, tabulate};
use crate::store::Slot;

/// The measurements, as `OUT/results.json` will have them.
pub(crate) const RESULTS: &str = "results.json";
/// What is drawn besides them.
pub(crate) const REPORT_DATA: &str = "report-data.json";

pub(super) fn run(workshop: &Workshop<'_>, slot: &Slot) -> Result<Value> {
    let tabulated = tabulate(
        workshop.setting,
        &workshop.outcomes(),
        workshop.records.source(),
    )?;
    slot.write_json(RESULTS, &tabulated.results)?;
    slot.write_json(REPORT_DATA, &tabulated.report)?;
    if let Some(records) = &tabulated.records {
        slot.write(RECORDS, records.as_bytes())?;
    }
    Ok(json!({ "recipe": workshop.setting.recipe }))
}
