//! The auxiliary head that helps deep networks learn.

use crate::block::{Conv2dConfig, Dropout, Layer, NormKind, Sequential};
use crate::init::Init;

/// torchvision's `FCNHead`: 3x3 convolution to a quarter of the channels, normalisation, rectifier, dropout of 0.1 or
/// the network's `dropout` if that is less, 1x1 convolution. It sits on the feature map of stride 16 (of the undilated
/// network).
pub(super) fn auxiliary_head(
    input: usize,
    outputs: usize,
    dropout: f64,
    norm: NormKind,
    init: &Init<'_>,
) -> Sequential {
    let inner = (input / 4).max(8);
    let conv = Conv2dConfig::new(input, inner, 3).same();
    let logits = Conv2dConfig::new(inner, outputs, 1).bias(true);
    Sequential::conv_norm_relu(conv, norm, init)
        .then(Layer::Dropout(Dropout::values(dropout.min(0.1))))
        .then(Layer::Conv(logits.init(&init.index(4))))
}
