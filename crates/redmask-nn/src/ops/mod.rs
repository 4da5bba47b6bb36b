//! The tensor operations our networks are made of.
//!
//! Every function takes and returns plain Burn tensors, works on every device and is differentiable.
//! On other devices than the CPU the stock Burn operations run.
//!
//! Shapes are `[n, c, h, w]` (batch, channels, height, width) throughout; convolution weights are
//! `[out, in / groups, kh, kw]`, linear weights `[out, in]`: PyTorch's layouts.

#![expect(
    unsafe_code,
    reason = "vector instructions and buffers that tasks fill in disjoint parts; each block says why it is sound"
)]

mod activation;
mod autodiff;
mod bias;
mod conv;
mod crew;
mod extension;
mod flex;
mod kernel;
mod linear;
mod memory;
mod noise;
mod norm;
mod per_sample;
mod pool;
mod precision;
mod resize;
mod scratch;
mod simd;
mod update;

#[cfg(test)]
mod parity;

pub use activation::{Activation, add_relu, relu};
pub use bias::add_bias;
pub use conv::{Computation, KeptWeights, conv2d, conv2d_batch_norm_eval, conv2d_bias};
pub use linear::linear;
pub use memory::retain_freed_memory;
pub use noise::add_gaussian_noise;
pub use norm::{BatchNormOutput, BatchStatistics, batch_norm_eval, batch_norm_train, group_norm};
pub use per_sample::{KEPT_BYTES, Rec, SampleGradients, Tape};
pub use pool::max_pool2d;
pub use precision::Precision;
pub use resize::{
    resize_bicubic, resize_bilinear, resize_bilinear_aligned, upsample_nearest,
    upsample_nearest_beside,
};
pub use simd::{SIMD_VARIABLE, Simd};
pub use update::Update;

/// Stride, padding, dilation and groups of a convolution.
pub use burn::tensor::ops::ConvOptions;
