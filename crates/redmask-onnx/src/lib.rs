//! ONNX models as predictors: read under limits, run on the CPU by `tract`.
//!
//! A model file is hostile until shown otherwise. [`survey::ModelSurvey::read`] decodes the protobuf under limits and lists what the
//! file holds before anything is built from it; an operator outside [`ops::SUPPORTED`] is refused by name. What an image
//! becomes on its way into the model, and what its output means, is an [`OnnxConfig`]: guessed from the file, shown to
//! the user, and theirs to correct.
//!
//! An ONNX model is a black box: labels or scores, never gradients.

mod config;
mod external;
mod graph;
mod guess;
mod limits;
pub mod ops;
mod predictor;
mod prepare;
pub mod survey;

pub use config::{Activation, ChannelOrder, InputConfig, Layout, OnnxConfig, OutputConfig};
pub use guess::Guess;
pub use limits::OnnxLimits;
pub use predictor::OnnxPredictor;
