//! The parts of the upsampling path.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::block::{Conv2d, Conv2dConfig, Norm, NormKind};
use crate::init::{Init, WeightInit};
use crate::ops::{self, Activation};
use crate::pass::Pass;

/// Normalisation, rectifier, convolution, in this order.
#[derive(Module, Debug)]
pub(super) struct NormReluConv {
    norm: Norm,
    conv: Conv2d,
}

impl NormReluConv {
    pub(super) fn new(
        input: usize,
        output: usize,
        kernel: usize,
        kind: NormKind,
        init: &Init<'_>,
    ) -> Self {
        let conv = Conv2dConfig::new(input, output, kernel).same();
        Self {
            norm: kind.init(input, &init.child("norm")),
            conv: conv.init(&init.child("conv")),
        }
    }

    /// The 1x1 convolution to logits: with a bias, and PyTorch's own initial weights.
    pub(super) fn logits(input: usize, outputs: usize, kind: NormKind, init: &Init<'_>) -> Self {
        let conv = Conv2dConfig::new(input, outputs, 1).bias(true);
        Self {
            norm: kind.init(input, &init.child("norm")),
            conv: conv.init(&init.with(WeightInit::PyTorch).child("conv")),
        }
    }

    /// The same with another momentum of the running statistics.
    #[must_use]
    pub(super) fn with_momentum(self, momentum: f64) -> Self {
        Self {
            norm: self.norm.with_momentum(momentum),
            ..self
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let x = self.norm.forward(x, Activation::Relu, pass);
        self.conv.forward(x, pass)
    }
}

/// Resizes a map to the size of a skip and adds the two.
pub(super) fn enlarge_and_add(x: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = skip.dims();
    if x.dims()[2..] == [h, w] {
        return x + skip;
    }
    ops::resize_bilinear(x, [h, w]) + skip
}
