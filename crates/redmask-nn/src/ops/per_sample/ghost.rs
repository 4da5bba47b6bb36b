//! The norm of a weight gradient that is never formed.
//!
//! With `a_t` the unfolded input and `b_t` the gradient of the output at position `t`, the gradient is `sum_t b_t a_t'`, and
//! its squared norm is `sum_{t, u} (a_t . a_u) (b_t . b_u)`. The inner products are taken in f64: behind a normalisation most
//! of the sum cancels.

use gemm::Parallelism;

use super::super::conv::Geometry;
use super::choice::InputProducts;

/// The squared norm of the sum over the batch of a convolution's weight gradient.
pub(super) fn squared_norm(g: &Geometry, x: &[f32], dy: &[f32]) -> f64 {
    let reads = reads(g);
    (0..g.groups)
        .map(|group| {
            let b = gathered(dy, group, [g.batch, g.groups, g.outputs], &all(g.output));
            let outputs = inner_products(&b, g.outputs);
            match InputProducts::of(g) {
                InputProducts::OfPixels => {
                    let a = gathered(x, group, [g.batch, g.groups, g.inputs], &all(g.input));
                    let inputs = inner_products(&a, g.inputs);
                    shifted_sum(g, &reads, &inputs, &outputs)
                }
                InputProducts::OfTaps => {
                    let mut inputs = vec![0.0; outputs.len()];
                    for reads in &reads {
                        let a = gathered(x, group, [g.batch, g.groups, g.inputs], reads);
                        add_inner_products(&a, g.inputs, &mut inputs);
                    }
                    inputs.iter().zip(&outputs).map(|(a, b)| a * b).sum()
                }
            }
        })
        .sum()
}

/// For each tap, the pixel that each output position reads, `None` in the padding.
fn reads(g: &Geometry) -> Vec<Vec<Option<usize>>> {
    let [height, width] = g.input;
    let shifts = g.forward_shifts();
    shifts
        .taps
        .iter()
        .map(|tap| {
            let read = |axis: usize, position: usize| {
                let at = (position * g.stride[axis]) as isize + tap.shift[axis];
                usize::try_from(at).ok()
            };
            (0..g.output[0] * g.output[1])
                .map(|position| {
                    let y = read(0, position / g.output[1]).filter(|&y| y < height)?;
                    let x = read(1, position % g.output[1]).filter(|&x| x < width)?;
                    Some(y * width + x)
                })
                .collect()
        })
        .collect()
}

fn all(size: [usize; 2]) -> Vec<Option<usize>> {
    (0..size[0] * size[1]).map(Some).collect()
}

/// The elements of one group's channels at these pixels of every image, `[channels][images, pixels]`.
fn gathered(
    values: &[f32],
    group: usize,
    [batch, groups, channels]: [usize; 3],
    pixels: &[Option<usize>],
) -> Vec<f64> {
    let area = values.len() / (batch * groups * channels).max(1);
    let mut list = Vec::with_capacity(channels * batch * pixels.len());
    for channel in 0..channels {
        for image in 0..batch {
            let plane = &values[((image * groups + group) * channels + channel) * area..][..area];
            list.extend(
                pixels
                    .iter()
                    .map(|pixel| pixel.map_or(0.0, |p| f64::from(plane[p]))),
            );
        }
    }
    list
}

/// The inner products of all pairs of columns of a matrix of `rows` rows.
fn inner_products(matrix: &[f64], rows: usize) -> Vec<f64> {
    let columns = matrix.len() / rows.max(1);
    let mut products = vec![0.0; columns * columns];
    add_inner_products(matrix, rows, &mut products);
    products
}

fn add_inner_products(matrix: &[f64], rows: usize, products: &mut [f64]) {
    let columns = matrix.len() / rows.max(1);
    assert_eq!(
        products.len(),
        columns * columns,
        "one product for each pair"
    );
    if matrix.is_empty() {
        return;
    }
    let (pitch, one) = (columns as isize, 1);
    // SAFETY: the strides describe the matrix, its transpose and the square of products, which nobody else holds.
    unsafe {
        gemm::gemm(
            columns,
            columns,
            rows,
            products.as_mut_ptr(),
            one,
            pitch,
            true,
            matrix.as_ptr(),
            pitch,
            one,
            matrix.as_ptr(),
            one,
            pitch,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `sum over taps and pairs of positions` of the product of outputs with that of the inputs that the tap reads there.
fn shifted_sum(g: &Geometry, reads: &[Vec<Option<usize>>], inputs: &[f64], outputs: &[f64]) -> f64 {
    let pixels = g.batch * g.input[0] * g.input[1];
    let positions = g.batch * g.output[0] * g.output[1];
    let mut total = 0.0;
    for reads in reads {
        // The positions of all images at which this tap reads a pixel, and that pixel.
        let places: Vec<(usize, usize)> = (0..g.batch)
            .flat_map(|image| {
                let (position, pixel) = (
                    image * g.output[0] * g.output[1],
                    image * g.input[0] * g.input[1],
                );
                reads
                    .iter()
                    .enumerate()
                    .filter_map(move |(i, read)| read.map(|read| (position + i, pixel + read)))
            })
            .collect();
        for &(position, pixel) in &places {
            let output = &outputs[position * positions..][..positions];
            let input = &inputs[pixel * pixels..][..pixels];
            total += places
                .iter()
                .map(|&(position, pixel)| output[position] * input[pixel])
                .sum::<f64>();
        }
    }
    total
}
