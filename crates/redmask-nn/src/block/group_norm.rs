//! Group normalisation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::init::Init;

/// `torch.nn.GroupNorm`: each sample is normalised by itself, so nothing couples the records of a batch.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale `[c]`.
    pub weight: Param<Tensor<1>>,
    /// Shift `[c]`.
    pub bias: Param<Tensor<1>>,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// `gcd(32, channels)` groups, the count Opacus picks when it replaces batch normalisation.
    pub fn new(channels: usize, init: &Init<'_>) -> Self {
        Self {
            weight: init.constant(1.0, channels),
            bias: init.constant(0.0, channels),
            groups: gcd(32, channels),
            eps: 1e-5,
        }
    }

    /// `[n, c, h, w]` to the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let grouped = x.reshape([n, self.groups, c / self.groups * h * w]);
        let mean = grouped.clone().mean_dim(2);
        let centred = grouped - mean;
        let variance = centred.clone().powi_scalar(2).mean_dim(2);
        let normalised = (centred / (variance + self.eps).sqrt()).reshape([n, c, h, w]);
        normalised * self.weight.val().reshape([1, c, 1, 1]) + self.bias.val().reshape([1, c, 1, 1])
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
