//! Mixed precision: factors rounded to bfloat16, sums in f32, on the matrix unit of CPUs that have one (AMX).
//!
//! Tensors stay in f32. Each pass rounds what it multiplies while it lays it out, which costs about what the f32 kernels
//! spend on their own layouts.

mod operands;
mod shifted;
mod strip;
mod weight;
mod weight_gradient;

#[cfg(test)]
mod tests;

pub(super) use self::{shifted::run, weight::TiledWeight};
use super::super::{
    kernel::amx::{self, ROWS},
    memory,
    simd::Simd,
};
use super::geometry::Geometry;

/// Channels of a panel: two tiles.
const PANEL: usize = 2 * ROWS;

/// Whether this convolution may run here.
///
/// Groups are few channels each in our networks, mostly one: they would leave the matrix unit idle.
pub(super) fn takes(g: &Geometry) -> bool {
    g.groups == 1 && amx::available()
}

/// The gradient of the weight `[out, in, kh, kw]`, given the input and the gradient of the output.
pub(super) fn weight_gradient(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let len = g.weight_shape().iter().product();
    // SAFETY: every panel of input channels is stored.
    unsafe { memory::filled(len, |dw| weight_gradient::run(simd, g, x, dy, dw)) }
}
