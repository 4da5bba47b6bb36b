//! A whole run: its numbers, where they come from, and what is drawn of it.

use std::path::Path;

use redmask_core::Result;

use crate::gate::{Gate, GateOutcome};
use crate::schema::{Provenance, ReportData, Results, write_atomic};
use crate::{csv, html};

/// The three files of a run that reports are drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// `results.json`.
    pub results: Results,
    /// `provenance.json`.
    pub provenance: Provenance,
    /// `report-data.json`.
    pub data: ReportData,
}

impl Report {
    /// Puts the parts together.
    ///
    /// # Errors
    /// If `data` shows what `results` does not hold, or cannot be drawn.
    pub fn new(results: Results, provenance: Provenance, data: ReportData) -> Result<Self> {
        data.check(&results)?;
        Ok(Self {
            results,
            provenance,
            data,
        })
    }

    /// Reads a finished run from its folder.
    ///
    /// # Errors
    /// If one of the three files is missing, malformed or of another version.
    pub fn read(folder: &Path) -> Result<Self> {
        let results = Results::read(&folder.join("results.json"))?;
        let data = ReportData::read(&folder.join("report-data.json"), &results)?;
        let provenance = Provenance::read(&folder.join("provenance.json"))?;
        Ok(Self {
            results,
            provenance,
            data,
        })
    }

    /// Writes the three files into `folder`, which must exist. Pictures of training records are kept only as far as `data`
    /// holds them; see [`ReportData::without_members`].
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.data
            .write(&folder.join("report-data.json"), &self.results)?;
        self.provenance.write(&folder.join("provenance.json"))?;
        self.results.write(&folder.join("results.json"))
    }

    /// Draws `tables/*.csv` and `report.html` into `folder`, and says how the gates of the recipe came out.
    ///
    /// # Errors
    /// If a gate is malformed or matches nothing, or a file cannot be written.
    pub fn draw(&self, folder: &Path, options: html::Options) -> Result<Vec<GateOutcome>> {
        let gates = Gate::judge_all(&self.data.gates, &self.results)?;
        let page = html::render(self, &gates, options)?;
        csv::write_all(&folder.join("tables"), self.data.tables(), &self.results)?;
        write_atomic(&folder.join("report.html"), page.as_bytes())?;
        Ok(gates)
    }
}
