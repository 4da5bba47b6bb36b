//! Activations, alone and fused with the sum of a residual branch.

use burn::tensor::{Tensor, activation};

/// What is applied to the output of a normalisation before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing.
    #[default]
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`, MobileNetV2's activation.
    Relu6,
}

impl Activation {
    /// Applies the activation to a tensor of any shape.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
        }
    }
}

/// `max(x, 0)`; the gradient at 0 is 0, as in PyTorch.
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::relu(x)
}

/// `max(a + b, 0)`, the end of a residual block; `a` and `b` have the same shape.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    relu(a + b)
}
