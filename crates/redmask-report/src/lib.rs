//! The result schema, tables, figures, HTML, CSV and comparison of runs.
//!
//! The lab hands over [`schema::Results`], [`schema::Provenance`] and [`schema::ReportData`]; everything here is drawn from
//! those three and nothing is measured.

pub mod compare;
pub mod csv;
pub mod gate;
mod grid;
pub mod html;
pub mod names;
mod number;
mod report;
pub mod schema;
pub mod summary;
mod svg;
pub mod text;

pub use report::Report;
