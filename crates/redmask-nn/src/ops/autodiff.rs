//! Hand-written gradients in Burn's automatic differentiation.

use std::{fmt::Debug, marker::PhantomData};

use burn::backend::{
    Autodiff, Flex,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
    tensor::FloatTensor,
};

/// What an operation keeps for its backward pass, and that pass.
pub(super) trait Gradient<const N: usize>: Clone + Debug + Send + 'static {
    /// The gradients of the inputs, given that of the output; `wanted` says which ones anybody uses.
    fn backward(self, dy: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N];
}

/// Runs `forward` on tensors that may track gradients and attaches what it returns as the output's gradient.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the tensor type has no public name"
)]
pub(super) fn differentiable<C: CheckpointStrategy, S: Gradient<N>, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    forward: impl FnOnce([FlexTensor; N]) -> (FlexTensor, S),
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    match Node::<S>(PhantomData)
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (y, state) = forward(inputs);
            prep.finish(state, y)
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(inputs).0),
    }
}

struct Node<S>(PhantomData<fn() -> S>);

impl<S> Debug for Node<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<S>())
    }
}

impl<S: Gradient<N>, const N: usize> Backward<Flex, N> for Node<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = ops.state.backward(dy, wanted);
        for (parent, gradient) in ops.parents.iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
