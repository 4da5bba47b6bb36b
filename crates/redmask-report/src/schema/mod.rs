//! The files of a run that others script against: `results.json`, `provenance.json`, `report-data.json`.
//!
//! `docs/reference/results-schema.md` describes them for people, `docs/reference/schema/*.json` for machines.

mod condition;
mod figure;
mod file;
mod measurement;
mod metric;
mod picture;
mod provenance;
mod report_data;
mod results;
mod table;
mod unit;

pub use condition::{Condition, Conditions};
pub use figure::{
    Axis, BarGroup, BarPlot, Figure, HistogramPanel, HistogramPlot, Line, LinePanel, LinePlot,
    LinePoint, Mark, Notation, Plot, RocAttack, RocCurve, RocPlot, Scale, ScatterPlot,
    ScatterPoint, ScatterSeries,
};
pub use file::write_atomic;
pub use measurement::{Counts, Measurement, MeasurementKey, Published};
pub use metric::{METRICS, Metric};
pub use picture::{ExposedRecord, ExposedRecords, PictureGrid, PictureRow, Png};
pub use provenance::{
    DataBinding, Hardware, PROVENANCE_VERSION, Provenance, StageTime, WeightsOrigin,
};
pub use report_data::{AttackStatement, Block, REPORT_DATA_VERSION, ReportData, Section};
pub use results::{Results, SCHEMA_VERSION, Warning};
pub use table::{Cell, Row, Table};
pub use unit::Unit;
