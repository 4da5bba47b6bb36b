//! The ways to a norm against one another and against the gradient formed sample by sample.

use burn::module::ParamId;
use burn::tensor::ops::ConvOptions;
use proptest::prelude::*;

use super::super::conv::gradient_of_weight;
use super::super::parity::noise;
use super::super::{flex, simd::Simd};
use super::*;

/// Asserts that two numbers agree to 1e-5 of the second, or of what rounding leaves of `scale`.
fn close(what: &str, got: f64, expected: f64, scale: f64) {
    let bound = 1e-5 * expected.abs() + 1e-9 * scale;
    assert!(
        (got - expected).abs() <= bound,
        "{what}: {got} for {expected}"
    );
}

fn check(x_shape: [usize; 4], w_shape: [usize; 4], rows: &[usize], options: &ConvOptions<2>) {
    let geometry = Geometry::new(x_shape, w_shape, options);
    let x = noise(x_shape.iter().product(), 1);
    let dy = noise(geometry.output_shape().iter().product(), 2);
    let tape = Tape::new(rows);
    assert_eq!(tape.rows(), x_shape[0]);
    let samples = &tape.samples;
    let product = || Product {
        geometry,
        x: flex::tensor(x.clone(), x_shape),
        dy: flex::tensor(dy.clone(), geometry.output_shape()),
    };
    let (row_x, row_dy) = (x.len() / x_shape[0], dy.len() / x_shape[0]);
    // Rows one at a time, summed in f64.
    let naive: Vec<Vec<f64>> = samples
        .iter()
        .map(|span| {
            let one = Geometry {
                batch: 1,
                ..geometry
            };
            let mut sum = vec![0.0; w_shape.iter().product()];
            for row in span.clone() {
                let x = &x[row * row_x..][..row_x];
                let dy = &dy[row * row_dy..][..row_dy];
                for (sum, v) in sum.iter_mut().zip(gradient_of_weight(&one, x, dy)) {
                    *sum += f64::from(v);
                }
            }
            sum
        })
        .collect();
    let squares: Vec<f64> = naive
        .iter()
        .map(|g| g.iter().map(|v| v * v).sum())
        .collect();
    // Positions times channels: what a single product can contribute at most.
    let scale = (row_dy * w_shape[1] * w_shape[2] * w_shape[3]) as f64;
    let name = format!("{x_shape:?} {w_shape:?} {rows:?} {options:?}");
    let factors: Vec<f32> = (0..rows.len()).map(|i| 0.25 + 0.5 * i as f32).collect();
    for simd in Simd::available() {
        simd.force(|| {
            let formed = product().formed_squares(samples);
            let ghost = product().ghost_squares(samples);
            let values = product().each(samples);
            for i in 0..rows.len() {
                let what = format!("{simd:?} {name} sample {i}");
                close(&format!("formed {what}"), formed[i], squares[i], scale);
                close(&format!("ghost {what}"), ghost[i], squares[i], scale);
            }
            for parts in [Parts::Values(values), Parts::Product(product())] {
                let sum = parts.weighted_sum(samples, &factors);
                assert_eq!(sum.len(), parts.len());
                for (at, got) in sum.iter().enumerate() {
                    let expected: f64 = naive
                        .iter()
                        .zip(&factors)
                        .map(|(g, f)| g[at] * f64::from(*f))
                        .sum();
                    let bound = 1e-5 * (1.0 + (row_dy as f64).sqrt() * rows.len() as f64);
                    assert!(
                        (f64::from(*got) - expected).abs() <= bound,
                        "{name} weight {at}: {got} for {expected}"
                    );
                }
            }
        });
    }
}

#[test]
fn layers_of_our_networks() {
    let same = |kernel: usize, stride: usize, dilation: usize, groups: usize| {
        let padding = dilation * (kernel / 2);
        ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups)
    };
    check([3, 3, 32, 32], [8, 3, 7, 7], &[1, 1, 1], &same(7, 2, 1, 1));
    check(
        [4, 16, 12, 12],
        [24, 16, 3, 3],
        &[1, 2, 1],
        &same(3, 1, 1, 1),
    );
    check([3, 16, 12, 12], [24, 16, 1, 1], &[2, 1], &same(1, 2, 1, 1));
    check([2, 24, 9, 9], [24, 1, 3, 3], &[1, 1], &same(3, 1, 1, 24));
    check([2, 8, 16, 16], [8, 8, 3, 3], &[1, 1], &same(3, 1, 4, 1));
    check([2, 32, 4, 4], [48, 32, 3, 3], &[2], &same(3, 1, 1, 1));
    check([5, 7, 1, 1], [9, 7, 1, 1], &[1; 5], &same(1, 1, 1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn any_shape(
        rows in prop::collection::vec(1_usize..3, 1..4),
        groups in prop_oneof![3 => Just(1_usize), 1 => 2_usize..5],
        inputs in 1_usize..12,
        outputs in 1_usize..12,
        size in (1_usize..14, 1_usize..14),
        kernel in (1_usize..5, 1_usize..5),
        stride in (1_usize..4, 1_usize..4),
        padding in (0_usize..4, 0_usize..4, 0_usize..4, 0_usize..4),
        dilation in (1_usize..4, 1_usize..4),
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
        let x = [rows.iter().sum(), groups * inputs, size.0, size.1];
        check(x, [groups * outputs, inputs, kernel.0, kernel.1], &rows, &options);
    }

    #[test]
    fn any_depthwise_shape(
        batch in 1_usize..4,
        channels in 1_usize..6,
        multiplier in 1_usize..4,
        size in (1_usize..16, 1_usize..16),
        kernel in 1_usize..5,
        stride in 1_usize..4,
        dilation in 1_usize..4,
    ) {
        let padding = dilation * (kernel - 1) / 2;
        prop_assume!(size.0.min(size.1) + 2 * padding > dilation * (kernel - 1));
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], channels);
        let x = [batch, channels, size.0, size.1];
        check(x, [channels * multiplier, 1, kernel, kernel], &vec![1; batch], &options);
    }
}

#[test]
fn a_parameter_used_twice_has_one_gradient() {
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let (x_shape, w_shape) = ([2, 4, 6, 6], [4, 4, 3, 3]);
    let geometry = Geometry::new(x_shape, w_shape, &options);
    let len = x_shape.iter().product();
    let id = ParamId::from(1);
    for room in [0, KEPT_BYTES] {
        let tape = Tape::new(&[1, 1]).keeping(room);
        let mut expected = vec![vec![0.0_f32; 144]; 2];
        for part in 0..2 {
            let (x, dy) = (noise(len, part), noise(len, part + 5));
            for (i, sum) in expected.iter_mut().enumerate() {
                let one = Geometry {
                    batch: 1,
                    ..geometry
                };
                let rows = i * len / 2..(i + 1) * len / 2;
                let gradient = gradient_of_weight(&one, &x[rows.clone()], &dy[rows]);
                for (sum, v) in sum.iter_mut().zip(gradient) {
                    *sum += v;
                }
            }
            tape.record_weight(
                id,
                geometry,
                flex::tensor(x, x_shape),
                flex::tensor(dy, x_shape),
            );
        }
        let gradients = tape.finish();
        assert_eq!(gradients.parameters().collect::<Vec<_>>(), [id]);
        let sum = gradients.weighted_sum(id, &[1.0, 0.5]).expect("recorded");
        for (i, expected) in expected.iter().enumerate() {
            let squares = gradients.squared_norms(id).expect("recorded")[i];
            let square = expected.iter().map(|v| f64::from(*v).powi(2)).sum();
            close("norm", squares, square, 1.0);
        }
        for (at, got) in sum.iter().enumerate() {
            let expected = expected[0][at] + 0.5 * expected[1][at];
            assert!((got - expected).abs() < 1e-4, "{got} for {expected}");
        }
        assert_eq!(tape.finish().parameters().count(), 0, "the tape is empty");
    }
}

#[test]
fn only_the_wanted_parameters_are_recorded() {
    let tape = Tape::new(&[1, 1]).only([ParamId::from(2)]);
    tape.record_rows(ParamId::from(1), 2, &[1.0; 4]);
    tape.record_rows(ParamId::from(2), 2, &[1.0, 2.0, 3.0, 4.0]);
    let gradients = tape.finish();
    assert_eq!(gradients.squared_norms(ParamId::from(1)), None);
    assert_eq!(
        gradients.squared_norms(ParamId::from(2)),
        Some([5.0, 25.0].as_slice())
    );
}
