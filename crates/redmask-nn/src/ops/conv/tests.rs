//! Parity of the kernels with the stock operation.

use burn::{
    backend::{Flex, flex::FlexTensor, ops::ModuleOps},
    tensor::ops::ConvOptions,
};
use proptest::prelude::*;

use super::super::{flex, parity::noise, simd::Simd};
use super::{Arithmetic, KeptWeights, geometry::Geometry};

fn compare(what: &str, got: &[f32], expected: &FlexTensor, terms: usize) {
    let expected = expected.to_contiguous();
    let expected = flex::values(&expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    // Both sides round: with the order of their sums, by a share of the partial sums. Minimal filtering rounds values of
    // a whole tile, so what it loses goes by the size of the neighbours.
    let scale = (expected.iter().map(|e| e * e).sum::<f32>() / expected.len() as f32).sqrt();
    let bound = 4e-6 + 1e-7 * terms as f32;
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= bound * (1.0 + e.abs().max(scale)),
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
        let arithmetic = Arithmetic::Vectors(simd);
        let name = format!("{simd:?} {x_shape:?} {w_shape:?} {options:?}");
        let depth = g.inputs * g.window();
        compare(
            &format!("{name} forward"),
            &arithmetic.forward(&g, &x, &w, None),
            &y,
            depth,
        );
        let (kept, weight) = (KeptWeights::default(), flex::tensor(w.clone(), w_shape));
        for _ in 0..2 {
            let got = arithmetic.forward_kept(&g, &x, &weight, None, &kept);
            compare(&format!("{name} kept"), &got, &y, depth);
        }
        let depth = g.outputs * g.window();
        compare(
            &format!("{name} data"),
            &arithmetic.data_gradient(&g, &w, &dy),
            &dx,
            depth,
        );
        let depth = g.batch * g.output[0] * g.output[1];
        compare(
            &format!("{name} weight"),
            &arithmetic.weight_gradient(&g, &x, &dy),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape(
        batch in 1_usize..4,
        groups in prop_oneof![3 => Just(1_usize), 1 => 2_usize..5],
        inputs in 1_usize..20,
        outputs in 1_usize..20,
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
            groups,
        };
        let reach = [dilation.0 * (kernel.0 - 1) + 1, dilation.1 * (kernel.1 - 1) + 1];
        prop_assume!(reach[0] <= size.0 + padding.0 + padding.1);
        prop_assume!(reach[1] <= size.1 + padding.2 + padding.3);
        let x = [batch, groups * inputs, size.0, size.1];
        check(x, [groups * outputs, inputs, kernel.0, kernel.1], &options);
    }

    #[test]
    fn any_depthwise_shape(
        batch in 1_usize..4,
        channels in 1_usize..9,
        multiplier in 1_usize..4,
        size in (1_usize..40, 1_usize..40),
        kernel in 1_usize..6,
        stride in 1_usize..4,
        dilation in 1_usize..5,
    ) {
        let padding = dilation * (kernel - 1) / 2;
        prop_assume!(size.0.min(size.1) + 2 * padding > dilation * (kernel - 1));
        let options =
            ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], channels);
        let x = [batch, channels, size.0, size.1];
        check(x, [channels * multiplier, 1, kernel, kernel], &options);
    }

    /// Sizes at which the kernels split the work in several ways.
    #[test]
    fn any_larger_shape(
        batch in 1_usize..5,
        inputs in 1_usize..80,
        outputs in 1_usize..80,
        size in 8_usize..48,
        kernel in prop_oneof![Just(1_usize), Just(3)],
        stride in 1_usize..3,
    ) {
        let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
        check([batch, inputs, size, size], [outputs, inputs, kernel, kernel], &options);
    }
}
