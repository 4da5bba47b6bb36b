//! What the transforms lose, beside sums computed one product after the other.

use burn::tensor::ops::ConvOptions;

use super::super::{
    super::{memory, parity::noise, simd::Simd},
    geometry::{Geometry, Sums},
    shifted::{self, Factors},
    weight::Reduce,
};
use super::{TransformedWeight, corner, run};

/// The results of minimal filtering, of shifted reads, and sums in f64.
fn three_ways(simd: Simd, x_shape: [usize; 4], outputs: usize, padding: usize) -> [Vec<f64>; 3] {
    let w_shape = [outputs, x_shape[1], 3, 3];
    let options = ConvOptions::new([1, 1], [padding; 2], [1, 1], 1);
    let g = Geometry::new(x_shape, w_shape, &options);
    let shifts = g.forward_shifts();
    let x = noise(x_shape.iter().product(), 5);
    let w = noise(w_shape.iter().product(), 6);
    let weight = g.view(&w, Reduce::Inputs);
    let transformed = TransformedWeight::new(simd, &shifts, weight);
    let len = g.output_shape().iter().product();
    let (shifts, x) = (&shifts, x.as_slice());
    // SAFETY: the grid of a forward pass is the whole output.
    let filtered = unsafe {
        memory::filled(len, |y| {
            run(
                Sums {
                    simd,
                    shifts,
                    x,
                    maps: None,
                    y,
                },
                &transformed,
            );
        })
    };
    // SAFETY: as above.
    let shifted = unsafe {
        memory::filled(len, |y| {
            shifted::run(
                Sums {
                    simd,
                    shifts,
                    x,
                    maps: None,
                    y,
                },
                Factors::InRows(weight),
            );
        })
    };
    let mut exact = vec![0.0; len];
    let [n, c, h, width] = x_shape;
    let [high, wide] = g.output;
    for (i, sum) in exact.iter_mut().enumerate() {
        let (column, line) = (i % wide, i / wide % high);
        let (output, sample) = (i / wide / high % outputs, i / wide / high / outputs);
        assert!(sample < n);
        for channel in 0..c {
            for tap in 0..9 {
                let row = (line + tap / 3).checked_sub(padding).filter(|&r| r < h);
                let col = (column + tap % 3)
                    .checked_sub(padding)
                    .filter(|&c| c < width);
                if let (Some(row), Some(col)) = (row, col) {
                    let read = x[((sample * c + channel) * h + row) * width + col];
                    let factor = w[(output * c + channel) * 9 + tap];
                    *sum += f64::from(read) * f64::from(factor);
                }
            }
        }
    }
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    [wide(filtered), wide(shifted), exact]
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let squares: Vec<f64> = values.map(|v| v * v).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

#[test]
fn loses_few_more_digits_than_shifted_reads() {
    for simd in Simd::available() {
        for (shape, outputs, padding) in [
            ([2, 64, 20, 24], 24, 1),
            ([1, 300, 9, 13], 9, 1),
            ([3, 5, 7, 6], 3, 0),
            ([1, 8, 4, 3], 8, 2),
            ([1, 3, 1, 1], 2, 1),
        ] {
            let [filtered, shifted, exact] = three_ways(simd, shape, outputs, padding);
            let scale = rms(exact.iter().copied());
            let error = |got: &[f64]| rms(got.iter().zip(&exact).map(|(g, e)| g - e)) / scale;
            let (filtered, shifted) = (error(&filtered), error(&shifted));
            println!("{simd:?} {shape:?}: filtered {filtered:.2e}, shifted {shifted:.2e}");
            assert!(
                filtered < 6e-7 + 2.0 * shifted,
                "{simd:?} {shape:?}: {filtered:e} where shifted reads lose {shifted:e}"
            );
        }
    }
}

#[test]
fn only_a_window_of_neighbours_is_taken() {
    let window = |dilation: usize, kernel: usize| {
        let options = ConvOptions::new([1, 1], [dilation; 2], [dilation; 2], 1);
        let g = Geometry::new([1, 2, 9, 9], [2, 2, kernel, kernel], &options);
        corner(&g.forward_shifts())
    };
    assert_eq!(window(1, 3), Some([-1, -1]));
    assert_eq!(window(2, 3), None);
    assert_eq!(window(1, 2), None);
}
