//! A convolution with what follows it, applied while results are stored: one pass over the output less.

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::{Tensor, ops::ConvOptions},
};

use super::super::{
    Activation, Rec,
    activation::for_each_block,
    add_bias,
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{self, contiguous, values, values_mut},
    kernel::pointwise::{self, Affine},
    memory::{self, Shared},
    norm::{self, BatchStatistics, batch_norm_eval},
    simd::Simd,
};
use super::{Computation, Convolution, conv2d};

/// [`conv2d`], then a bias `[out]` for each output channel, then `activation`; `recs` are the tapes of the weight and the
/// bias.
pub fn conv2d_bias(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    options: ConvOptions<2>,
    computation: impl Into<Computation>,
    activation: Activation,
    recs: [Rec; 2],
) -> Tensor<4> {
    let rectified = matches!(activation, Activation::Identity | Activation::Relu);
    if !on_cpu(&x) || !rectified || recs.iter().any(Option::is_some) {
        let [rec, bias_rec] = recs;
        let y = conv2d(x, weight, options, computation, rec);
        return activation.apply(add_bias(y, bias, bias_rec));
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_conv2d_bias(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        options,
        computation.into(),
        activation,
    ))
}

/// [`conv2d`], then [`batch_norm_eval`]: the same numbers as one after the other.
pub fn conv2d_batch_norm_eval(
    x: Tensor<4>,
    weight: Tensor<4>,
    options: ConvOptions<2>,
    computation: impl Into<Computation>,
    norm: BatchStatistics,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    if !on_cpu(&x) {
        let y = conv2d(x, weight, options, computation, None);
        return batch_norm_eval(
            y,
            norm.weight,
            norm.bias,
            norm.mean,
            norm.variance,
            epsilon,
            activation,
            [None, None],
        );
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_conv2d_batch_norm_eval(
        x.into_dispatch(),
        weight.into_dispatch(),
        norm.weight.into_dispatch(),
        norm.bias.into_dispatch(),
        norm.mean.into_dispatch(),
        norm.variance.into_dispatch(),
        options,
        computation.into(),
        norm::Options {
            epsilon,
            activation,
        },
    ))
}

/// A convolution and a normalisation by given weight, bias, mean and variance, without gradients.
pub(in super::super) fn normalized(
    inputs: [FlexTensor; 2],
    norm: [FlexTensor; 4],
    options: &ConvOptions<2>,
    computation: &Computation,
    norm_options: norm::Options,
) -> FlexTensor {
    let norm = norm.map(contiguous);
    let [scale, shift, mean, variance] = norm.each_ref().map(values);
    let maps: Vec<Affine> = (0..scale.len())
        .map(|c| norm::affine([scale[c], shift[c]], [mean[c], variance[c]], norm_options))
        .collect();
    Convolution::run(inputs, options, computation, Some(&maps), None).0
}

/// A convolution with bias and activation, and its backward pass.
pub(in super::super) fn biased(
    [x, weight, bias]: [FlexTensor; 3],
    options: &ConvOptions<2>,
    computation: &Computation,
    activation: Activation,
) -> (FlexTensor, Biased) {
    let bias = contiguous(bias);
    let [low, high] = activation.bounds();
    let map = |&shift: &f32| Affine {
        scale: 1.0,
        shift,
        low,
        high,
    };
    let maps: Vec<Affine> = values(&bias).iter().map(map).collect();
    let (y, convolution) = Convolution::run([x, weight], options, computation, Some(&maps), None);
    let rectified = (activation == Activation::Relu).then(|| y.clone());
    (
        y,
        Biased {
            convolution,
            rectified,
        },
    )
}

/// The backward pass of a convolution with bias.
#[derive(Debug, Clone)]
pub(in super::super) struct Biased {
    convolution: Convolution,
    /// The output, if a rectifier made it.
    rectified: Option<FlexTensor>,
}

impl Gradient<3> for Biased {
    fn backward(self, dy: FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let simd = Simd::current();
        let mut dy = contiguous(dy);
        if let Some(y) = &self.rectified {
            for_each_block(values(y), values_mut(&mut dy), |y, g| {
                pointwise::mask_by_output(simd, y, g);
            });
        }
        let db = wanted[2].then(|| {
            let [batch, channels, height, width] = flex::dims(&dy);
            let (g, area) = (values(&dy), height * width);
            let mut sums = vec![0.0; channels];
            let shared = Shared::new(&mut sums);
            memory::parallel(channels, |channel| {
                let sum: f64 = (0..batch)
                    .flat_map(|sample| {
                        g[(sample * channels + channel) * area..][..area].chunks(pointwise::BLOCK)
                    })
                    .map(|block| f64::from(pointwise::sum(simd, block)))
                    .sum();
                // SAFETY: every channel is written by its task.
                unsafe { shared.write(channel, sum as f32) };
            });
            flex::tensor(sums, [channels])
        });
        let [dx, dw] = self.convolution.backward(dy, [wanted[0], wanted[1]]);
        [dx, dw, db]
    }
}
