//! Convolution as an operation of Burn's backends, with its backward pass.

use burn::{
    backend::{
        Autodiff, Backend, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        ops::ModuleOps,
        tensor::FloatTensor,
    },
    tensor::{DType, ops::ConvOptions},
};

use super::super::{
    flex::{self, contiguous},
    simd::Simd,
};
use super::{data_gradient, forward, geometry::Geometry, weight_gradient::weight_gradient};

/// The three products of a convolution; the defaults are the stock operations.
pub(super) trait ConvolutionKernels: Backend {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, None, options)
    }

    fn data_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, dy, options)
    }

    fn weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, dy, options)
    }
}

fn geometry(x: &FlexTensor, weight: &FlexTensor, options: &ConvOptions<2>) -> Geometry {
    Geometry::new(flex::dims(x), flex::dims(weight), options)
}

impl ConvolutionKernels for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, options: ConvOptions<2>) -> FlexTensor {
        if x.dtype() != DType::F32 || weight.dtype() != DType::F32 {
            return Self::conv2d(x, weight, None, options);
        }
        let g = geometry(&x, &weight, &options);
        let (x, weight) = (contiguous(x), contiguous(weight));
        let y = forward(Simd::current(), &g, flex::values(&x), flex::values(&weight));
        flex::tensor(y, g.output_shape())
    }

    fn data_gradient(
        x: FlexTensor,
        weight: FlexTensor,
        dy: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        if dy.dtype() != DType::F32 || weight.dtype() != DType::F32 {
            return Self::conv2d_x_backward(x, weight, dy, options);
        }
        let g = geometry(&x, &weight, &options);
        let (weight, dy) = (contiguous(weight), contiguous(dy));
        let dx = data_gradient(
            Simd::current(),
            &g,
            flex::values(&weight),
            flex::values(&dy),
        );
        flex::tensor(dx, g.input_shape())
    }

    fn weight_gradient(
        x: FlexTensor,
        weight: FlexTensor,
        dy: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        if x.dtype() != DType::F32 || dy.dtype() != DType::F32 {
            return Self::conv2d_weight_backward(x, weight, dy, options);
        }
        let g = geometry(&x, &weight, &options);
        let (x, dy) = (contiguous(x), contiguous(dy));
        let dw = weight_gradient(Simd::current(), &g, flex::values(&x), flex::values(&dy));
        flex::tensor(dw, g.weight_shape())
    }
}

#[cfg(any(feature = "vulkan", feature = "cuda"))]
impl ConvolutionKernels for burn::backend::Cube {}

/// The operation that Burn's dispatch routes to the backend of its tensors.
#[backend_extension(Flex, Cube: cfg(any(feature = "vulkan", feature = "cuda")), Autodiff)]
pub(super) trait ConvolutionOp: Backend {
    /// A convolution without bias.
    fn redmask_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;
}

impl ConvolutionOp for Flex {
    fn redmask_conv2d(x: FlexTensor, weight: FlexTensor, options: ConvOptions<2>) -> FlexTensor {
        <Self as ConvolutionKernels>::convolve(x, weight, options)
    }
}

#[cfg(any(feature = "vulkan", feature = "cuda"))]
impl ConvolutionOp for burn::backend::Cube {
    fn redmask_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        <Self as ConvolutionKernels>::convolve(x, weight, options)
    }
}

impl<B: ConvolutionKernels, C: CheckpointStrategy> ConvolutionOp for Autodiff<B, C> {
    fn redmask_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Convolution;

        impl<B: ConvolutionKernels> Backward<B, 2> for Convolution {
            type State = (FloatTensor<B>, FloatTensor<B>, ConvOptions<2>);

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                grads: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let [x_node, weight_node] = ops.parents;
                let dy = grads.consume::<B>(&ops.node);
                let (x, weight, options) = ops.state;
                if let Some(node) = x_node {
                    let dx =
                        B::data_gradient(x.clone(), weight.clone(), dy.clone(), options.clone());
                    grads.register::<B>(node.id, dx);
                }
                if let Some(node) = weight_node {
                    grads.register::<B>(node.id, B::weight_gradient(x, weight, dy, options));
                }
            }
        }

        match Convolution
            .prepare::<C>([x.node(), weight.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                let y = B::convolve(x.clone(), weight.clone(), options.clone());
                prep.finish((x, weight, options), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::convolve(
                x.into_primitive(),
                weight.into_primitive(),
                options,
            )),
        }
    }
}
