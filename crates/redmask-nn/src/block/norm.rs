//! The switch between normalisations.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{BatchNorm2d, GroupNorm};
use crate::init::Init;
use crate::ops::Activation;
use crate::pass::Pass;

/// Which normalisation a network uses everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Batch normalisation, as the papers train.
    #[default]
    Batch,
    /// Group normalisation, for training with differential privacy.
    Group,
}

impl NormKind {
    /// Creates the layer.
    pub fn init(self, channels: usize, init: &Init<'_>) -> Norm {
        match self {
            Self::Batch => Norm::Batch(BatchNorm2d::new(channels, init)),
            Self::Group => Norm::Group(GroupNorm::new(channels, init)),
        }
    }
}

/// A normalisation layer. Its parameters keep their names whichever it is.
#[derive(Module, Debug)]
pub enum Norm {
    /// Over the batch.
    Batch(BatchNorm2d),
    /// Over groups of channels of each sample.
    Group(GroupNorm),
}

impl Norm {
    /// The same layer with another momentum of its running statistics, if it has any.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        match self {
            Self::Batch(norm) => Self::Batch(norm.with_momentum(momentum)),
            Self::Group(norm) => Self::Group(norm),
        }
    }

    /// `[n, c, h, w]` to the same shape, then `activation`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation, pass: &Pass) -> Tensor<4> {
        match self {
            Self::Batch(norm) => norm.forward(x, activation, pass),
            Self::Group(norm) => norm.forward(x, activation, pass),
        }
    }
}
