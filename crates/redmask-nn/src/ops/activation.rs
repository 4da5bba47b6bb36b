//! Activations, alone and fused with the sum of a residual branch.

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::{Tensor, activation},
};

use super::{
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{contiguous, values, values_mut},
    kernel::pointwise::{self, BLOCK},
    memory::{self, Shared},
    simd::Simd,
};

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
    /// What the activation cuts its input at.
    pub(super) const fn bounds(self) -> [f32; 2] {
        match self {
            Self::Identity => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }

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
    if !on_cpu(&a) || a.dims() != b.dims() {
        return relu(a + b);
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_add_relu(
        a.into_dispatch(),
        b.into_dispatch(),
    ))
}

/// Runs `task` on blocks of `target` and of as many elements of `source`, in parallel.
pub(super) fn for_each_block(
    source: &[f32],
    target: &mut [f32],
    task: impl Fn(&[f32], &mut [f32]) + Sync + Send,
) {
    // Large enough to be worth a task, small enough to stay in the cache.
    const TASK: usize = 8 * BLOCK;
    let shared = Shared::new(target);
    memory::parallel(source.len().div_ceil(TASK), |i| {
        let source = &source[i * TASK..source.len().min((i + 1) * TASK)];
        // SAFETY: the tasks' blocks do not overlap.
        let target = unsafe { shared.part(i * TASK, source.len()) };
        task(source, target);
    });
}

/// A rectified sum and its backward pass.
pub(super) fn add_relu_op(inputs: [FlexTensor; 2]) -> (FlexTensor, AddRelu) {
    let [mut y, b] = inputs.map(contiguous);
    let simd = Simd::current();
    for_each_block(values(&b), values_mut(&mut y), |b, a| {
        pointwise::add_relu(simd, b, a);
    });
    (y.clone(), AddRelu { y })
}

/// The backward pass of a rectified sum.
#[derive(Debug, Clone)]
pub(super) struct AddRelu {
    y: FlexTensor,
}

impl Gradient<2> for AddRelu {
    fn backward(self, dy: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let simd = Simd::current();
        let mut g = contiguous(dy);
        for_each_block(values(&self.y), values_mut(&mut g), |y, g| {
            pointwise::mask_by_output(simd, y, g);
        });
        [Some(g.clone()), Some(g)]
    }
}
