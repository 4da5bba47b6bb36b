//! One file for each verb.

pub(crate) mod audit;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod dp;
mod experiment;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod poison;
pub(crate) mod quickstart;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod run;

use redmask::Session;

use crate::printer::Printer;

/// What every verb is handed.
#[derive(Debug)]
pub(crate) struct Context {
    /// For data on stdout.
    pub(crate) printer: Printer,
    /// For progress and interrupts.
    pub(crate) session: Session,
}
