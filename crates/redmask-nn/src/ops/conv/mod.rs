//! 2-D convolution: our kernels on the CPU, the stock operation elsewhere.

mod columns;
mod extension;
mod geometry;
mod layout;
mod pack;
mod shifted;
mod transpose;
mod weight_gradient;

#[cfg(test)]
mod tests;

use burn::{
    backend::Dispatch,
    tensor::{Tensor, ops::ConvOptions},
};

use self::{
    extension::ConvolutionOp,
    geometry::Geometry,
    pack::{PackedWeight, Reduce},
};
use super::{Rec, memory, simd::Simd};

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
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as ConvolutionOp>::redmask_conv2d(
        x, weight, options,
    ))
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

/// The output `[n, out, oh, ow]`.
fn forward(simd: Simd, g: &Geometry, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let shifts = g.forward_shifts();
    let packed = PackedWeight::new(weight, g.window(), &shifts, Reduce::Inputs, simd);
    let len = g.output_shape().iter().product();
    // SAFETY: the grid of a forward pass is the whole output.
    unsafe { memory::filled(len, |y| shifted::run(simd, &shifts, x, &packed, y)) }
}

/// The gradient of the input `[n, c, h, w]`, given that of the output.
fn data_gradient(simd: Simd, g: &Geometry, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let len = g.input_shape().iter().product();
    // SAFETY: the grids of the residues cover the input.
    unsafe {
        memory::filled(len, |dx| {
            for shifts in g.data_gradient_shifts() {
                let packed = PackedWeight::new(weight, g.window(), &shifts, Reduce::Outputs, simd);
                shifted::run(simd, &shifts, dy, &packed, dx);
            }
        })
    }
}
