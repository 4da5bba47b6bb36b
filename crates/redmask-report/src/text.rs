//! The printed form: what the terminal shows at the end of a run.

use std::fmt::Write as _;

use crate::Report;
use crate::gate::GateOutcome;
use crate::grid::{Entry, Grid};
use crate::names::Names;
use crate::number::{bytes, duration};
use crate::schema::{Results, Table};
use crate::summary::Summary;

/// Narrower than this a table is not worth wrapping for.
const LEAST_WIDTH: usize = 40;

/// Summary, tables, gates and warnings as plain text, prose wrapped at `width` columns.
pub fn render(report: &Report, gates: &[GateOutcome], width: usize) -> String {
    let width = width.max(LEAST_WIDTH);
    let names = Names::of(&report.data);
    let summary = Summary::of(&report.results, &names);
    let mut out = String::new();
    paragraph(&mut out, "", &report.data.title, width);
    out.push('\n');
    paragraph(&mut out, "", &summary.headline, width);
    out.push('\n');
    for sentence in &summary.sentences {
        paragraph(&mut out, "- ", &sentence.text, width);
    }
    for shown in report.data.tables() {
        out.push('\n');
        out.push_str(&table(shown, &report.results));
    }
    if !gates.is_empty() {
        out.push('\n');
    }
    for gate in gates {
        let state = if gate.passed() { "passed" } else { "FAILED" };
        paragraph(&mut out, "", &format!("gate {state}: {}", gate.gate), width);
        for (key, number) in &gate.failures {
            paragraph(&mut out, "  ", &format!("{key} is {number:.4}"), width);
        }
    }
    if !report.results.warnings().is_empty() {
        out.push('\n');
    }
    for warning in report.results.warnings() {
        paragraph(
            &mut out,
            "",
            &format!("warning: {}", warning.message),
            width,
        );
    }
    out.push('\n');
    out.push_str(&cost(report));
    out
}

fn cost(report: &Report) -> String {
    let provenance = &report.provenance;
    let stages = provenance.stages.len();
    let cached = provenance.stages.iter().filter(|s| s.cached).count();
    let memory = provenance
        .peak_memory_bytes
        .map(|b| format!(", {} of memory", bytes(b)));
    format!(
        "{} in {}{}; {cached} of {stages} stages were in the store\n",
        provenance.profile,
        duration(provenance.wall_seconds),
        memory.unwrap_or_default()
    )
}

/// One table, columns aligned: text to the left, numbers to the right.
pub fn table(table: &Table, results: &Results) -> String {
    let grid = Grid::of(table, results);
    let mut columns: Vec<Column> = Vec::new();
    for (i, head) in grid.heads.iter().enumerate() {
        let cells = |print: &dyn Fn(Entry<'_>) -> String| {
            grid.rows
                .iter()
                .map(|row| row.get(i).map_or_else(String::new, |e| print(*e)))
                .collect()
        };
        let Some(style) = head.style else {
            columns.push(Column::new(
                head.label.clone(),
                false,
                cells(&|e| match e {
                    Entry::Text(text) => text.to_owned(),
                    _ => String::new(),
                }),
            ));
            continue;
        };
        let label = match style.suffix().trim() {
            "" => head.label.clone(),
            unit => format!("{} ({unit})", head.label),
        };
        columns.push(Column::new(
            label,
            true,
            cells(&|e| match e {
                Entry::Measured(m) => style.bare(m.value),
                Entry::Missing { reason, .. } => reason.to_owned(),
                Entry::Text(text) => text.to_owned(),
            }),
        ));
        let interval = cells(&|e| match e {
            Entry::Measured(m) => m.bounds().map(|b| style.interval(b)).unwrap_or_default(),
            _ => String::new(),
        });
        columns.push(Column::new("95 % interval".into(), true, interval));
        if head.published {
            columns.push(Column::new(
                "published".into(),
                true,
                cells(&|e| {
                    e.published()
                        .map(|p| style.bare(p.value))
                        .unwrap_or_default()
                }),
            ));
            columns.push(Column::new(
                "difference".into(),
                true,
                cells(&|e| e.difference().map(|d| style.signed(d)).unwrap_or_default()),
            ));
        }
    }
    columns.retain(|c| !c.label.is_empty() || c.cells.iter().any(|cell| !cell.is_empty()));
    let mut out = format!("{}\n", table.title);
    let mut line = |cell: &dyn Fn(&Column) -> String| {
        let cells = columns.iter().map(|c| c.pad(&cell(c))).collect::<Vec<_>>();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    };
    line(&|c| c.label.clone());
    line(&|c| "-".repeat(c.width));
    for row in 0..grid.rows.len() {
        line(&|c| c.cells[row].clone());
    }
    out
}

struct Column {
    label: String,
    right: bool,
    cells: Vec<String>,
    width: usize,
}

impl Column {
    fn new(label: String, right: bool, cells: Vec<String>) -> Self {
        let widths = cells
            .iter()
            .chain([&label])
            .map(|text| text.chars().count());
        Self {
            width: widths.max().unwrap_or(0),
            label,
            right,
            cells,
        }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.right {
            format!("{text:>width$}")
        } else {
            format!("{text:<width$}")
        }
    }
}

/// Wraps at spaces; lines after the first are indented as far as `lead`.
fn paragraph(out: &mut String, lead: &str, text: &str, width: usize) {
    let indent = lead.chars().count();
    out.push_str(lead);
    let mut at = indent;
    for (i, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && at + 1 + length > width {
            // Writing into a String cannot fail.
            let _ = write!(out, "\n{:indent$}", "");
            at = indent;
        } else if i > 0 {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Cell, Measurement, Provenance, ReportData, Unit, Warning};

    #[test]
    fn the_terminal_shows_answer_tables_and_warnings() {
        let auc = Measurement::new("membership.global_loss.auc", Unit::Fraction, 0.81)
            .interval(0.775, 0.842)
            .records(200, 200);
        let accuracy = Measurement::new("membership.global_loss.accuracy", Unit::Fraction, 0.741)
            .interval(0.7, 0.78)
            .published(0.806, "Table 3");
        let mut shown = Table::new("t", "Attacks", &["Attack", "AUC", "Accuracy"]);
        shown.push([
            Cell::text("Global loss"),
            Cell::measured(&auc),
            Cell::measured(&accuracy),
        ]);
        shown.push([
            Cell::text("Type-I"),
            Cell::missing("not run"),
            Cell::missing("not run"),
        ]);
        let mut data = ReportData::new("Quickstart", "quickstart", "small");
        data.sections.push(crate::schema::Section {
            id: "s".into(),
            title: "S".into(),
            lead: String::new(),
            blocks: vec![crate::schema::Block::Table(shown)],
        });
        let warning = Warning::new("no-imagenet-weights", "The encoders started from scratch.");
        let results = Results::new(vec![auc, accuracy], vec![warning]).unwrap();
        let provenance = Provenance {
            profile: "small".into(),
            wall_seconds: 250.0,
            ..Provenance::new()
        };
        let report = Report::new(results, provenance, data).unwrap();
        let gates =
            crate::gate::Gate::judge_all(&["membership.*.auc.low > 0.6".into()], &report.results)
                .unwrap();
        insta::assert_snapshot!(render(&report, &gates, 80));
    }
}
