//! Held-out images with their truth and what each model makes of them (Figure 5 of Chobola et al., arXiv 2212.01082). Drawn when
//! the report is, never stored with the stages.

use redmask_core::{Error, Result, SegDataset};
use redmask_report::schema::{Block, Figure, PictureGrid, PictureRow, Plot, ReportData, Section};

use crate::plan::Task;
use crate::recipe::FigureConfig;
use crate::results::pictures::{of_image, of_labels, png};
use crate::stages::{Workshop, load_model};

/// Where the recipe's tables and figures are.
const SECTION: &str = "reproduced";

/// Adds every figure of this kind. `procedural` says that no picture can show anybody's record.
///
/// # Errors
/// If a record cannot be decoded or a model cannot be loaded.
pub(crate) fn add(
    workshop: &Workshop<'_>,
    report: &mut ReportData,
    procedural: bool,
) -> Result<()> {
    for config in &workshop.setting.recipe.figure {
        let FigureConfig::Panels {
            id,
            title,
            models,
            records,
        } = config
        else {
            continue;
        };
        let figure = Figure {
            id: id.clone(),
            title: title.clone(),
            caption: "Held-out records of the first seed's victims, in dealing order.".to_owned(),
            plot: Plot::Pictures(grid(workshop, models, *records, procedural)?),
        };
        section(report).blocks.push(Block::Figure(figure));
    }
    Ok(())
}

fn section(report: &mut ReportData) -> &mut Section {
    let at = report.sections.iter().position(|s| s.id == SECTION);
    let at = at.unwrap_or_else(|| {
        report.sections.insert(
            0,
            Section {
                id: SECTION.to_owned(),
                title: "Measured beside published".to_owned(),
                lead: String::new(),
                blocks: Vec::new(),
            },
        );
        0
    });
    &mut report.sections[at]
}

fn grid(
    workshop: &Workshop<'_>,
    models: &[String],
    records: usize,
    procedural: bool,
) -> Result<PictureGrid> {
    let mut columns = vec!["Image".to_owned(), "Truth".to_owned()];
    let mut rows: Vec<PictureRow> = Vec::new();
    for name in models {
        let cell = workshop
            .plan
            .qualities
            .iter()
            .find(|q| q.victim.reference.to_string() == *name)
            .ok_or_else(|| Error::Internal(format!("no victim {name} for its panel")))?;
        let model = *cell
            .models
            .first()
            .ok_or_else(|| Error::Internal("a quality of no training".into()))?;
        let Task::Train(task) = &workshop.plan.stages[model.stage].task else {
            return Err(Error::Internal("a quality of no training".into()));
        };
        let held_out = workshop
            .records
            .dealt(&task.dealt, workshop.session)?
            .held_out;
        let predictor = load_model(workshop, model)?;
        columns.push(workshop.setting.label_of_defence(&cell.victim));
        for position in 0..records.min(held_out.len()) {
            workshop.session.cancel.check()?;
            let sample = held_out.sample(position)?;
            let table = held_out.class_table();
            if rows.len() <= position {
                rows.push(PictureRow {
                    label: sample.id.to_string(),
                    note: String::new(),
                    pictures: vec![
                        Some(png(of_image(&sample.image)?)?),
                        Some(png(of_labels(&sample.labels, table)?)?),
                    ],
                });
            }
            let predicted = predictor.predict(&[&sample])?.labels();
            rows[position]
                .pictures
                .push(Some(png(of_labels(&predicted[0], table)?)?));
        }
    }
    Ok(PictureGrid {
        shows_members: !procedural,
        columns,
        rows,
    })
}
