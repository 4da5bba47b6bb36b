//! Batch and group normalisation, with the activation that follows.

mod batch;
mod group;
mod moments;

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::{Tensor, module},
};

use self::batch::Size;
pub(super) use self::batch::affine;
use super::{
    Activation, Rec,
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{self, contiguous, values, values_mut},
    per_sample::record_or_sum,
    simd::Simd,
};

/// What [`batch_norm_train`] returns.
#[derive(Debug)]
pub struct BatchNormOutput {
    /// The normalised, scaled, shifted and activated input, `[n, c, h, w]`.
    pub output: Tensor<4>,
    /// Mean of the batch per channel, `[c]`; carries no gradient.
    pub mean: Tensor<1>,
    /// Biased (population) variance of the batch per channel, `[c]`; carries no gradient.
    pub variance: Tensor<1>,
}

/// What a batch normalisation in evaluation consists of, each `[c]`.
#[derive(Debug)]
pub struct BatchStatistics {
    /// Scale.
    pub weight: Tensor<1>,
    /// Shift.
    pub bias: Tensor<1>,
    /// Running mean.
    pub mean: Tensor<1>,
    /// Running variance.
    pub variance: Tensor<1>,
}

/// Batch normalisation by the statistics of the batch itself, then `activation`.
///
/// `weight` and `bias` are `[c]`. The gradient goes through the statistics.
pub fn batch_norm_train(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormOutput {
    if !on_cpu(&x) {
        let stock = module::batch_norm_train(x, weight, bias, epsilon);
        return BatchNormOutput {
            output: activation.apply(stock.output),
            mean: stock.mean,
            variance: stock.variance,
        };
    }
    let options = Options {
        epsilon,
        activation,
    };
    let (output, mean, variance) = <Dispatch as CpuOps>::cpu_batch_norm_train(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        options,
    );
    BatchNormOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Batch normalisation by given statistics (`mean` and `variance`, `[c]`), then `activation`.
///
/// The gradient reaches `x`, `weight` and `bias`, and not the statistics, so that it does not couple samples; `recs` are
/// the tapes of `weight` and `bias`.
#[expect(clippy::too_many_arguments, reason = "the operation's inputs")]
pub fn batch_norm_eval(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
    activation: Activation,
    recs: [Rec; 2],
) -> Tensor<4> {
    if !on_cpu(&x) {
        let [_, c, _, _] = x.dims();
        let scale = weight * (variance.detach() + epsilon).sqrt().recip();
        let shift = bias - mean.detach() * scale.clone();
        return activation.apply(x * scale.reshape([1, c, 1, 1]) + shift.reshape([1, c, 1, 1]));
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_batch_norm_eval(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        mean.into_dispatch(),
        variance.into_dispatch(),
        Options {
            epsilon,
            activation,
        },
        recs,
    ))
}

/// Group normalisation (Wu and He, 2018): statistics per sample over `c / groups` channels, then scale,
/// shift and `activation`.
///
/// `weight` and `bias` are `[c]`; `recs` are their tapes.
///
/// # Panics
///
/// If `groups` does not divide the channels.
pub fn group_norm(
    x: Tensor<4>,
    groups: usize,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    activation: Activation,
    recs: [Rec; 2],
) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    assert!(
        groups > 0 && c % groups == 0,
        "{groups} groups do not divide {c} channels"
    );
    if !on_cpu(&x) {
        let x = x.reshape([n, groups, c / groups * h * w]);
        let (variance, mean) = x.clone().var_mean_bias(2);
        let x = (x - mean) * (variance + epsilon).sqrt().recip();
        let y = x.reshape([n, c, h, w]) * weight.reshape([1, c, 1, 1]);
        return activation.apply(y + bias.reshape([1, c, 1, 1]));
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_group_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        groups,
        Options {
            epsilon,
            activation,
        },
        recs,
    ))
}

/// What besides tensors defines a normalisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) epsilon: f64,
    pub(super) activation: Activation,
}

/// What the backward pass of a normalisation needs.
#[derive(Debug, Clone)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    mean: FlexTensor,
    variance: FlexTensor,
    size: Size,
    options: Options,
}

impl Kept {
    fn parameters(&self) -> [&[f32]; 2] {
        [values(&self.weight), values(&self.bias)]
    }

    fn statistics(&self) -> [&[f32]; 2] {
        [values(&self.mean), values(&self.variance)]
    }
}

fn size(x: &FlexTensor) -> Size {
    let [batch, channels, height, width] = flex::dims(x);
    Size {
        batch,
        channels,
        area: height * width,
    }
}

/// A batch normalisation, by the batch's own statistics if none are given, and its backward pass.
pub(super) fn batch_op(
    inputs: [FlexTensor; 3],
    statistics: Option<[FlexTensor; 2]>,
    options: Options,
    recs: [Rec; 2],
) -> (FlexTensor, BatchNorm) {
    let [x, weight, bias] = inputs.map(contiguous);
    let given = statistics.map(|statistics| statistics.map(contiguous));
    let size = size(&x);
    let (y, measured) = batch::forward(
        Simd::current(),
        size,
        values(&x),
        [values(&weight), values(&bias)],
        options,
        given
            .as_ref()
            .map(|statistics| statistics.each_ref().map(values)),
    );
    let own = given.is_none();
    let [mean, variance] =
        given.unwrap_or_else(|| measured.map(|statistic| flex::tensor(statistic, [size.channels])));
    let y = flex::tensor(y, flex::dims::<4>(&x));
    (
        y,
        BatchNorm {
            kept: Kept {
                x,
                weight,
                bias,
                mean,
                variance,
                size,
                options,
            },
            own,
            recs,
        },
    )
}

/// The backward pass of a batch normalisation.
#[derive(Debug, Clone)]
pub(super) struct BatchNorm {
    kept: Kept,
    /// Whether the statistics are the batch's own.
    own: bool,
    recs: [Rec; 2],
}

impl BatchNorm {
    /// Mean and biased variance per channel.
    pub(super) fn statistics(&self) -> [FlexTensor; 2] {
        [self.kept.mean.clone(), self.kept.variance.clone()]
    }
}

impl Gradient<3> for BatchNorm {
    fn backward(self, dy: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let kept = &self.kept;
        let mut dx = contiguous(dy);
        // With a tape: sample by sample, which given statistics allow.
        let batch = if self.recs.iter().any(Option::is_some) {
            assert!(!self.own, "the statistics of the batch couple its samples");
            1
        } else {
            kept.size.batch.max(1)
        };
        let size = Size { batch, ..kept.size };
        let len = (batch * size.channels * size.area).max(1);
        let mut rows = [Vec::new(), Vec::new()];
        let planes = values(&kept.x).chunks_exact(len);
        for (x, dx) in planes.zip(values_mut(&mut dx).chunks_exact_mut(len)) {
            let parameters = batch::backward(
                Simd::current(),
                size,
                x,
                kept.parameters(),
                kept.statistics(),
                kept.options,
                self.own,
                dx,
            );
            for (rows, gradient) in rows.iter_mut().zip(parameters) {
                rows.extend(gradient);
            }
        }
        let channels = kept.size.channels;
        let [dw, db] = record_or_sum(&self.recs, channels, rows)
            .map(|gradient| gradient.map(|gradient| flex::tensor(gradient, [channels])));
        [Some(dx), dw, db]
    }
}

/// A group normalisation and its backward pass.
pub(super) fn group_op(
    inputs: [FlexTensor; 3],
    groups: usize,
    options: Options,
    recs: [Rec; 2],
) -> (FlexTensor, GroupNorm) {
    let [x, weight, bias] = inputs.map(contiguous);
    let size = size(&x);
    let parameters = [values(&weight), values(&bias)];
    let (y, measured) = group::forward(
        Simd::current(),
        size,
        groups,
        values(&x),
        parameters,
        options,
    );
    let y = flex::tensor(y, flex::dims::<4>(&x));
    let [mean, variance] = measured.map(|s| flex::tensor(s, [size.batch * groups]));
    let kept = Kept {
        x,
        weight,
        bias,
        mean,
        variance,
        size,
        options,
    };
    (y, GroupNorm { kept, groups, recs })
}

/// The backward pass of a group normalisation.
#[derive(Debug, Clone)]
pub(super) struct GroupNorm {
    kept: Kept,
    groups: usize,
    recs: [Rec; 2],
}

impl Gradient<3> for GroupNorm {
    fn backward(self, dy: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let kept = &self.kept;
        let mut dx = contiguous(dy);
        let per_sample = group::backward(
            Simd::current(),
            kept.size,
            self.groups,
            values(&kept.x),
            kept.parameters(),
            kept.statistics(),
            kept.options,
            values_mut(&mut dx),
        );
        let channels = kept.size.channels;
        let [dw, db] = record_or_sum(&self.recs, channels, per_sample)
            .map(|gradient| gradient.map(|gradient| flex::tensor(gradient, [channels])));
        [Some(dx), dw, db]
    }
}
