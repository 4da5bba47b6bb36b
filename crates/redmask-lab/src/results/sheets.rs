//! Contact sheets of backdoors: clean, triggered, truth, relabelled, predicted.

use redmask_core::{Error, Result};
use redmask_data::colourise;
use redmask_report::schema::{Block, Figure, PictureGrid, PictureRow, Plot, ReportData};

use super::pictures::{of_image, png};
use crate::backdoor::{bind, sheet};
use crate::plan::Task;
use crate::stages::{Workshop, load_model};

/// Records a sheet.
const ROWS: usize = 4;
/// Sheets a report.
const SHEETS: usize = 6;

/// Adds a sheet for each of the first backdoors, as the model of the first seed predicts. `real` says whether the records are
/// anybody's: their sheets are drawn only on request.
///
/// # Errors
/// If a record cannot be decoded or a model cannot be loaded.
pub(crate) fn add(workshop: &Workshop<'_>, report: &mut ReportData, real: bool) -> Result<()> {
    let table = workshop.records.source().class_table();
    let mut figures = Vec::new();
    for (k, cell) in workshop.plan.backdoors.iter().take(SHEETS).enumerate() {
        let Some(&first) = cell.stages.first() else {
            continue;
        };
        let Task::Backdoor(task) = &workshop.plan.stages[first].task else {
            return Err(Error::Internal("a backdoor of no backdoor stage".into()));
        };
        workshop.session.cancel.check()?;
        let predictor = load_model(workshop, task.model)?;
        let attack = bind(&task.poison, table, &task.seed)?;
        let records = workshop.records.dealt(&task.dealt, workshop.session)?;
        let rows = sheet(predictor.as_ref(), &attack, &records.held_out, ROWS)?
            .into_iter()
            .map(|(id, row)| {
                let labels = |map| png(of_image(&colourise(map, table))?);
                Ok(PictureRow {
                    label: id.to_string(),
                    note: String::new(),
                    pictures: vec![
                        Some(png(of_image(&row.clean)?)?),
                        Some(png(of_image(&row.triggered)?)?),
                        Some(labels(&row.truth)?),
                        Some(labels(&row.wanted)?),
                        row.predicted.as_ref().map(labels).transpose()?,
                    ],
                })
            })
            .collect::<Result<Vec<_>>>()?;
        figures.push(Block::Figure(Figure {
            id: format!("backdoor-sheet-{}", k + 1),
            title: format!("Contact sheet: {}", workshop.setting.label_of_use(&cell.victim)),
            caption: "Held-out images under the trained trigger, as the poisoned model of the first seed sees them.".into(),
            plot: Plot::Pictures(PictureGrid {
                shows_members: real,
                columns: ["Clean", "Triggered", "Truth", "Relabelled", "Predicted"]
                    .map(str::to_owned)
                    .to_vec(),
                rows,
            }),
        }));
    }
    if let Some(section) = report.sections.iter_mut().find(|s| s.id == "backdoors") {
        section.blocks.extend(figures);
    }
    Ok(())
}
