//! Where the time of one training step goes: U-Net/ResNet-34 at half width, 96 pixels, batches of 8.
//!
//! Everything except `forward_and_backward` should be a few per cent of `whole_step`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use divan::Bencher;
use rand::RngExt;
use redmask_core::{GroupId, Image, LabelMap, Sample, SampleId, Seed};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork, UnetConfig};
use redmask_nn::pass::Pass;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::state_dict;
use redmask_train::loss::{LossConfig, Reduction, Targets};
use redmask_train::optim::{Optimizer, OptimizerConfig};

const SIDE: usize = 96;
const BATCH: usize = 8;

fn main() {
    divan::main();
}

fn network() -> SegmentationNetwork {
    NetworkConfig::Unet(UnetConfig {
        width: 0.5,
        ..UnetConfig::default()
    })
    .init(Seed::root(0), &Device::flex().autodiff())
    .expect("the configuration is valid")
}

fn samples() -> Vec<Sample> {
    let mut rng = Seed::root(1).rng();
    (0..BATCH)
        .map(|i| {
            let id = SampleId::new("bench", &i.to_string());
            Sample {
                group: GroupId(id.to_string()),
                id,
                image: Image::new(
                    3,
                    SIDE,
                    SIDE,
                    (0..3 * SIDE * SIDE).map(|_| rng.random()).collect(),
                ),
                labels: LabelMap::new(
                    SIDE,
                    SIDE,
                    (0..SIDE * SIDE).map(|_| rng.random_range(0..2)).collect(),
                ),
                instances: None,
                attributes: BTreeMap::new(),
            }
        })
        .collect()
}

fn batch(samples: &[Sample]) -> (Tensor<4>, Targets) {
    let borrowed: Vec<&Sample> = samples.iter().collect();
    let x = InputScaling::Unit
        .tensor(&borrowed, 3, &Device::flex())
        .expect("the records have one size");
    let targets = Targets::from_maps(samples.iter().map(|s| &s.labels)).expect("one size");
    (x, targets)
}

fn gradients(
    network: &SegmentationNetwork,
    x: Tensor<4>,
    targets: &Targets,
    pass: &Pass,
) -> GradientsParams {
    let loss = LossConfig::dice(Reduction::PerImage).apply(network.forward(x, pass), targets);
    GradientsParams::from_grads(loss.mean().backward(), network)
}

#[divan::bench(sample_count = 10)]
fn whole_step(bencher: Bencher<'_, '_>) {
    let samples = samples();
    let mut network = Some(network());
    let mut optimizer = Optimizer::new(OptimizerConfig::default(), Vec::new());
    let mut step = 0;
    bencher.bench_local(|| {
        let current = network.take().expect("put back below");
        let (x, targets) = batch(&samples);
        let pass = Pass::train(Seed::root(0).index(step));
        let mut gradients = gradients(&current, x, &targets, &pass);
        let current = optimizer.step(current, &mut gradients, 1.0);
        network = Some(pass.commit(current));
        step += 1;
    });
}

#[divan::bench(sample_count = 10)]
fn forward_and_backward(bencher: Bencher<'_, '_>) {
    let network = network();
    let (x, targets) = batch(&samples());
    bencher.bench_local(|| gradients(&network, x.clone(), &targets, &Pass::train(Seed::root(0))));
}

#[divan::bench(sample_count = 10)]
fn batch_assembly(bencher: Bencher<'_, '_>) {
    let samples = samples();
    bencher.bench_local(|| batch(&samples));
}

#[divan::bench(args = [1, 19], sample_count = 20)]
fn loss_and_gradient(bencher: Bencher<'_, '_>, channels: usize) {
    let (_, targets) = batch(&samples());
    let shape = [BATCH, channels, SIDE, SIDE];
    let mut rng = Seed::root(2).rng();
    let logits: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.random_range(-4.0..4.0))
        .collect();
    bencher
        .bench_local(|| LossConfig::dice(Reduction::PerImage).evaluate(&logits, shape, &targets));
}

#[divan::bench(sample_count = 10)]
fn optimizer_step(bencher: Bencher<'_, '_>) {
    let network = RefCell::new(Some(network()));
    let (x, targets) = batch(&samples());
    let mut optimizer = Optimizer::new(OptimizerConfig::default(), Vec::new());
    bencher
        .with_inputs(|| {
            let network = network.borrow();
            let network = network.as_ref().expect("put back below");
            gradients(network, x.clone(), &targets, &Pass::train(Seed::root(0)))
        })
        .bench_local_values(|mut gradients| {
            let current = network.take().expect("put back below");
            network.replace(Some(optimizer.step(current, &mut gradients, 1.0)));
        });
}

#[divan::bench(sample_count = 10)]
fn snapshot(bencher: Bencher<'_, '_>) {
    let network = network();
    bencher.bench_local(|| state_dict(&network));
}
