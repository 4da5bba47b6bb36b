//! Learning curves of the audited models.

use redmask_core::Result;
use redmask_report::schema::{Axis, Figure, Line, LinePanel, LinePlot, Mark, Plot};
use redmask_train::{EpochRecord, SegmentationReport};

use crate::results::Context;
use crate::stages::read_log;

/// Loss on training and held-out records after each epoch, a panel for each victim and a line for each seed.
pub(super) fn learning(context: &Context<'_>) -> Result<Figure> {
    let plan = context.outcomes.plan;
    let mut panels: Vec<LinePanel> = Vec::new();
    for quality in &plan.qualities {
        let title = format!(
            "{}, {} records",
            context.setting.label(&quality.victim.model.network),
            quality.victim.train_records
        );
        let mark = Mark {
            x: f64::from(quality.victim.epoch),
            label: "audited".to_owned(),
        };
        // One training under several epochs is one panel with several marks.
        if let Some(known) = panels.iter_mut().find(|p| p.title == title) {
            known.marks.push(mark);
            continue;
        }
        let mut lines = Vec::new();
        for &training in &quality.trainings {
            let log = read_log(&context.outcomes.stage(training)?)?;
            let line = |label: &str, value: fn(&EpochRecord<SegmentationReport>) -> Option<f64>| {
                let points = log
                    .iter()
                    .filter_map(|epoch| Some([f64::from(epoch.epoch), value(epoch)?]));
                Line::new(label, points)
            };
            lines.push(line("training", |e| Some(e.train_loss)));
            let held_out = line("held out", |e| e.report.validation.map(|v| v.loss));
            if !held_out.points.is_empty() {
                lines.push(held_out);
            }
        }
        panels.push(LinePanel {
            title,
            lines,
            marks: vec![mark],
        });
    }
    Ok(Figure {
        id: "learning".to_owned(),
        title: "Learning curves".to_owned(),
        caption: "Training loss of each epoch, and the loss on held-out records where it was measured; one line for each seed."
            .to_owned(),
        plot: Plot::Lines(LinePlot {
            x: Axis::new("Epoch"),
            y: Axis::new("Loss"),
            chance: None,
            panels,
        }),
    })
}
