//! `report-data.json`: what is drawn besides the measurements, so that `redmask report OUT` draws without computing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redmask_core::{Error, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::file;
use super::{Cell, ExposedRecords, Figure, MeasurementKey, Plot, Results, Table};

/// The version of `report-data.json` that this build reads and writes.
pub const REPORT_DATA_VERSION: u32 = 1;

/// Curves and pictures make this the largest of the three files.
const MAX_BYTES: u64 = 1 << 30;

/// What the lab hands over to be drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportData {
    /// [`REPORT_DATA_VERSION`].
    pub schema_version: u32,
    /// The report's title.
    pub title: String,
    /// One or two sentences: what was attacked, on which data.
    pub subtitle: String,
    /// The recipe's name.
    pub recipe: String,
    /// `paper`, `small`, ...
    pub profile: String,
    /// The attacks in order of appearance; the order gives the colours.
    pub attacks: Vec<AttackStatement>,
    /// Names as printed, of ids and condition values: `unet-resnet34` to `U-Net / ResNet-34`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Tables and figures under their heads.
    pub sections: Vec<Section>,
    /// Gate expressions of the recipe , such as `membership.*.auc.low > 0.6`.
    #[serde(default)]
    pub gates: Vec<String>,
}

/// What an attack is and what its adversary sees and knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackStatement {
    /// As in measurement names: `global_loss`.
    pub id: String,
    /// As printed: `Global loss`.
    pub label: String,
    /// Sees and knows.
    pub threat: ThreatModel,
    /// Where thresholds and epochs were chosen: `shadow records only`, or `oracle`.
    pub calibration: String,
    /// The source, and deviations from it.
    #[serde(default)]
    pub note: String,
}

/// A part of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Anchor: lower-case letters, digits and `-`.
    pub id: String,
    /// Head.
    pub title: String,
    /// An introduction, plain text.
    #[serde(default)]
    pub lead: String,
    /// What it shows.
    pub blocks: Vec<Block>,
}

/// What a section shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Block {
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Figure),
    /// The most exposed records.
    Exposed(ExposedRecords),
}

impl ReportData {
    /// A report without content.
    pub fn new(title: impl Into<String>, recipe: &str, profile: &str) -> Self {
        Self {
            schema_version: REPORT_DATA_VERSION,
            title: title.into(),
            subtitle: String::new(),
            recipe: recipe.to_owned(),
            profile: profile.to_owned(),
            attacks: Vec::new(),
            labels: BTreeMap::new(),
            sections: Vec::new(),
            gates: Vec::new(),
        }
    }

    /// All tables, in order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            _ => None,
        })
    }

    /// All figures, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }

    /// Drops all pictures of training records.
    #[must_use]
    pub fn without_members(mut self) -> Self {
        for section in &mut self.sections {
            section.blocks.retain(|block| {
                !matches!(block, Block::Figure(Figure { plot: Plot::Pictures(grid), .. }) if grid.shows_members)
            });
            for block in &mut section.blocks {
                if let Block::Exposed(exposed) = block {
                    for record in &mut exposed.records {
                        (record.image, record.truth, record.loss_map) = (None, None, None);
                    }
                }
            }
        }
        self
    }

    /// Checks that everything can be drawn: all referenced measurements exist, ids are unique and fit for file names, rows
    /// are as long as their heads, and no number is NaN or infinite.
    ///
    /// # Errors
    /// If not, naming the table or figure.
    pub fn check(&self, results: &Results) -> Result<()> {
        let mut ids = BTreeSet::new();
        for section in &self.sections {
            check_id(&section.id, &mut ids)?;
            for block in &section.blocks {
                match block {
                    Block::Table(table) => {
                        check_id(&table.id, &mut ids)?;
                        check_table(table, results)?;
                    }
                    Block::Figure(figure) => {
                        check_id(&figure.id, &mut ids)?;
                        check_plot(figure, results)?;
                    }
                    Block::Exposed(exposed) => {
                        check_id(&exposed.id, &mut ids)?;
                        check_exposed(exposed)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks against `results` and writes `path` atomically.
    ///
    /// # Errors
    /// As [`Self::check`], or if the file cannot be written.
    pub fn write(&self, path: &Path, results: &Results) -> Result<()> {
        self.check(results)?;
        file::write_json(path, self)
    }

    /// Reads, and checks against `results`.
    ///
    /// # Errors
    /// If the file is missing, too large, malformed, of another version, or does not belong to `results`.
    pub fn read(path: &Path, results: &Results) -> Result<Self> {
        let data: Self = file::read_versioned(path, MAX_BYTES, REPORT_DATA_VERSION)?;
        data.check(results)
            .map_err(|e| Error::input(path, e.to_string()))?;
        Ok(data)
    }
}

fn check_id(id: &str, seen: &mut BTreeSet<String>) -> Result<()> {
    let sound = !id.is_empty()
        && id.len() <= 100
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !sound {
        return Err(Error::Internal(format!(
            "report id {id:?} is not made of a-z, 0-9 and -"
        )));
    }
    if !seen.insert(id.to_owned()) {
        return Err(Error::Internal(format!("report id {id:?} occurs twice")));
    }
    Ok(())
}

fn check_key(at: &str, key: &MeasurementKey, results: &Results) -> Result<()> {
    match results.by_key(key) {
        Some(_) => Ok(()),
        None => Err(Error::Internal(format!(
            "{at} shows {key}, which was not measured"
        ))),
    }
}

fn check_finite(at: &str, numbers: impl IntoIterator<Item = f64>) -> Result<()> {
    match numbers.into_iter().find(|v| !v.is_finite()) {
        Some(v) => Err(Error::numeric(at, format!("it holds {v}"))),
        None => Ok(()),
    }
}

fn check_length(at: &str, what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "{at}: {found} {what}, not {expected}"
    )))
}

fn check_table(table: &Table, results: &Results) -> Result<()> {
    for row in &table.rows {
        check_length(
            &table.id,
            "cells in a row",
            row.cells.len(),
            table.columns.len(),
        )?;
        for cell in &row.cells {
            match cell {
                Cell::Measured { key } => check_key(&table.id, key, results)?,
                Cell::Missing {
                    published: Some(published),
                    ..
                } => check_finite(&table.id, [published.value])?,
                Cell::Text { .. } | Cell::Missing { .. } => {}
            }
        }
    }
    Ok(())
}

fn check_plot(figure: &Figure, results: &Results) -> Result<()> {
    let id = &figure.id;
    match &figure.plot {
        Plot::Roc(plot) => {
            for attack in &plot.attacks {
                if let Some(key) = &attack.auc {
                    check_key(id, key, results)?;
                }
                for curve in &attack.curves {
                    check_finite(id, curve.points.iter().flatten().copied())?;
                }
            }
        }
        Plot::Bars(plot) => {
            for group in &plot.groups {
                check_length(id, "bars in a group", group.bars.len(), plot.series.len())?;
                for key in group.bars.iter().flatten() {
                    check_key(id, key, results)?;
                }
            }
        }
        Plot::Scatter(plot) => {
            for point in plot.series.iter().flat_map(|s| &s.points) {
                check_key(id, &point.x, results)?;
                check_key(id, &point.y, results)?;
            }
        }
        Plot::Histogram(plot) => {
            for panel in &plot.panels {
                check_length(
                    id,
                    "bins of members",
                    panel.members.len() + 1,
                    panel.edges.len(),
                )?;
                check_length(
                    id,
                    "bins of non-members",
                    panel.non_members.len() + 1,
                    panel.edges.len(),
                )?;
                check_finite(id, panel.edges.iter().copied().chain(panel.threshold))?;
            }
        }
        Plot::Lines(plot) => {
            for panel in &plot.panels {
                check_finite(id, panel.marks.iter().map(|m| m.x))?;
                for point in panel.lines.iter().flat_map(|l| &l.points) {
                    check_finite(
                        id,
                        [point.x, point.y]
                            .into_iter()
                            .chain(point.low)
                            .chain(point.high),
                    )?;
                }
            }
        }
        Plot::Pictures(grid) => {
            for row in &grid.rows {
                check_length(
                    id,
                    "pictures in a row",
                    row.pictures.len(),
                    grid.columns.len(),
                )?;
            }
        }
    }
    Ok(())
}

fn check_exposed(exposed: &ExposedRecords) -> Result<()> {
    for record in &exposed.records {
        check_length(
            &exposed.id,
            "scores of a record",
            record.percentiles.len(),
            exposed.attacks.len(),
        )?;
        check_finite(
            &exposed.id,
            record
                .percentiles
                .iter()
                .flatten()
                .copied()
                .chain([record.loss]),
        )?;
    }
    Ok(())
}
