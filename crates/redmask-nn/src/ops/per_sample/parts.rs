//! What the gradients of one parameter are made of.

use std::ops::Range;

use super::super::conv::{Geometry, gradient_of_weight};
use super::super::flex::values;
use super::super::kernel::pointwise;
use super::super::memory::{self, Shared};
use super::super::simd::{Simd, multiversion};
use super::ghost;
use burn::backend::flex::FlexTensor;

/// Elements of a task of element-wise work.
const CHUNK: usize = 1 << 14;

/// What the gradients of one parameter, one for each sample, are made of.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a parameter; the tensors behind it are what weighs"
)]
pub(super) enum Parts {
    /// The gradients themselves.
    Values(Vec<Vec<f32>>),
    /// The operands of the product that they are.
    Product(Product),
}

/// The weight gradient of a convolution, not formed yet.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) geometry: Geometry,
    /// The input, contiguous.
    pub(super) x: FlexTensor,
    /// The gradient of the output, contiguous.
    pub(super) dy: FlexTensor,
}

impl Parts {
    /// Adds the gradient of sample `index` to `sum`.
    pub(super) fn add_one(&self, samples: &[Range<usize>], index: usize, sum: &mut [f32]) {
        let formed;
        let gradient = match self {
            Self::Values(values) => &values[index],
            Self::Product(product) => {
                formed = product.form(&samples[index]);
                &formed
            }
        };
        for (sum, value) in sum.iter_mut().zip(gradient) {
            *sum += value;
        }
    }

    /// The sum of the samples' gradients, each times its factor.
    pub(super) fn weighted_sum(&self, samples: &[Range<usize>], factors: &[f32]) -> Vec<f32> {
        match self {
            Self::Values(values) => weighted_sum(values, factors),
            Self::Product(product) => product.weighted_sum(samples, factors),
        }
    }

    /// Elements of the parameter.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.first().map_or(0, Vec::len),
            Self::Product(product) => product.len(),
        }
    }
}

impl Product {
    fn len(&self) -> usize {
        self.geometry.weight_shape().iter().product()
    }

    /// Bytes of the gradients of `samples` samples.
    pub(super) fn bytes(&self, samples: usize) -> usize {
        self.len() * samples * size_of::<f32>()
    }

    /// The operands of the rows of one sample.
    fn rows(&self, rows: &Range<usize>) -> (Geometry, &[f32], &[f32]) {
        let all = self.geometry;
        let geometry = Geometry {
            batch: rows.len(),
            ..all
        };
        let part = |len: usize| {
            let row = len / all.batch;
            rows.start * row..rows.end * row
        };
        let (x, dy) = (values(&self.x), values(&self.dy));
        (geometry, &x[part(x.len())], &dy[part(dy.len())])
    }

    fn form(&self, rows: &Range<usize>) -> Vec<f32> {
        let (geometry, x, dy) = self.rows(rows);
        gradient_of_weight(&geometry, x, dy)
    }

    /// The gradient of each sample.
    pub(super) fn each(&self, samples: &[Range<usize>]) -> Vec<Vec<f32>> {
        memory::mapped(samples.len(), |i| self.form(&samples[i]))
    }

    /// The squared norm of each sample's gradient, formed and dropped.
    pub(super) fn formed_squares(&self, samples: &[Range<usize>]) -> Vec<f64> {
        memory::mapped(samples.len(), |i| sum_of_squares(&self.form(&samples[i])))
    }

    /// The squared norm of each sample's gradient, without forming it.
    pub(super) fn ghost_squares(&self, samples: &[Range<usize>]) -> Vec<f64> {
        memory::mapped(samples.len(), |i| {
            let (geometry, x, dy) = self.rows(&samples[i]);
            ghost::squared_norm(&geometry, x, dy)
        })
    }

    fn weighted_sum(&self, samples: &[Range<usize>], factors: &[f32]) -> Vec<f32> {
        let dy = values(&self.dy);
        let row = dy.len() / self.geometry.batch.max(1);
        // SAFETY: the samples are all rows of the batch, and every one is written by its task.
        let scaled = unsafe {
            memory::filled(dy.len(), |scaled: Shared<'_, f32>| {
                memory::parallel(samples.len(), |i| {
                    let (first, len) = (samples[i].start * row, samples[i].len() * row);
                    let source = &dy[first..first + len];
                    for (scaled, v) in scaled.part(first, len).iter_mut().zip(source) {
                        *scaled = v * factors[i];
                    }
                });
            })
        };
        gradient_of_weight(&self.geometry, values(&self.x), &scaled)
    }
}

fn weighted_sum(values: &[Vec<f32>], factors: &[f32]) -> Vec<f32> {
    let len = values.first().map_or(0, Vec::len);
    let simd = Simd::current();
    // SAFETY: every chunk is written whole by its task.
    unsafe {
        memory::filled(len, |sum: Shared<'_, f32>| {
            memory::parallel(len.div_ceil(CHUNK), |chunk| {
                let start = chunk * CHUNK;
                let sum = sum.part(start, CHUNK.min(len - start));
                sum.fill(0.0);
                for (values, &factor) in values.iter().zip(factors) {
                    pointwise::add_scaled(simd, factor, &values[start..start + sum.len()], sum);
                }
            });
        })
    }
}

/// The sum of the squares in f64, in one fixed order.
pub(super) fn sum_of_squares(values: &[f32]) -> f64 {
    squares(Simd::current(), values)
}

multiversion! {
    fn squares(x: &[f32]) -> f64 {
        const LANES: usize = 32;
        let mut lanes = [0.0_f64; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
    }
}
