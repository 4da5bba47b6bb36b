//! Gradients per sample.

use std::sync::Arc;

use burn::module::ParamId;

/// Collects what the gradients per sample are made of, during one backward pass.
#[derive(Debug)]
pub struct Tape {
    _private: (),
}

/// Where the gradient of a parameter is recorded: `None` in ordinary training.
pub type Rec = Option<(Arc<Tape>, ParamId)>;
