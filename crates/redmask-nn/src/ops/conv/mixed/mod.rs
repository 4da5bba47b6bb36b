//! Mixed precision: factors rounded to bfloat16, sums in f32, on the matrix unit of CPUs that have one (AMX).
//!
//! Tensors stay in f32. Each pass rounds what it multiplies while it lays it out, which costs about what the f32 kernels
//! spend on their own layouts.

mod shifted;
mod strip;
mod weight;
mod weight_gradient;

#[cfg(test)]
mod tests;

use super::super::{
    kernel::{amx, pointwise::Affine},
    memory,
    simd::Simd,
};
use super::{geometry::Geometry, pack::Reduce};

/// Whether this convolution may run here.
///
/// Groups are few channels each in our networks, mostly one: they would leave the matrix unit idle.
pub(super) fn takes(g: &Geometry) -> bool {
    g.groups == 1 && amx::available()
}

/// The output `[n, out, oh, ow]`, each channel mapped by its own of `maps`, if given.
pub(super) fn forward(
    simd: Simd,
    g: &Geometry,
    x: &[f32],
    weight: &[f32],
    maps: Option<&[Affine]>,
) -> Vec<f32> {
    let shifts = g.forward_shifts();
    let packed = weight::TiledWeight::new(weight, g.window(), &shifts, Reduce::Inputs);
    let len = g.output_shape().iter().product();
    // SAFETY: the grid of a forward pass is the whole output.
    unsafe { memory::filled(len, |y| shifted::run(simd, &shifts, x, &packed, maps, y)) }
}

/// The gradient of the input `[n, c, h, w]`, given that of the output.
pub(super) fn data_gradient(simd: Simd, g: &Geometry, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let len = g.input_shape().iter().product();
    // SAFETY: the grids of the residues cover the input.
    unsafe {
        memory::filled(len, |dx| {
            for shifts in g.data_gradient_shifts() {
                let packed = weight::TiledWeight::new(weight, g.window(), &shifts, Reduce::Outputs);
                shifted::run(simd, &shifts, dy, &packed, None, dx);
            }
        })
    }
}

/// The gradient of the weight `[out, in, kh, kw]`, given the input and the gradient of the output.
pub(super) fn weight_gradient(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let len = g.weight_shape().iter().product();
    // SAFETY: every panel of input channels is stored.
    unsafe { memory::filled(len, |dw| weight_gradient::run(simd, g, x, dy, dw)) }
}
