//! Our operations against Burn's own: values and all gradients, on every path, over random shapes.

use burn::{
    module::Param,
    tensor::{
        Device, Tensor, TensorData, module,
        ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions},
    },
};
use proptest::prelude::*;

use super::{
    Activation, BatchStatistics, ConvOptions, Precision, Simd, add_relu, batch_norm_eval,
    batch_norm_train, conv2d, conv2d_batch_norm_eval, conv2d_bias, group_norm, max_pool2d,
    resize_bilinear, resize_bilinear_aligned, upsample_nearest, upsample_nearest_beside,
};

/// Numbers in -1..1 without any order.
pub(super) fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| {
            let mut h = (i + seed * 1_000_003) as u32;
            h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
            h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
            (h ^ (h >> 16)) as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

/// The output of `operation` and the gradients of its inputs under a random gradient of the output.
fn evaluate(
    shapes: &[[usize; 4]],
    values: &[Vec<f32>],
    operation: &dyn Fn(&[Tensor<4>]) -> Tensor<4>,
) -> Vec<Vec<f32>> {
    let device = Device::flex().autodiff();
    let inputs: Vec<Tensor<4>> = shapes
        .iter()
        .zip(values)
        .map(|(&shape, values)| {
            let data = TensorData::new(values.clone(), shape);
            Tensor::from_data(data, &device).require_grad()
        })
        .collect();
    let y = operation(&inputs);
    let shape = y.dims();
    let g = TensorData::new(noise(shape.iter().product(), 99), shape);
    let gradients = (y.clone() * Tensor::from_data(g, &device)).sum().backward();
    let list = |t: Tensor<4>| t.into_data().try_into_vec::<f32>().expect("f32");
    let mut results = vec![list(y.inner())];
    for input in &inputs {
        results.push(input.grad(&gradients).map(list).unwrap_or_default());
    }
    results
}

/// Asserts that both operations agree within `tolerance` of the largest element.
fn assert_same(
    shapes: &[[usize; 4]],
    tolerance: f32,
    ours: &dyn Fn(&[Tensor<4>]) -> Tensor<4>,
    stock: &dyn Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    let values: Vec<Vec<f32>> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| noise(shape.iter().product(), i))
        .collect();
    assert_same_on(shapes, &values, tolerance, ours, stock);
}

fn assert_same_on(
    shapes: &[[usize; 4]],
    values: &[Vec<f32>],
    tolerance: f32,
    ours: &dyn Fn(&[Tensor<4>]) -> Tensor<4>,
    stock: &dyn Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    let expected = evaluate(shapes, values, stock);
    for simd in Simd::available() {
        let got = simd.force(|| evaluate(shapes, values, ours));
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let what = if i == 0 {
                "output".into()
            } else {
                format!("gradient {}", i - 1)
            };
            assert_eq!(got.len(), expected.len(), "{simd:?} {what} of {shapes:?}");
            let scale = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
            for (at, (g, e)) in got.iter().zip(expected).enumerate() {
                assert!(
                    (g - e).abs() <= tolerance * scale,
                    "{simd:?} {what} of {shapes:?} at {at}: {g} for {e}"
                );
            }
        }
    }
}

fn flat(x: &Tensor<4>) -> Tensor<1> {
    x.clone().reshape([-1])
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Relu),
        Just(Activation::Relu6)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn convolution_with_bias(
        n in 1_usize..4, groups in 1_usize..4, inputs in 1_usize..12, outputs in 1_usize..12,
        h in 1_usize..20, w in 1_usize..20, kernel in 1_usize..4,
        stride in 1_usize..4, dilation in 1_usize..5,
        activation in activation(),
    ) {
        let padding = dilation * (kernel - 1);
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
        let shapes = [
            [n, groups * inputs, h, w],
            [groups * outputs, inputs, kernel, kernel],
            [groups * outputs, 1, 1, 1],
        ];
        assert_same(
            &shapes,
            2e-5,
            &|t| {
                let [x, weight, bias] = [t[0].clone(), t[1].clone(), t[2].clone()];
                let (bias, options) = (flat(&bias), options.clone());
                conv2d_bias(x, weight, bias, options, Precision::Fp32, activation, [None, None])
            },
            &|t| {
                let bias = Some(flat(&t[2]));
                activation.apply(module::conv2d(t[0].clone(), t[1].clone(), bias, options.clone()))
            },
        );
    }

    /// Not only close: a network scores the same whether or not gradients are tracked.
    #[test]
    fn convolution_and_normalisation_in_one_pass(
        n in 1_usize..4, groups in 1_usize..3, inputs in 1_usize..20, outputs in 1_usize..20,
        side in 1_usize..40, kernel in 1_usize..4, stride in 1_usize..3,
        activation in activation(),
    ) {
        let device = Device::flex();
        let options = || ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], groups);
        prop_assume!(side + 2 * (kernel / 2) >= kernel);
        let tensor = |shape: [usize; 4], seed| {
            let values = noise(shape.iter().product(), seed);
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        let x = tensor([n, groups * inputs, side, side], 1);
        let weight = tensor([groups * outputs, inputs, kernel, kernel], 2);
        let c1 = [groups * outputs, 1, 1, 1];
        let statistic = |seed| flat(&tensor(c1, seed));
        let (scale, shift, mean, variance) =
            (statistic(3), statistic(4), statistic(5), statistic(6) * 0.5 + 1.0);
        for precision in [Precision::Fp32, Precision::Bf16] {
            for simd in Simd::available() {
                simd.force(|| {
                    let y = conv2d(x.clone(), weight.clone(), options(), precision, None);
                    let (a, b) = (scale.clone(), shift.clone());
                    let two = batch_norm_eval(y, a, b, mean.clone(), variance.clone(), 1e-5, activation, [None, None]);
                    let statistics = BatchStatistics {
                        weight: scale.clone(),
                        bias: shift.clone(),
                        mean: mean.clone(),
                        variance: variance.clone(),
                    };
                    let (x, weight) = (x.clone(), weight.clone());
                    let one = conv2d_batch_norm_eval(
                        x, weight, options(), precision, statistics, 1e-5, activation,
                    );
                    assert!(one.equal(two).all().into_scalar::<bool>(), "{simd:?} {precision:?}");
                });
            }
        }
    }

    #[test]
    fn batch_norm_in_training(
        n in 1_usize..4, c in 1_usize..40, h in 1_usize..30, w in 1_usize..30,
        activation in activation(),
    ) {
        // With few elements the variance can be so small that rounding shows in everything.
        prop_assume!(n * h * w >= 4);
        let c1 = [c, 1, 1, 1];
        assert_same(
            &[[n, c, h, w], c1, c1],
            2e-4,
            &|t| batch_norm_train(t[0].clone(), flat(&t[1]), flat(&t[2]), 1e-3, activation).output,
            &|t| {
                let stock =
                    module::batch_norm_train(t[0].clone(), flat(&t[1]), flat(&t[2]), 1e-3);
                activation.apply(stock.output)
            },
        );
    }

    #[test]
    fn batch_norm_in_evaluation(
        n in 1_usize..4, c in 1_usize..40, h in 1_usize..30, w in 1_usize..30,
        activation in activation(),
    ) {
        let c1 = [c, 1, 1, 1];
        let device = Device::flex();
        let statistic = |seed, offset: f32| {
            let values: Vec<f32> = noise(c, seed).iter().map(|v| 0.5 * v + offset).collect();
            Tensor::<1>::from_data(TensorData::new(values, [c]), &device)
        };
        let (mean, variance) = (statistic(7, 0.0), statistic(8, 1.0));
        assert_same(
            &[[n, c, h, w], c1, c1],
            2e-5,
            &|t| {
                let (mean, variance) = (mean.clone(), variance.clone());
                batch_norm_eval(
                    t[0].clone(), flat(&t[1]), flat(&t[2]), mean, variance, 1e-5, activation, [None, None],
                )
            },
            &|t| {
                let (mean, variance) = (mean.clone().autodiff(), variance.clone().autodiff());
                let (w, b) = (flat(&t[1]), flat(&t[2]));
                activation.apply(module::batch_norm(t[0].clone(), w, b, mean, variance, 1e-5))
            },
        );
    }

    #[test]
    fn group_norm_per_sample(
        n in 1_usize..4, groups in 1_usize..6, per_group in 1_usize..6,
        h in 1_usize..30, w in 1_usize..30,
        activation in activation(),
    ) {
        prop_assume!(per_group * h * w >= 4);
        let c = groups * per_group;
        let c1 = [c, 1, 1, 1];
        assert_same(
            &[[n, c, h, w], c1, c1],
            2e-4,
            &|t| {
                let (w, b) = (flat(&t[1]), flat(&t[2]));
                group_norm(t[0].clone(), groups, w, b, 1e-3, activation, [None, None])
            },
            &|t| {
                let x = t[0].clone().reshape([n, groups, per_group * h * w]);
                let (variance, mean) = x.clone().var_mean_bias(2);
                let x = ((x - mean) / (variance + 1e-3).sqrt()).reshape([n, c, h, w]);
                let y = x * t[1].clone().reshape([1, c, 1, 1]) + t[2].clone().reshape([1, c, 1, 1]);
                activation.apply(y)
            },
        );
    }

    #[test]
    fn rectified_sum(n in 1_usize..4, c in 1_usize..9, h in 1_usize..70, w in 1_usize..70) {
        let shape = [n, c, h, w];
        assert_same(
            &[shape, shape],
            1e-6,
            &|t| add_relu(t[0].clone(), t[1].clone()),
            &|t| burn::tensor::activation::relu(t[0].clone() + t[1].clone()),
        );
    }

    #[test]
    fn max_pooling(
        n in 1_usize..3, c in 1_usize..6, h in 3_usize..40, w in 3_usize..40,
        kernel in (1_usize..4, 1_usize..4), stride in (1_usize..4, 1_usize..4),
        padded in any::<bool>(),
        coarse in any::<bool>(),
    ) {
        let (kernel, stride) = ([kernel.0, kernel.1], [stride.0, stride.1]);
        let padding = kernel.map(|k| if padded { k / 2 } else { 0 });
        let options = MaxPoolOptions {
            kernel_size: kernel,
            stride,
            padding: padding.map(|p| (p, p)),
            dilation: [1, 1],
            ceil_mode: false,
        };
        // Coarse values tie often.
        let mut values = noise(n * c * h * w, 5);
        if coarse {
            for value in &mut values {
                *value = (*value * 2.0).round();
            }
        }
        assert_same_on(
            &[[n, c, h, w]],
            &[values],
            1e-6,
            &|t| max_pool2d(t[0].clone(), kernel, stride, padding),
            &|t| module::max_pool2d(t[0].clone(), options.clone()),
        );
    }

    #[test]
    fn bilinear_resize(
        n in 1_usize..3, c in 1_usize..20, h in 1_usize..14, w in 1_usize..14,
        out_h in 1_usize..40, out_w in 1_usize..40, aligned: bool,
    ) {
        let size = [out_h, out_w];
        let options = InterpolateOptions::new(InterpolateMode::Bilinear);
        let options = options.with_align_corners(aligned).with_output_size(size);
        assert_same(
            &[[n, c, h, w]],
            1e-5,
            &|t| {
                if aligned {
                    resize_bilinear_aligned(t[0].clone(), size)
                } else {
                    resize_bilinear(t[0].clone(), size)
                }
            },
            &|t| module::interpolate(t[0].clone(), options.clone()),
        );
    }

    #[test]
    fn nearest_resize(
        n in 1_usize..3, c in 1_usize..6, h in 1_usize..30, w in 1_usize..30,
        to in (1_usize..60, 1_usize..60), double in any::<bool>(),
    ) {
        let size = if double { [2 * h, 2 * w] } else { [to.0, to.1] };
        // The stock operation rounds in f64, PyTorch and we in f32.
        let whole = |input: usize, output: usize| {
            (1..output).any(|i| (i * input).is_multiple_of(output))
        };
        prop_assume!(double || !(whole(h, size[0]) || whole(w, size[1])));
        let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size(size);
        assert_same(
            &[[n, c, h, w]],
            1e-5,
            &|t| upsample_nearest(t[0].clone(), size),
            &|t| module::interpolate(t[0].clone(), options.clone()),
        );
    }

    #[test]
    fn nearest_resize_beside_a_skip(
        n in 1_usize..3, c in 1_usize..6, h in 1_usize..30, w in 1_usize..30,
        skips in 1_usize..6, to in (1_usize..60, 1_usize..60), double in any::<bool>(),
    ) {
        let size = if double { [2 * h, 2 * w] } else { [to.0, to.1] };
        assert_same(
            &[[n, c, h, w], [n, skips, size[0], size[1]]],
            1e-5,
            &|t| upsample_nearest_beside(t[0].clone(), t[1].clone()),
            &|t| Tensor::cat(vec![upsample_nearest(t[0].clone(), size), t[1].clone()], 1),
        );
    }
}

#[test]
fn a_nan_survives_every_operation() {
    let device = Device::flex();
    let mut values = noise(2 * 3 * 16, 3);
    values[17] = f32::NAN;
    let x = Tensor::<4>::from_data(TensorData::new(values, [2, 3, 4, 4]), &device);
    let ones = || Tensor::<1>::ones([3], &device);
    let any_nan = |t: Tensor<4>| t.is_nan().any().into_scalar::<bool>();
    for simd in Simd::available() {
        simd.force(|| {
            for activation in [Activation::Identity, Activation::Relu, Activation::Relu6] {
                let y = batch_norm_eval(
                    x.clone(),
                    ones(),
                    ones(),
                    ones(),
                    ones(),
                    1e-5,
                    activation,
                    [None, None],
                );
                assert!(any_nan(y), "{simd:?} {activation:?}");
            }
            assert!(any_nan(add_relu(x.clone(), x.clone())), "{simd:?}");
            assert!(
                any_nan(max_pool2d(x.clone(), [2, 2], [2, 2], [0, 0])),
                "{simd:?}"
            );
        });
    }
}

#[test]
fn parameters_that_track_gradients_meet_inputs_that_do_not() {
    let device = Device::flex().autodiff();
    let weight = Param::from_tensor(Tensor::<1>::ones([3], &device));
    let x = Tensor::<4>::ones([2, 3, 4, 4], &Device::flex());
    let out = batch_norm_train(x, weight.val(), weight.val(), 1e-5, Activation::Relu);
    let gradients = out.output.sum().backward();
    assert!(weight.val().grad(&gradients).is_some());
}
