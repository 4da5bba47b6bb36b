//! Gradients per sample against the loop that takes one sample at a time: every kind of layer, and whole networks.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use redmask_core::Seed;
use redmask_nn::block::{
    BatchNorm2d, Conv2d, Conv2dConfig, Dense, GroupNorm, Layer, NormKind, Sequential,
};
use redmask_nn::init::{Init, WeightInit};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::ops::{Activation, KEPT_BYTES, Tape};
use redmask_nn::pass::Pass;
use redmask_nn::weights::{StatePath, gradient_dict, restore, shapes};

#[derive(Default)]
struct Ids {
    path: StatePath,
    found: BTreeMap<String, ParamId>,
}

impl ModuleVisitor for Ids {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.found.insert(self.path.name(), param.id);
        }
    }
}

fn noise(len: usize, seed: u64) -> Vec<f32> {
    use rand::RngExt;
    let mut rng = Seed::root(seed).rng();
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let values = noise(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// How a pass over these samples begins.
type Start = fn(Vec<(usize, Seed)>) -> Pass;

fn training(samples: Vec<(usize, Seed)>) -> Pass {
    Pass::train_samples(samples)
}

fn evaluation(_: Vec<(usize, Seed)>) -> Pass {
    Pass::eval()
}

/// Asserts that the tape and the loop agree to `tolerance`, with samples of these numbers of rows.
fn check<M: Module, const D: usize>(
    module: &M,
    x: &Tensor<D>,
    rows: &[usize],
    start: Start,
    tolerance: f64,
    forward: &dyn Fn(&M, Tensor<D>, &Pass) -> Tensor<D>,
) {
    let seeds: Vec<(usize, Seed)> = rows
        .iter()
        .enumerate()
        .map(|(i, &rows)| (rows, Seed::root(7).index(i as u64)))
        .collect();
    let batch = x.dims()[0];
    let shape = forward(module, x.clone(), &start(seeds.clone())).dims();
    let direction = tensor(shape, 99);
    let backward = |x: Tensor<D>, direction: Tensor<D>, pass: &Pass| {
        let y = forward(module, x, pass);
        (y * direction.autodiff()).sum().backward()
    };
    let mut first = 0;
    let naive: Vec<_> = seeds
        .iter()
        .map(|&(rows, seed)| {
            let span = first..first + rows;
            first += rows;
            let x = x.clone().narrow(0, span.start, rows);
            let direction = direction.clone().narrow(0, span.start, rows);
            let gradients = backward(x, direction, &start(vec![(rows, seed)]));
            gradient_dict(module, &gradients)
        })
        .collect();
    assert_eq!(first, batch);

    let mut ids = Ids::default();
    module.visit(&mut ids);
    let factors: Vec<f32> = (0..rows.len()).map(|i| 1.0 / (1.0 + i as f32)).collect();
    for room in [KEPT_BYTES, 1 << 14, 0] {
        let tape = Arc::new(Tape::new(rows).keeping(room));
        let pass = start(seeds.clone()).with_tape(Arc::clone(&tape));
        let ordinary = backward(x.clone(), direction.clone(), &pass);
        assert!(
            gradient_dict(module, &ordinary).is_empty(),
            "a gradient was registered besides"
        );
        let gradients = tape.finish();
        let mut totals = vec![(0.0, 0.0); rows.len()];
        let mut differences = Vec::new();
        let (mut distance, mut length) = (0.0, 0.0);
        for (path, &id) in &ids.found {
            if !naive[0].contains_key(path) {
                assert!(gradients.squared_norms(id).is_none(), "{path}");
                continue;
            }
            let squares = gradients
                .squared_norms(id)
                .unwrap_or_else(|| panic!("{path} was not recorded"));
            for (i, (&got, naive)) in squares.iter().zip(&naive).enumerate() {
                let expected: f64 = naive[path]
                    .values
                    .iter()
                    .map(|v| f64::from(*v).powi(2))
                    .sum();
                totals[i].0 += got;
                totals[i].1 += expected;
                differences.push((path, i, got.sqrt(), expected.sqrt()));
            }
            let sum = gradients.weighted_sum(id, &factors).unwrap();
            for (at, got) in sum.iter().enumerate() {
                let expected: f64 = naive
                    .iter()
                    .zip(&factors)
                    .map(|(g, f)| f64::from(g[path].values[at]) * f64::from(*f))
                    .sum();
                distance += (f64::from(*got) - expected).powi(2);
                length += expected.powi(2);
            }
        }
        for &(got, expected) in &totals {
            let (got, expected) = (f64::sqrt(got), f64::sqrt(expected));
            assert!(
                (got - expected).abs() <= tolerance * expected,
                "norm {got} for {expected} with room for {room} bytes"
            );
        }
        for (path, i, got, expected) in differences {
            // A parameter whose gradient cancels keeps the rounding of its terms.
            let bound = tolerance * expected + 0.01 * tolerance * totals[i].1.sqrt();
            assert!(
                (got - expected).abs() <= bound,
                "{path}, sample {i}: {got} for {expected}"
            );
        }
        assert!(
            distance.sqrt() <= tolerance * length.sqrt(),
            "the weighted sum is {} off, of {}",
            distance.sqrt(),
            length.sqrt()
        );
    }
}

fn init(device: &Device) -> Init<'_> {
    Init::new(Seed::root(1), device, WeightInit::PyTorch)
}

fn rows() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..3, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn convolution_with_bias(
        rows in rows(),
        groups in 1_usize..4,
        inputs in 1_usize..10,
        outputs in 1_usize..10,
        size in (3_usize..14, 3_usize..14),
        kernel in 1_usize..4,
        stride in 1_usize..3,
        dilation in 1_usize..3,
    ) {
        let device = Device::flex().autodiff();
        let layer = Conv2dConfig::new(groups * inputs, groups * outputs, kernel)
            .dilation(dilation)
            .same()
            .stride(stride)
            .groups(groups)
            .bias(true)
            .init(&init(&device));
        prop_assume!(size.0.min(size.1) + 2 * dilation * (kernel / 2) > dilation * (kernel - 1));
        let x = tensor([rows.iter().sum(), groups * inputs, size.0, size.1], 2);
        check(&layer, &x, &rows, training, 1e-5, &|m: &Conv2d, x, pass| m.forward(x, pass));
    }

    #[test]
    fn linear(rows in rows(), inputs in 1_usize..40, outputs in 1_usize..40) {
        let device = Device::flex().autodiff();
        let layer = Dense::new(inputs, outputs, &init(&device));
        let x = tensor([rows.iter().sum(), inputs], 2);
        check(&layer, &x, &rows, training, 1e-5, &|m: &Dense, x, pass| m.forward(x, pass));
    }

    #[test]
    fn group_norm(
        rows in rows(),
        channels in prop_oneof![Just(4_usize), Just(32), Just(48)],
        size in (2_usize..14, 2_usize..14),
        relu: bool,
    ) {
        let device = Device::flex().autodiff();
        let layer = GroupNorm::new(channels, &init(&device));
        let x = tensor([rows.iter().sum(), channels, size.0, size.1], 2);
        let activation = if relu { Activation::Relu } else { Activation::Identity };
        check(&layer, &x, &rows, training, 1e-5, &|m: &GroupNorm, x, pass| {
            m.forward(x, activation, pass)
        });
    }

    #[test]
    fn batch_norm_in_evaluation(
        rows in rows(),
        channels in 1_usize..40,
        size in (1_usize..14, 1_usize..14),
    ) {
        let device = Device::flex().autodiff();
        let layer = BatchNorm2d::new(channels, &init(&device));
        let x = tensor([rows.iter().sum(), channels, size.0, size.1], 2);
        check(&layer, &x, &rows, evaluation, 1e-5, &|m: &BatchNorm2d, x, pass| {
            m.forward(x, Activation::Relu, pass)
        });
    }
}

#[test]
fn a_block_of_layers() {
    let device = Device::flex().autodiff();
    let conv = Conv2dConfig::new(8, 16, 3).same();
    let block = Sequential::conv_norm_relu(conv, NormKind::Group, &init(&device));
    let x = tensor([4, 8, 10, 12], 2);
    check(
        &block,
        &x,
        &[1, 2, 1],
        training,
        1e-5,
        &|m: &Sequential, x, pass| m.forward(x, pass),
    );
}

/// Whole networks, whose rounding adds up over their depth: the naive loop itself moves by as much between vector paths.
#[test]
fn whole_networks() {
    let device = Device::flex().autodiff();
    for (kind, side) in [
        (r#""kind": "unet", "encoder": "resnet34""#, 64),
        (r#""kind": "unet", "encoder": "mobilenet-v2""#, 64),
        (r#""kind": "unet", "encoder": "vgg11""#, 32),
        (r#""kind": "deeplab-v3", "encoder": "resnet18""#, 32),
        (
            r#""kind": "deeplab-v3-plus", "encoder": "mobilenet-v2""#,
            32,
        ),
        (r#""kind": "pspnet", "encoder": "resnet18""#, 32),
        (r#""kind": "swiftnet""#, 64),
        (r#""kind": "pyramid-swiftnet""#, 64),
    ] {
        for norm in ["group", "batch"] {
            let text = format!(
                r#"{{{kind}, "norm": "{norm}", "width": 0.125, "in_channels": 1, "outputs": 2}}"#
            );
            let config: NetworkConfig = serde_json::from_str(&text).unwrap();
            let network = config.init(Seed::root(3), &device).unwrap();
            // Batch normalisation does not couple samples when its statistics are given.
            let start = if norm == "group" {
                training
            } else {
                evaluation
            };
            let x = tensor([4, 1, side, side], 5);
            eprintln!("{text}");
            check(
                &network,
                &x,
                &[1, 2, 1],
                start,
                1e-5,
                &|m: &SegmentationNetwork, x, pass| m.forward(x, pass),
            );
        }
    }
}

#[path = "parity/formula.rs"]
mod formula;

/// A small network with every kind of convolution, against `torch.func` and Opacus (`fixtures/per_sample/export.py`).
#[test]
fn pytorch_and_opacus_find_the_same() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/per_sample/small.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let theirs = |name: &str| -> Vec<f32> {
        let data = file.tensor(name).unwrap().data();
        data.as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect()
    };

    let device = Device::flex().autodiff();
    let start = init(&device);
    let block = |conv| Layer::Sequential(Sequential::conv_norm_relu(conv, NormKind::Group, &start));
    let network = Sequential::default()
        .then(block(Conv2dConfig::new(3, 8, 3).same().stride(2)))
        .then(block(
            Conv2dConfig::new(8, 8, 3).dilation(2).same().groups(8),
        ))
        .then(block(Conv2dConfig::new(8, 12, 3).same().groups(2)))
        .then(Layer::Conv(
            Conv2dConfig::new(12, 2, 1).bias(true).init(&start),
        ));
    let state = formula::state(shapes(&network));
    let network = restore(network, state).unwrap();
    let data = TensorData::new(formula::image("input", 3 * 3 * 11 * 9), [3, 3, 11, 9]);
    let x = Tensor::<4>::from_data(data, &Device::flex());

    let tape = Arc::new(Tape::new(&[1, 1, 1]));
    let pass = Pass::train(Seed::root(0)).with_tape(Arc::clone(&tape));
    let y = network.forward(x, &pass);
    let [_, k, h, w] = y.dims();
    let _ = y
        .powi_scalar(2)
        .sum()
        .mul_scalar(0.5 / (k * h * w) as f64)
        .backward();
    let gradients = tape.finish();
    let mut ids = Ids::default();
    network.visit(&mut ids);
    let mut totals = [0.0; 3];
    for (path, &id) in &ids.found {
        let squares = gradients.squared_norms(id).unwrap();
        let (func, opacus) = (
            theirs(&format!("norm.{path}")),
            theirs(&format!("opacus.{path}")),
        );
        for (i, square) in squares.iter().enumerate() {
            totals[i] += square;
            for expected in [func[i], opacus[i]] {
                let apart = (square.sqrt() / f64::from(expected) - 1.0).abs();
                assert!(
                    apart < 1e-5,
                    "{path}, sample {i}: {} for {expected}",
                    square.sqrt()
                );
            }
        }
    }
    let factors = totals.map(|t| (0.5 / f64::sqrt(t)).min(1.0) as f32);
    for (path, &id) in &ids.found {
        let sum = gradients.weighted_sum(id, &factors).unwrap();
        let expected = theirs(&format!("sum.{path}"));
        let scale = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (got, expected) in sum.iter().zip(&expected) {
            assert!(
                (got - expected).abs() <= 1e-5 * scale,
                "{path}: {got} for {expected}"
            );
        }
    }
}
