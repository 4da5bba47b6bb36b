//! Fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::init::Init;
use crate::ops;
use crate::pass::Pass;

/// `torch.nn.Linear`, weight `[out, in]` as PyTorch stores it.
#[derive(Module, Debug)]
pub struct Dense {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl Dense {
    /// From `input` to `output` features.
    pub fn new(input: usize, output: usize, init: &Init<'_>) -> Self {
        Self {
            weight: init.weight([output, input]),
            bias: init.bias(output, input),
        }
    }

    /// `[n, in]` to `[n, out]`.
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let weights: usize = self.weight.dims().iter().product();
        pass.count_flops(2 * (weights * x.dims()[0]) as u64);
        ops::linear(
            x,
            self.weight.val(),
            Some(self.bias.val()),
            [pass.record(self.weight.id), pass.record(self.bias.id)],
        )
    }
}
