//! Resizing of feature maps.

mod bilinear;
mod nearest;

use burn::{
    backend::Dispatch,
    tensor::{
        Device, Tensor, TensorData,
        module::interpolate,
        ops::{InterpolateMode, InterpolateOptions},
    },
};

pub(super) use self::{
    bilinear::bilinear_op,
    nearest::{beside_op, nearest_op},
};
use super::extension::{CpuOps, on_cpu};

/// Nearest neighbour to `size` `[h, w]`: output `i` takes input `floor(i * (in / out))` in f32, PyTorch's `nearest`.
pub fn upsample_nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    if !on_cpu(&x) {
        let options = InterpolateOptions::new(InterpolateMode::Nearest);
        return interpolate(x, options.with_output_size(size));
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_upsample_nearest(
        x.into_dispatch(),
        size,
    ))
}

/// [`upsample_nearest`] of `x` `[n, c, _, _]` to the size of `skip` `[n, s, h, w]`, and the channels of `skip` behind its own:
/// `[n, c + s, h, w]`.
pub fn upsample_nearest_beside(x: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = skip.dims();
    if !on_cpu(&x) {
        return Tensor::cat(vec![upsample_nearest(x, [h, w]), skip], 1);
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_upsample_nearest_beside(
        x.into_dispatch(),
        skip.into_dispatch(),
    ))
}

/// Bilinear interpolation to `size` `[h, w]` with pixel centres at half integers (`align_corners = false`).
///
/// No anti-aliasing: it reads at most four pixels per output, like PyTorch's `interpolate`.
pub fn resize_bilinear(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    bilinear(x, size, half_pixel_taps)
}

/// Bilinear interpolation to `size` `[h, w]` that maps corner pixels onto corner pixels (`align_corners = true`).
pub fn resize_bilinear_aligned(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    bilinear(x, size, aligned_taps)
}

fn bilinear(x: Tensor<4>, size: [usize; 2], taps: AxisTaps) -> Tensor<4> {
    if !on_cpu(&x) {
        // Burn's GPU backends have no backward pass for bilinear interpolation; two matrix products do.
        return separable(x, size, taps);
    }
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_resize_bilinear(
        x.into_dispatch(),
        size,
        taps,
    ))
}

/// Bicubic interpolation (Keys, a = -0.75) to `size` `[h, w]` with pixel centres at half integers and no
/// anti-aliasing, PyTorch's `bicubic`.
pub fn resize_bicubic(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    separable(x, size, bicubic_taps)
}

/// A resize along each axis as two matrix products, differentiable on every device.
fn separable(x: Tensor<4>, size: [usize; 2], taps: AxisTaps) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let rows = axis_matrix(h, size[0], taps, &x.device());
    let columns = axis_matrix(w, size[1], taps, &x.device());
    rows.unsqueeze::<4>()
        .matmul(x)
        .matmul(columns.transpose().unsqueeze::<4>())
}

/// Input positions, which may lie outside, and their weights.
type Taps = [(isize, f64); 4];

/// The taps of output `i` along an axis of so many inputs and so many outputs.
pub(super) type AxisTaps = fn(usize, usize, usize) -> Taps;

/// The taps of output `i` of `output` along an axis of `input` pixels.
fn half_pixel_taps(i: usize, input: usize, output: usize) -> Taps {
    let position = ((i as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0);
    linear_taps(position)
}

fn aligned_taps(i: usize, input: usize, output: usize) -> Taps {
    let step = (input - 1) as f64 / (output - 1).max(1) as f64;
    linear_taps(i as f64 * step)
}

fn linear_taps(position: f64) -> Taps {
    let fraction = position.fract();
    let low = position as isize;
    [
        (low, 1.0 - fraction),
        (low + 1, fraction),
        (0, 0.0),
        (0, 0.0),
    ]
}

fn bicubic_taps(i: usize, input: usize, output: usize) -> Taps {
    const A: f64 = -0.75;
    let near = |t: f64| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f64| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    let position = (i as f64 + 0.5) * input as f64 / output as f64 - 0.5;
    let low = position.floor();
    let t = position - low;
    let at = low as isize;
    [
        (at - 1, far(1.0 + t)),
        (at, near(t)),
        (at + 1, near(1.0 - t)),
        (at + 2, far(2.0 - t)),
    ]
}

/// The `[output, input]` matrix of a resize along one axis; positions outside count as the border.
fn axis_matrix(input: usize, output: usize, taps: AxisTaps, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; output * input];
    for (i, row) in values.chunks_exact_mut(input).enumerate() {
        for (position, weight) in taps(i, input, output) {
            row[position.clamp(0, input as isize - 1) as usize] += weight as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [output, input]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(size: [usize; 2]) -> Tensor<4> {
        let data: Vec<f32> = (0..2 * size[0] * size[1])
            .map(|i| (i as f32 * 0.7).sin())
            .collect();
        Tensor::from_data(
            TensorData::new(data, [1, 2, size[0], size[1]]),
            &Device::flex(),
        )
    }

    #[test]
    fn both_forms_of_bilinear_agree_with_the_stock_operation() {
        let stock = |x: Tensor<4>, to: [usize; 2], aligned: bool| {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear);
            interpolate(x, options.with_align_corners(aligned).with_output_size(to))
        };
        for (from, to) in [
            ([5, 7], [10, 3]),
            ([8, 12], [16, 24]),
            ([1, 1], [4, 5]),
            ([6, 4], [6, 9]),
            ([9, 8], [2, 1]),
        ] {
            let x = waves(from);
            for (aligned, taps) in [(false, half_pixel_taps as AxisTaps), (true, aligned_taps)] {
                let stock = stock(x.clone(), to, aligned);
                for (form, y) in [
                    ("matrix", separable(x.clone(), to, taps)),
                    ("kernel", bilinear(x.clone(), to, taps)),
                ] {
                    let difference = (y - stock.clone()).abs().max().into_scalar::<f32>();
                    assert!(difference < 1e-6, "{form} {from:?} -> {to:?}: {difference}");
                }
            }
        }
    }

    #[test]
    fn bicubic_keeps_a_size_and_halves_by_its_known_kernel() {
        let x = waves([6, 8]);
        let same = (resize_bicubic(x.clone(), [6, 8]) - x.clone())
            .abs()
            .max()
            .into_scalar::<f32>();
        assert!(same < 1e-6, "{same}");
        // Halfway between pixels the weights are -3/32, 19/32, 19/32, -3/32.
        let row = Tensor::<4>::from_data(
            TensorData::new(vec![0.0_f32, 0.0, 1.0, 0.0, 0.0, 0.0], [1, 1, 1, 6]),
            &Device::flex(),
        );
        let halved: Vec<f32> = resize_bicubic(row, [1, 3])
            .into_data()
            .try_into_vec()
            .unwrap();
        for (got, expected) in halved.iter().zip([-3.0 / 32.0, 19.0 / 32.0, 0.0]) {
            assert!((got - expected).abs() < 1e-6, "{halved:?}");
        }
    }
}
