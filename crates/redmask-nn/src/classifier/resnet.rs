//! ResNet classifier, torchvision's layout and names.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::global_average;
use crate::block::{Conv2d, Conv2dConfig, Dense, NormKind};
use crate::encoder::{EncoderOptions, OutputStride, ResNet, ResNetDepth, scaled};
use crate::init::{Init, WeightInit};
use crate::pass::Pass;

/// The architecture of a [`ResNetClassifier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetClassifierConfig {
    /// 18 or 34 layers in the papers.
    pub depth: ResNetDepth,
    /// Factor on all channel counts.
    #[serde(default = "one")]
    pub width: f64,
    /// Put a 1x1 convolution to three channels in front, as Chobola et al. do to reuse a stem for RGB. Otherwise the
    /// stem takes the channels as they are.
    #[serde(default)]
    pub paper_compat: bool,
}

fn one() -> f64 {
    1.0
}

impl ResNetClassifierConfig {
    pub(super) fn init(&self, channels: usize, init: &Init<'_>) -> ResNetClassifier {
        let torch = init.with(WeightInit::PyTorch);
        let adapter = self.paper_compat.then(|| {
            let conv = Conv2dConfig::new(channels, 3, 1).bias(true);
            conv.init(&torch.child("adapter"))
        });
        let options = EncoderOptions {
            in_channels: if self.paper_compat { 3 } else { channels },
            width: self.width,
            norm: NormKind::Batch,
            output_stride: OutputStride::FULL,
        };
        let features = scaled(512 * self.depth.expansion(), self.width);
        ResNetClassifier {
            adapter,
            trunk: ResNet::new(self.depth, &options, init),
            fc: Dense::new(features, 1, &torch.child("fc")),
        }
    }
}

/// ResNet, global average, one logit.
#[derive(Module, Debug)]
pub struct ResNetClassifier {
    adapter: Option<Conv2d>,
    trunk: ResNet,
    fc: Dense,
}

impl ResNetClassifier {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<2> {
        let x = match &self.adapter {
            Some(adapter) => adapter.forward(x, pass),
            None => x,
        };
        let features = self.trunk.features(x, 5, pass).swap_remove(4);
        self.fc.forward(global_average(features), pass)
    }
}
