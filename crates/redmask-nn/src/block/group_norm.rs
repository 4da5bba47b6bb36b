//! Group normalisation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::init::Init;
use crate::ops::{self, Activation};
use crate::pass::Pass;

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

    /// `[n, c, h, w]` to the same shape, then `activation`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation, pass: &Pass) -> Tensor<4> {
        ops::group_norm(
            x,
            self.groups,
            self.weight.val(),
            self.bias.val(),
            self.eps,
            activation,
            [pass.record(self.weight.id), pass.record(self.bias.id)],
        )
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
