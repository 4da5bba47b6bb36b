//! 2-D convolution.

use burn::tensor::{Tensor, module, ops::ConvOptions};

use super::Rec;

/// Convolves `x` `[n, c, h, w]` with `weight` `[out, c / groups, kh, kw]`.
///
/// `rec` names the weight on a per-sample gradient tape; with it the weight's gradient goes to the tape
/// and is not registered with the ordinary gradients.
///
/// # Panics
///
/// If the channels of `x` and `weight` do not fit together.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>, rec: Rec) -> Tensor<4> {
    debug_assert!(rec.is_none(), "no tape can be constructed yet");
    module::conv2d(x, weight, None, options)
}

/// [`conv2d`] and [`add_bias`]; `bias` is `[out]`, `recs` are the tapes of the weight and the bias.
pub fn conv2d_bias(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    options: ConvOptions<2>,
    recs: [Rec; 2],
) -> Tensor<4> {
    let [rec, bias_rec] = recs;
    add_bias(conv2d(x, weight, options, rec), bias, bias_rec)
}

/// Adds `bias` `[c]` to every position of `x` `[n, c, h, w]`.
pub fn add_bias(x: Tensor<4>, bias: Tensor<1>, rec: Rec) -> Tensor<4> {
    debug_assert!(rec.is_none(), "no tape can be constructed yet");
    let [_, c, _, _] = x.dims();
    x + bias.reshape([1, c, 1, 1])
}
