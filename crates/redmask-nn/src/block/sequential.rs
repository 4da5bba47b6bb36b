//! Layers one after another, numbered as `torch.nn.Sequential` numbers them.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use super::{Conv2d, Conv2dConfig, Norm, NormKind};
use crate::init::Init;
use crate::ops::{self, Activation};
use crate::pass::Pass;

/// `max(x, 0)`.
#[derive(Module, Debug, Default)]
pub struct Relu;

/// `min(max(x, 0), 6)`.
#[derive(Module, Debug, Default)]
pub struct Relu6;

/// Maximum over square windows; padding never wins.
#[derive(Module, Debug)]
pub struct MaxPool {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl MaxPool {
    /// Windows of `kernel` squared, every `stride` pixels, with `padding` on each side.
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel,
            stride,
            padding,
        }
    }

    /// `[n, c, h, w]` to `[n, c, (h + 2 padding - kernel) / stride + 1, ...]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::max_pool2d(x, [self.kernel; 2], [self.stride; 2], [self.padding; 2])
    }
}

/// Mean over a grid of cells: `[n, c, h, w]` to `[n, c, size, size]`, `torch.nn.AdaptiveAvgPool2d`.
#[derive(Module, Debug)]
pub struct AdaptiveAverage {
    size: usize,
}

impl AdaptiveAverage {
    /// A square grid.
    pub fn new(size: usize) -> Self {
        Self { size }
    }

    /// `[n, c, h, w]` to `[n, c, size, size]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        adaptive_avg_pool2d(x, [self.size; 2])
    }
}

/// Zeroes values, or whole channels, in training.
#[derive(Module, Debug)]
pub struct Dropout {
    rate: f64,
    channels: bool,
}

impl Dropout {
    /// Of single values.
    pub fn values(rate: f64) -> Self {
        Self {
            rate,
            channels: false,
        }
    }

    /// Of channels.
    pub fn channels(rate: f64) -> Self {
        Self {
            rate,
            channels: true,
        }
    }

    /// `[n, c, h, w]` to the same shape.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        if self.channels {
            pass.dropout_channels(x, self.rate)
        } else {
            pass.dropout(x, self.rate)
        }
    }
}

/// One entry of a [`Sequential`]. Entries without weights are there because they count in the numbering.
#[derive(Module, Debug)]
pub enum Layer {
    /// A convolution.
    Conv(Conv2d),
    /// A normalisation.
    Norm(Norm),
    /// A rectifier.
    Relu(Relu),
    /// A clipped rectifier.
    Relu6(Relu6),
    /// A maximum pool.
    MaxPool(MaxPool),
    /// A mean over cells.
    AdaptiveAverage(AdaptiveAverage),
    /// Dropout.
    Dropout(Dropout),
    /// A sequence within the sequence.
    Sequential(Sequential),
}

/// Layers one after another. Its parameters are named by position: `0.weight`, `1.running_mean`, ...
#[derive(Module, Debug, Default)]
pub struct Sequential {
    /// In order.
    pub layers: Vec<Layer>,
}

impl Sequential {
    /// Convolution and normalisation: `0`, `1`.
    pub fn conv_norm(conv: Conv2dConfig, norm: NormKind, init: &Init<'_>) -> Self {
        let conv = conv.init(&init.index(0));
        let norm = norm.init(conv.out_channels(), &init.index(1));
        Self {
            layers: vec![Layer::Conv(conv), Layer::Norm(norm)],
        }
    }

    /// Convolution, normalisation, rectifier: `0`, `1`, `2`.
    pub fn conv_norm_relu(conv: Conv2dConfig, norm: NormKind, init: &Init<'_>) -> Self {
        Self::conv_norm(conv, norm, init).then(Layer::Relu(Relu))
    }

    /// Convolution, normalisation, clipped rectifier: `0`, `1`, `2`.
    pub fn conv_norm_relu6(conv: Conv2dConfig, norm: NormKind, init: &Init<'_>) -> Self {
        Self::conv_norm(conv, norm, init).then(Layer::Relu6(Relu6))
    }

    /// The same with one more layer.
    #[must_use]
    pub fn then(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Runs all layers.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        run_layers(&self.layers, x, pass)
    }

    /// Runs the layers at these positions.
    pub(crate) fn run(&self, range: Range<usize>, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        run_layers(&self.layers[range], x, pass)
    }
}

/// Runs some layers; a convolution or normalisation and what follows it are one operation where they can be.
fn run_layers(layers: &[Layer], mut x: Tensor<4>, pass: &Pass) -> Tensor<4> {
    let mut rest = layers;
    loop {
        (x, rest) = match rest {
            [] => return x,
            [Layer::Conv(conv), Layer::Norm(norm), tail @ ..] => {
                let (activation, tail) = leading_activation(tail);
                (conv.normalized(x, norm, activation, pass), tail)
            }
            [Layer::Conv(conv), tail @ ..] => {
                let (activation, tail) = leading_activation(tail);
                (conv.activated(x, activation, pass), tail)
            }
            [Layer::Norm(norm), tail @ ..] => {
                let (activation, tail) = leading_activation(tail);
                (norm.forward(x, activation, pass), tail)
            }
            [Layer::Relu(_), tail @ ..] => (ops::relu(x), tail),
            [Layer::Relu6(_), tail @ ..] => (Activation::Relu6.apply(x), tail),
            [Layer::MaxPool(pool), tail @ ..] => (pool.forward(x), tail),
            [Layer::AdaptiveAverage(pool), tail @ ..] => (pool.forward(x), tail),
            [Layer::Dropout(dropout), tail @ ..] => (dropout.forward(x, pass), tail),
            [Layer::Sequential(inner), tail @ ..] => (inner.forward(x, pass), tail),
        };
    }
}

/// The rectifier that these layers begin with, if any, and the layers after it.
fn leading_activation(layers: &[Layer]) -> (Activation, &[Layer]) {
    match layers {
        [Layer::Relu(_), tail @ ..] => (Activation::Relu, tail),
        [Layer::Relu6(_), tail @ ..] => (Activation::Relu6, tail),
        _ => (Activation::Identity, layers),
    }
}
