//! Parity with the f32 kernels on operands that were rounded beforehand: what is left are other orders of summation.

use burn::tensor::ops::ConvOptions;
use half::bf16;
use proptest::prelude::*;

use super::super::super::{parity::noise, simd::Simd};
use super::super::{Arithmetic, geometry::Geometry};
use super::takes;

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&v| bf16::from_f32(v).to_f32()).collect()
}

fn compare(what: &str, got: &[f32], expected: &[f32], terms: usize) {
    assert_eq!(got.len(), expected.len(), "{what}");
    // The matrix unit rounds after each pair of products, so the bound grows a little faster than for fused sums.
    let bound = 1e-5 + 4e-7 * terms as f32;
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= bound * (1.0 + e.abs()),
            "{what} at {i}: {g} for {e}"
        );
    }
}

fn check(x_shape: [usize; 4], w_shape: [usize; 4], options: &ConvOptions<2>) {
    let g = Geometry::new(x_shape, w_shape, options);
    if !takes(&g) {
        return;
    }
    let x = noise(x_shape.iter().product(), 1);
    let w = noise(w_shape.iter().product(), 2);
    let dy = noise(g.output_shape().iter().product(), 3);
    let simd = Simd::current();
    let (tiles, vectors) = (Arithmetic::Tiles(simd), Arithmetic::Vectors(simd));
    let (rx, rw, rdy) = (rounded(&x), rounded(&w), rounded(&dy));
    let name = format!("{x_shape:?} {w_shape:?} {options:?}");
    compare(
        &format!("{name} forward"),
        &tiles.forward(&g, &x, &w, None),
        &vectors.forward(&g, &rx, &rw, None),
        g.inputs * g.window(),
    );
    compare(
        &format!("{name} data"),
        &tiles.data_gradient(&g, &w, &dy),
        &vectors.data_gradient(&g, &rw, &rdy),
        g.outputs * g.window(),
    );
    let dw = tiles.weight_gradient(&g, &x, &dy);
    compare(
        &format!("{name} weight"),
        &dw,
        &vectors.weight_gradient(&g, &rx, &rdy),
        g.batch * g.output[0] * g.output[1],
    );
    assert_eq!(
        dw,
        tiles.weight_gradient(&g, &x, &dy),
        "{name} weight again"
    );
}

#[test]
fn shapes_of_our_networks() {
    let same = |stride: usize| ConvOptions::new([stride; 2], [1, 1], [1, 1], 1);
    let one = |stride: usize| ConvOptions::new([stride; 2], [0, 0], [1, 1], 1);
    let stem = ConvOptions::new([2, 2], [3, 3], [1, 1], 1);
    check([2, 3, 64, 64], [64, 3, 7, 7], &stem);
    check([2, 16, 16, 16], [32, 16, 3, 3], &same(1));
    check([2, 40, 16, 16], [72, 40, 3, 3], &same(2));
    check([8, 96, 4, 4], [80, 96, 3, 3], &same(1));
    check([2, 64, 9, 9], [96, 64, 1, 1], &one(2));
    check([2, 64, 8, 8], [96, 64, 1, 1], &one(1));
    check([1, 16, 40, 40], [1, 16, 3, 3], &same(1));
    check(
        [1, 8, 20, 20],
        [8, 8, 3, 3],
        &ConvOptions::new([1, 1], [4, 4], [4, 4], 1),
    );
    check([2, 16, 96, 96], [16, 16, 3, 3], &same(1));
    check([1, 48, 70, 70], [64, 48, 3, 3], &same(1));
}

#[test]
fn what_lies_in_old_memory_does_not_leak_into_results() {
    let nan = vec![f32::NAN; 64 * 40 * 40];
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let g = Geometry::new([1, 64, 40, 40], [64, 64, 3, 3], &options);
    if !takes(&g) {
        return;
    }
    // Leaves NaN in every buffer of every thread.
    let weights = vec![f32::NAN; 64 * 64 * 9];
    rayon::broadcast(|_| {
        let tiles = Arithmetic::Tiles(Simd::current());
        tiles.forward(&g, &nan, &weights, None);
        tiles.weight_gradient(&g, &nan, &nan);
    });
    check([2, 5, 11, 7], [3, 5, 3, 3], &options);
    check([3, 33, 5, 5], [35, 33, 3, 3], &options);
    check([1, 17, 40, 33], [18, 17, 3, 3], &options);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_shape(
        batch in 1_usize..4,
        inputs in 1_usize..40,
        outputs in 1_usize..40,
        size in (1_usize..24, 1_usize..24),
        kernel in (1_usize..5, 1_usize..5),
        stride in (1_usize..4, 1_usize..4),
        padding in (0_usize..5, 0_usize..5, 0_usize..5, 0_usize..5),
        dilation in (1_usize..5, 1_usize..5),
    ) {
        let options = ConvOptions {
            stride: [stride.0, stride.1],
            padding: [(padding.0, padding.1), (padding.2, padding.3)],
            dilation: [dilation.0, dilation.1],
            groups: 1,
        };
        let reach = [dilation.0 * (kernel.0 - 1) + 1, dilation.1 * (kernel.1 - 1) + 1];
        prop_assume!(reach[0] <= size.0 + padding.0 + padding.1);
        prop_assume!(reach[1] <= size.1 + padding.2 + padding.3);
        check([batch, inputs, size.0, size.1], [outputs, inputs, kernel.0, kernel.1], &options);
    }

    /// Sizes at which the kernels split the work in several ways.
    #[test]
    fn any_larger_shape(
        batch in 1_usize..5,
        inputs in 1_usize..100,
        outputs in 1_usize..100,
        size in 8_usize..64,
        kernel in prop_oneof![Just(1_usize), Just(3)],
        stride in 1_usize..3,
    ) {
        let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
        check([batch, inputs, size, size], [outputs, inputs, kernel, kernel], &options);
    }
}
