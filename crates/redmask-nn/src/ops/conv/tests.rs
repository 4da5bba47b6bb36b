//! Parity of the kernels with the stock operation.

use burn::{
    backend::{Flex, flex::FlexTensor, ops::ModuleOps},
    tensor::ops::ConvOptions,
};

use super::super::{flex, simd::Simd};
use super::{data_gradient, forward, geometry::Geometry, weight_gradient::weight_gradient};

/// Numbers in -1..1 without any order.
fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| {
            let mut h = (i + seed * 1_000_003) as u32;
            h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
            h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
            (h ^ (h >> 16)) as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

fn compare(what: &str, got: &[f32], expected: &FlexTensor, terms: usize) {
    let expected = expected.to_contiguous();
    let expected = flex::values(&expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    let bound = 1e-6 * (terms as f32).sqrt().max(4.0);
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= bound * (1.0 + e.abs()),
            "{what} at {i}: {g} for {e}"
        );
    }
}

fn check(x_shape: [usize; 4], w_shape: [usize; 4], options: &ConvOptions<2>) {
    let g = Geometry::new(x_shape, w_shape, options);
    let x = noise(x_shape.iter().product(), 1);
    let w = noise(w_shape.iter().product(), 2);
    let dy = noise(g.output_shape().iter().product(), 3);
    let (tx, tw) = (
        flex::tensor(x.clone(), x_shape),
        flex::tensor(w.clone(), w_shape),
    );
    let tdy = flex::tensor(dy.clone(), g.output_shape());
    let y = Flex::conv2d(tx.clone(), tw.clone(), None, options.clone());
    let dx = Flex::conv2d_x_backward(tx.clone(), tw.clone(), tdy.clone(), options.clone());
    let dw = Flex::conv2d_weight_backward(tx, tw, tdy, options.clone());
    for simd in Simd::available() {
        let name = format!("{simd:?} {x_shape:?} {w_shape:?} {options:?}");
        let depth = g.inputs * g.window();
        compare(
            &format!("{name} forward"),
            &forward(simd, &g, &x, &w),
            &y,
            depth,
        );
        let depth = g.outputs * g.window();
        compare(
            &format!("{name} data"),
            &data_gradient(simd, &g, &w, &dy),
            &dx,
            depth,
        );
        let depth = g.batch * g.output[0] * g.output[1];
        compare(
            &format!("{name} weight"),
            &weight_gradient(simd, &g, &x, &dy),
            &dw,
            depth,
        );
    }
}

#[test]
fn shapes_of_our_networks() {
    let same = |stride: usize| ConvOptions::new([stride; 2], [1, 1], [1, 1], 1);
    check(
        [2, 3, 32, 32],
        [8, 3, 7, 7],
        &ConvOptions::new([2, 2], [3, 3], [1, 1], 1),
    );
    check([2, 16, 16, 16], [32, 16, 3, 3], &same(1));
    check([2, 40, 16, 16], [72, 40, 3, 3], &same(2));
    check([8, 64, 4, 4], [64, 64, 3, 3], &same(1));
    check(
        [2, 64, 9, 9],
        [96, 64, 1, 1],
        &ConvOptions::new([2, 2], [0, 0], [1, 1], 1),
    );
    check(
        [2, 64, 8, 8],
        [96, 64, 1, 1],
        &ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
    );
    check([1, 16, 40, 40], [1, 16, 3, 3], &same(1));
    check(
        [2, 24, 17, 13],
        [24, 1, 3, 3],
        &ConvOptions::new([2, 2], [1, 1], [1, 1], 24),
    );
    check(
        [1, 8, 20, 20],
        [8, 8, 3, 3],
        &ConvOptions::new([1, 1], [4, 4], [4, 4], 1),
    );
    check([2, 16, 96, 96], [16, 16, 3, 3], &same(1));
}
