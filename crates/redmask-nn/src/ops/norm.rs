//! Batch and group normalisation.

use burn::tensor::{Tensor, module};

use super::{Activation, Rec};

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
    let stock = module::batch_norm_train(x, weight, bias, epsilon);
    BatchNormOutput {
        output: activation.apply(stock.output),
        mean: stock.mean,
        variance: stock.variance,
    }
}

/// Batch normalisation by given statistics (`mean` and `variance`, `[c]`), then `activation`.
///
/// The gradient reaches `x`, `weight` and `bias`, and not the statistics.
pub fn batch_norm_eval(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    let [_, c, _, _] = x.dims();
    let scale = weight * (variance.detach() + epsilon).sqrt().recip();
    let shift = bias - mean.detach() * scale.clone();
    activation.apply(x * scale.reshape([1, c, 1, 1]) + shift.reshape([1, c, 1, 1]))
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
    debug_assert!(
        recs.iter().all(Option::is_none),
        "no tape can be constructed yet"
    );
    let [n, c, h, w] = x.dims();
    assert!(
        groups > 0 && c % groups == 0,
        "{groups} groups do not divide {c} channels"
    );
    let x = x.reshape([n, groups, c / groups * h * w]);
    let (variance, mean) = x.clone().var_mean_bias(2);
    let x = (x - mean) * (variance + epsilon).sqrt().recip();
    let y = x.reshape([n, c, h, w]) * weight.reshape([1, c, 1, 1]) + bias.reshape([1, c, 1, 1]);
    activation.apply(y)
}
