//! A loss computed outside the graph enters it as one differentiable node.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use super::Loss;
use super::evaluate::LossValue;

/// An operation whose value and derivative are known beforehand.
#[backend_extension(Flex, Cube: cfg(any(feature = "vulkan", feature = "cuda")), Autodiff)]
pub(super) trait Precomputed: Backend {
    /// Returns `rows`, `[count]`. In the backward pass, row `i` of `gradient`, `[count, rest]`, times the gradient of
    /// `rows[i]` flows to `input`, whose shape is `shape`.
    fn precomputed(
        input: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        count: usize,
        shape: Shape,
    ) -> FloatTensor<Self>;
}

impl Precomputed for Flex {
    fn precomputed(
        _: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
        _: Shape,
    ) -> FloatTensor<Self> {
        rows
    }
}

#[cfg(any(feature = "vulkan", feature = "cuda"))]
impl Precomputed for burn::backend::Cube {
    fn precomputed(
        _: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
        _: Shape,
    ) -> FloatTensor<Self> {
        rows
    }
}

impl<B: Backend, C: CheckpointStrategy> Precomputed for Autodiff<B, C> {
    fn precomputed(
        input: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        count: usize,
        shape: Shape,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Node;
        impl<B: Backend> Backward<B, 1> for Node {
            type State = (FloatTensor<B>, usize, Shape);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let [input] = ops.parents;
                let upstream = grads.consume::<B>(&ops.node);
                let (gradient, rows, shape) = ops.state;
                if let Some(input) = input {
                    // `[r, 1]` broadcasts over `[r, rest]`.
                    let column = B::float_reshape(upstream, Shape::new([rows, 1]));
                    let flowing = B::float_reshape(B::float_mul(gradient, column), shape);
                    grads.register::<B>(input.id, flowing);
                }
            }
        }
        match Node.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(
                (gradient.into_primitive(), count, shape),
                rows.into_primitive(),
            ),
            OpsKind::UnTracked(prep) => prep.finish(rows.into_primitive()),
        }
    }
}

/// Puts `value`, computed from `input`, into the graph of `input`.
pub(super) fn attach<const D: usize>(input: Tensor<D>, value: LossValue) -> Loss {
    let device = input.device().inner();
    let shape = input.shape();
    let r = value.rows.len();
    let rest = value.gradient.len() / r.max(1);
    let rows: Vec<f32> = value.rows.iter().map(|&v| v as f32).collect();
    let rows = Tensor::<1>::from_data(TensorData::new(rows, [r]), &device);
    let gradient = Tensor::<2>::from_data(TensorData::new(value.gradient, [r, rest]), &device);
    Loss {
        rows: Tensor::from_dispatch(<Dispatch as Precomputed>::precomputed(
            input.into_dispatch(),
            rows.into_dispatch(),
            gradient.into_dispatch(),
            r,
            shape,
        )),
        values: value.rows,
    }
}

/// The values of a float tensor, contiguous.
pub(super) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .detach()
        .into_data()
        .try_into_vec::<f32>()
        .expect("training runs in f32")
}
