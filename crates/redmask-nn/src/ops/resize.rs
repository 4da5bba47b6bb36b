//! Resizing of feature maps.

use burn::tensor::{
    Device, Tensor, TensorData,
    module::interpolate,
    ops::{InterpolateMode, InterpolateOptions},
};

/// Repeats every pixel in a 2x2 block: `[n, c, h, w]` to `[n, c, 2h, 2w]`.
pub fn upsample_nearest2x(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    upsample_nearest(x, [2 * h, 2 * w])
}

/// Nearest neighbour to `size` `[h, w]`: output `i` takes input `floor(i * in / out)`, PyTorch's `nearest`.
pub fn upsample_nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    interpolate(
        x,
        InterpolateOptions::new(InterpolateMode::Nearest).with_output_size(size),
    )
}

/// Bilinear interpolation to `size` `[h, w]` with pixel centres at half integers (`align_corners = false`).
///
/// No anti-aliasing: it reads at most four pixels per output, like PyTorch's `interpolate`.
pub fn resize_bilinear(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    if x.device() == Device::flex() {
        let options = InterpolateOptions::new(InterpolateMode::Bilinear);
        return interpolate(x, options.with_align_corners(false).with_output_size(size));
    }
    // Burn's GPU backends have no backward pass for bilinear interpolation; two matrix products do.
    let [_, _, h, w] = x.dims();
    let rows = axis_matrix(h, size[0], &x.device());
    let columns = axis_matrix(w, size[1], &x.device());
    rows.unsqueeze::<4>()
        .matmul(x)
        .matmul(columns.transpose().unsqueeze::<4>())
}

/// The `[output, input]` matrix of linear interpolation along one axis.
fn axis_matrix(input: usize, output: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; output * input];
    for (i, row) in values.chunks_exact_mut(input).enumerate() {
        let position = ((i as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0);
        let low = (position.floor() as usize).min(input - 1);
        let high = (low + 1).min(input - 1);
        let fraction = (position - low as f64) as f32;
        row[low] += 1.0 - fraction;
        row[high] += fraction;
    }
    Tensor::from_data(TensorData::new(values, [output, input]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_form_of_bilinear_agrees_with_the_stock_operation() {
        let device = Device::flex();
        for (from, to) in [
            ([5, 7], [10, 3]),
            ([1, 1], [4, 5]),
            ([6, 4], [6, 9]),
            ([9, 8], [2, 1]),
        ] {
            let data: Vec<f32> = (0..2 * from[0] * from[1])
                .map(|i| (i as f32 * 0.7).sin())
                .collect();
            let x =
                Tensor::<4>::from_data(TensorData::new(data, [1, 2, from[0], from[1]]), &device);
            let rows = axis_matrix(from[0], to[0], &device).unsqueeze::<4>();
            let columns = axis_matrix(from[1], to[1], &device)
                .transpose()
                .unsqueeze::<4>();
            let matrix_form = rows.matmul(x.clone()).matmul(columns);
            let difference = (matrix_form - resize_bilinear(x, to))
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 1e-6, "{from:?} -> {to:?}: {difference}");
        }
    }
}
