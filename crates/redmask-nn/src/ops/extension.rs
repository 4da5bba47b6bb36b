//! Our operations as Burn's dispatch knows them: on plain CPU tensors, and on CPU tensors that track gradients.

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, Flex,
        autodiff::checkpoint::strategy::CheckpointStrategy, backend_extension, flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::{DType, Device, Tensor, ops::ConvOptions},
};

use super::{
    Activation, Computation, activation, autodiff::differentiable, bias, conv, norm,
    per_sample::Rec, pool, resize,
};

/// Whether our kernels take this tensor; the stock operations take the others.
pub(super) fn on_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
}

/// The operations that are written for the CPU.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuOps: Backend {
    fn cpu_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        rec: Rec,
    ) -> FloatTensor<Self>;

    fn cpu_conv2d_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        activation: Activation,
    ) -> FloatTensor<Self>;

    #[allow(
        clippy::too_many_arguments,
        reason = "tensors of a backend have to be arguments of their own"
    )]
    fn cpu_conv2d_batch_norm_eval(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        norm_weight: FloatTensor<Self>,
        norm_bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        norm_options: norm::Options,
    ) -> FloatTensor<Self>;

    fn cpu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, rec: Rec) -> FloatTensor<Self>;

    fn cpu_add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>, rec: Rec) -> FloatTensor<Self>;

    /// Output, mean and biased variance of the batch.
    fn cpu_batch_norm_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: norm::Options,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn cpu_batch_norm_eval(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FloatTensor<Self>;

    fn cpu_group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FloatTensor<Self>;

    fn cpu_add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    fn cpu_max_pool2d(x: FloatTensor<Self>, window: pool::Window) -> FloatTensor<Self>;

    fn cpu_upsample_nearest(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    fn cpu_upsample_nearest_beside(
        x: FloatTensor<Self>,
        skip: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn cpu_resize_bilinear(
        x: FloatTensor<Self>,
        size: [usize; 2],
        taps: resize::AxisTaps,
    ) -> FloatTensor<Self>;
}

impl CpuOps for Flex {
    fn cpu_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        options: ConvOptions<2>,
        computation: Computation,
        rec: Rec,
    ) -> FlexTensor {
        conv::op([x, weight], &options, &computation, rec).0
    }

    fn cpu_conv2d_bias(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        options: ConvOptions<2>,
        computation: Computation,
        activation: Activation,
    ) -> FlexTensor {
        conv::fused::biased([x, weight, bias], &options, &computation, activation).0
    }

    fn cpu_conv2d_batch_norm_eval(
        x: FlexTensor,
        weight: FlexTensor,
        norm_weight: FlexTensor,
        norm_bias: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        options: ConvOptions<2>,
        computation: Computation,
        norm_options: norm::Options,
    ) -> FlexTensor {
        let norm = [norm_weight, norm_bias, mean, variance];
        conv::fused::normalized([x, weight], norm, &options, &computation, norm_options)
    }

    fn cpu_linear(x: FlexTensor, weight: FlexTensor, rec: Rec) -> FlexTensor {
        conv::linear_op([x, weight], rec).0
    }

    fn cpu_add_bias(x: FlexTensor, bias: FlexTensor, rec: Rec) -> FlexTensor {
        bias::op([x, bias], rec).0
    }

    fn cpu_batch_norm_train(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        options: norm::Options,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (y, state) = norm::batch_op([x, weight, bias], None, options, [None, None]);
        let [mean, variance] = state.statistics();
        (y, mean, variance)
    }

    fn cpu_batch_norm_eval(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FlexTensor {
        norm::batch_op([x, weight, bias], Some([mean, variance]), options, recs).0
    }

    fn cpu_group_norm(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        groups: usize,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FlexTensor {
        norm::group_op([x, weight, bias], groups, options, recs).0
    }

    fn cpu_add_relu(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        activation::add_relu_op([a, b]).0
    }

    fn cpu_max_pool2d(x: FlexTensor, window: pool::Window) -> FlexTensor {
        pool::op([x], window).0
    }

    fn cpu_upsample_nearest(x: FlexTensor, size: [usize; 2]) -> FlexTensor {
        resize::nearest_op([x], size).0
    }

    fn cpu_upsample_nearest_beside(x: FlexTensor, skip: FlexTensor) -> FlexTensor {
        resize::beside_op([x, skip]).0
    }

    fn cpu_resize_bilinear(x: FlexTensor, size: [usize; 2], taps: resize::AxisTaps) -> FlexTensor {
        resize::bilinear_op([x], size, taps).0
    }
}

impl<C: CheckpointStrategy> CpuOps for Autodiff<Flex, C> {
    fn cpu_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        rec: Rec,
    ) -> FloatTensor<Self> {
        differentiable::<C, _, 2>([x, weight], |inputs| {
            conv::op(inputs, &options, &computation.anew(), rec)
        })
    }

    fn cpu_conv2d_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        activation: Activation,
    ) -> FloatTensor<Self> {
        differentiable::<C, _, 3>([x, weight, bias], |inputs| {
            conv::fused::biased(inputs, &options, &computation.anew(), activation)
        })
    }

    fn cpu_conv2d_batch_norm_eval(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        norm_weight: FloatTensor<Self>,
        norm_bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: ConvOptions<2>,
        computation: Computation,
        norm_options: norm::Options,
    ) -> FloatTensor<Self> {
        let y = Self::cpu_conv2d(x, weight, options, computation, None);
        Self::cpu_batch_norm_eval(
            y,
            norm_weight,
            norm_bias,
            mean,
            variance,
            norm_options,
            [None, None],
        )
    }

    fn cpu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, rec: Rec) -> FloatTensor<Self> {
        differentiable::<C, _, 2>([x, weight], |inputs| conv::linear_op(inputs, rec))
    }

    fn cpu_add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>, rec: Rec) -> FloatTensor<Self> {
        differentiable::<C, _, 2>([x, bias], |inputs| bias::op(inputs, rec))
    }

    fn cpu_batch_norm_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: norm::Options,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut statistics = None;
        let y = differentiable::<C, _, 3>([x, weight, bias], |inputs| {
            let (y, state) = norm::batch_op(inputs, None, options, [None, None]);
            statistics = Some(state.statistics());
            (y, state)
        });
        let [mean, variance] = statistics.expect("the forward pass ran");
        let constant = |value| <Self as AutodiffBackend>::from_inner(value);
        (y, constant(mean), constant(variance))
    }

    fn cpu_batch_norm_eval(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FloatTensor<Self> {
        let statistics = [mean.into_primitive(), variance.into_primitive()];
        differentiable::<C, _, 3>([x, weight, bias], |inputs| {
            norm::batch_op(inputs, Some(statistics), options, recs)
        })
    }

    fn cpu_group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        options: norm::Options,
        recs: [Rec; 2],
    ) -> FloatTensor<Self> {
        differentiable::<C, _, 3>([x, weight, bias], |inputs| {
            norm::group_op(inputs, groups, options, recs)
        })
    }

    fn cpu_add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        differentiable::<C, _, 2>([a, b], activation::add_relu_op)
    }

    fn cpu_max_pool2d(x: FloatTensor<Self>, window: pool::Window) -> FloatTensor<Self> {
        differentiable::<C, _, 1>([x], |inputs| pool::op(inputs, window))
    }

    fn cpu_upsample_nearest(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        differentiable::<C, _, 1>([x], |inputs| resize::nearest_op(inputs, size))
    }

    fn cpu_upsample_nearest_beside(
        x: FloatTensor<Self>,
        skip: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        differentiable::<C, _, 2>([x, skip], resize::beside_op)
    }

    fn cpu_resize_bilinear(
        x: FloatTensor<Self>,
        size: [usize; 2],
        taps: resize::AxisTaps,
    ) -> FloatTensor<Self> {
        differentiable::<C, _, 1>([x], |inputs| resize::bilinear_op(inputs, size, taps))
    }
}
