//! What the gradients of one parameter are made of.

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::conv::{Geometry, gradient_of_weight};
use super::super::flex::values;
use super::super::kernel::pointwise;
use super::super::simd::{Simd, multiversion};
use super::ghost;

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
        samples.par_iter().map(|rows| self.form(rows)).collect()
    }

    /// The squared norm of each sample's gradient, formed and dropped.
    pub(super) fn formed_squares(&self, samples: &[Range<usize>]) -> Vec<f64> {
        samples
            .par_iter()
            .map(|rows| sum_of_squares(&self.form(rows)))
            .collect()
    }

    /// The squared norm of each sample's gradient, without forming it.
    pub(super) fn ghost_squares(&self, samples: &[Range<usize>]) -> Vec<f64> {
        samples
            .par_iter()
            .map(|rows| {
                let (geometry, x, dy) = self.rows(rows);
                ghost::squared_norm(&geometry, x, dy)
            })
            .collect()
    }

    fn weighted_sum(&self, samples: &[Range<usize>], factors: &[f32]) -> Vec<f32> {
        let dy = values(&self.dy);
        let row = dy.len() / self.geometry.batch.max(1);
        let mut scaled = Vec::with_capacity(dy.len());
        for (rows, &factor) in samples.iter().zip(factors) {
            scaled.extend(
                dy[rows.start * row..rows.end * row]
                    .iter()
                    .map(|v| v * factor),
            );
        }
        gradient_of_weight(&self.geometry, values(&self.x), &scaled)
    }
}

fn weighted_sum(values: &[Vec<f32>], factors: &[f32]) -> Vec<f32> {
    let len = values.first().map_or(0, Vec::len);
    let simd = Simd::current();
    let mut sum = vec![0.0; len];
    let add = |start: usize, sum: &mut [f32]| {
        for (values, &factor) in values.iter().zip(factors) {
            pointwise::add_scaled(simd, factor, &values[start..start + sum.len()], sum);
        }
    };
    if len <= CHUNK {
        add(0, &mut sum);
    } else {
        sum.par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, sum)| add(chunk * CHUNK, sum));
    }
    sum
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
