//! Redmask audits semantic-segmentation models: what they leak about their training records, and whether they hide a
//! backdoor.
//!
//! This crate is the library's front door and the only part with a promise of stability; the crates behind it may move.
//! The binary `redmask` is a thin shell around it.
//!
//! ```
//! use redmask::{Binding, RecipeSource, bind};
//!
//! let source = RecipeSource::find("quickstart")?;
//! let (recipe, _profile) = source.resolve(None)?;
//! let data = bind(&recipe, &[])?;
//! assert!(data.dataset.len() >= recipe.split.train);
//! # let _: Vec<Binding> = Vec::new();
//! # Ok::<(), redmask::Error>(())
//! ```

pub use redmask_attacks as attacks;
pub use redmask_core as core;
pub use redmask_data as data;
pub use redmask_lab as lab;
pub use redmask_metrics as metrics;
pub use redmask_nn as nn;
pub use redmask_onnx as onnx;
pub use redmask_poison as poison;
pub use redmask_report as report;
pub use redmask_train as train;

pub use redmask_core::{
    CancelToken, Error, Fingerprint, NoProgress, ProgressSink, ProgressTask, Result, Seed,
    SegDataset, Session,
};
pub use redmask_data::DataSpec;
pub use redmask_lab::{
    Binding, BoundData, Destination, Experiment, Recipe, RecipeSource, RunOutcome, bind, run,
};
pub use redmask_report::Report;
