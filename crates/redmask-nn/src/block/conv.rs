//! Two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Norm;
use crate::init::Init;
use crate::ops::{self, Activation, ConvOptions};
use crate::pass::{Mode, Pass};

/// A convolution with a square kernel, `torch.nn.Conv2d`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in / groups, k, k]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
}

/// Shape and stride of a [`Conv2d`]. Starts at stride 1, no padding, no bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig {
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
    bias: bool,
}

impl Conv2dConfig {
    /// From `input` to `output` channels.
    pub fn new(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            channels: [input, output],
            kernel,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
            bias: false,
        }
    }

    /// Step between output pixels.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Zeros on each side.
    #[must_use]
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Pads so that stride 1 keeps the size: half the dilated kernel.
    #[must_use]
    pub fn same(self) -> Self {
        self.padding(self.dilation * (self.kernel / 2))
    }

    /// Step between kernel taps.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Blocks of channels that do not see each other.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// With a bias.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Creates the layer.
    ///
    /// # Panics
    /// If the groups do not divide both channel counts.
    pub fn init(&self, init: &Init<'_>) -> Conv2d {
        let [input, output] = self.channels;
        assert!(
            input.is_multiple_of(self.groups) && output.is_multiple_of(self.groups),
            "{} groups do not divide {input} and {output} channels",
            self.groups
        );
        let shape = [output, input / self.groups, self.kernel, self.kernel];
        let fan_in = shape[1..].iter().product();
        Conv2d {
            weight: init.weight(shape),
            bias: self.bias.then(|| init.bias(output, fan_in)),
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
        }
    }
}

impl Conv2d {
    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new(
            [self.stride; 2],
            [self.padding; 2],
            [self.dilation; 2],
            self.groups,
        )
    }

    /// `[n, in, h, w]` to `[n, out, (h + 2 padding - dilation (k - 1) - 1) / stride + 1, ...]`.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.activated(x, Activation::Identity, pass)
    }

    /// [`Conv2d::forward`], then `activation`.
    pub(crate) fn activated(&self, x: Tensor<4>, activation: Activation, pass: &Pass) -> Tensor<4> {
        let options = self.options();
        let weight = self.weight.val();
        let record = pass.record(self.weight.id);
        let y = match &self.bias {
            None => activation.apply(ops::conv2d(x, weight, options, pass.computation(), record)),
            Some(bias) => ops::conv2d_bias(
                x,
                weight,
                bias.val(),
                options,
                pass.computation(),
                activation,
                [record, pass.record(bias.id)],
            ),
        };
        self.count(&y, pass);
        y
    }

    fn count(&self, y: &Tensor<4>, pass: &Pass) {
        let taps: usize = self.weight.dims()[1..].iter().product();
        let outputs: usize = y.dims().iter().product();
        pass.count_flops(2 * (taps * outputs) as u64);
    }

    /// [`Conv2d::forward`], then a normalisation, then `activation`.
    pub(crate) fn normalized(
        &self,
        x: Tensor<4>,
        norm: &Norm,
        activation: Activation,
        pass: &Pass,
    ) -> Tensor<4> {
        match norm {
            Norm::Batch(norm)
                if pass.mode() == Mode::Eval && self.bias.is_none() && !pass.records() =>
            {
                let (statistics, epsilon) = norm.in_evaluation();
                let y = ops::conv2d_batch_norm_eval(
                    x,
                    self.weight.val(),
                    self.options(),
                    pass.computation(),
                    statistics,
                    epsilon,
                    activation,
                );
                self.count(&y, pass);
                y
            }
            _ => norm.forward(self.forward(x, pass), activation, pass),
        }
    }

    /// Output channels.
    pub fn out_channels(&self) -> usize {
        self.weight.dims()[0]
    }
}
