//! Audits of models that somebody else trained.
//!
//! A recipe trains victims and shadows; an audit takes a finished model, its training records and records it did not see,
//! and runs every attack that needs no training of the auditor's own. The model is an ONNX file, weights of one of our
//! networks, or saved predictions ([`ModelSource`]); what it offers decides what can be asked, and an attack that needs
//! more is listed with the reason. Models that saw none of the records (`references`) and known non-members (`population`)
//! make more attacks possible.
//!
//! What a model showed of each record is kept in the store, so that an interrupted audit goes on and a second one with
//! another reference asks only that one.

mod architecture;
mod attacks;
mod grains;
mod layout;
mod measure;
mod model;
mod observe;
mod records;
mod run;
mod sets;
mod source;
mod utility;

pub use architecture::{guess_architecture, parse_architecture};
pub use model::{OpenModel, ScalingName};
pub use run::{Audit, audit};
pub use sets::RecordSet;
pub use source::{ModelKind, ModelSource};
