//! A small convolutional classifier.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::global_average;
use crate::block::{Conv2dConfig, Dense, NormKind, Sequential};
use crate::encoder::scaled;
use crate::init::{Init, WeightInit};
use crate::pass::Pass;

const CHANNELS: [usize; 5] = [16, 32, 64, 64, 64];

/// The architecture of a [`SmallClassifier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmallClassifierConfig {
    /// Factor on all channel counts.
    pub width: f64,
    /// Share of the features dropped in training.
    pub dropout: f64,
}

impl Default for SmallClassifierConfig {
    fn default() -> Self {
        Self {
            width: 1.0,
            dropout: 0.1,
        }
    }
}

impl SmallClassifierConfig {
    pub(super) fn init(&self, channels: usize, init: &Init<'_>) -> SmallClassifier {
        let mut input = channels;
        let blocks = CHANNELS
            .into_iter()
            .enumerate()
            .map(|(i, full)| {
                let output = scaled(full, self.width);
                let from = std::mem::replace(&mut input, output);
                let conv = Conv2dConfig::new(from, output, 3).same().stride(2);
                let init = init.child("blocks").index(i);
                Sequential::conv_norm_relu(conv, NormKind::Batch, &init)
            })
            .collect();
        SmallClassifier {
            blocks,
            fc: Dense::new(input, 1, &init.with(WeightInit::PyTorch).child("fc")),
            dropout: self.dropout.clamp(0.0, 0.95),
        }
    }
}

/// Five convolutions of stride 2 with batch normalisation, global average, one logit: 98,000 weights at width 1.
#[derive(Module, Debug)]
pub struct SmallClassifier {
    blocks: Vec<Sequential>,
    fc: Dense,
    dropout: f64,
}

impl SmallClassifier {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<2> {
        let x = self
            .blocks
            .iter()
            .fold(x, |x, block| block.forward(x, pass));
        let features = pass.dropout(global_average(x), self.dropout);
        self.fc.forward(features, pass)
    }
}
