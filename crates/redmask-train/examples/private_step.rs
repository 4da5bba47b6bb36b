//! What a DP step costs over an ordinary one: both in turn, on the same batch, of the same network.
//!
//! `private_step ENCODER SIZE BATCH WIDTH PAIRS`, for example `private_step resnet34 128 8 1.0 20`: a U-Net with group
//! normalisation, NAdam. Prints for each pair the milliseconds of the ordinary step and of the DP step with its parts
//! (per-sample norms and clipped sum, noise, optimizer), then medians and the median ratio. One warm-up pair is dropped.

#![expect(clippy::print_stdout, reason = "the times are the output")]

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::Seed;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::pass::Pass;
use redmask_train::loss::{LossConfig, Targets};
use redmask_train::optim::{Optimizer, OptimizerConfig};
use redmask_train::private::{Clipping, GradientLayout, Secret, UnitInput, clipped_sum};

struct Trainee {
    network: SegmentationNetwork,
    optimizer: Optimizer,
}

impl Trainee {
    fn new(config: &NetworkConfig) -> Self {
        Self {
            network: config
                .init(Seed::root(1), &Device::flex().autodiff())
                .expect("a valid configuration"),
            optimizer: Optimizer::new(OptimizerConfig::default(), Vec::new()),
        }
    }

    fn step(self, mut gradients: GradientsParams) -> Self {
        let Self {
            network,
            mut optimizer,
        } = self;
        let network = optimizer.step(network, &mut gradients, 1.0);
        Self { network, optimizer }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    redmask_nn::ops::retain_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, size, batch, width, pairs] = arguments.as_slice() else {
        panic!("usage: private_step ENCODER SIZE BATCH WIDTH PAIRS");
    };
    let number = |text: &String| {
        text.parse::<usize>()
            .expect("SIZE, BATCH and PAIRS are numbers")
    };
    let (size, batch, pairs) = (number(size), number(batch), number(pairs));
    let config = format!(
        r#"{{"kind": "unet", "encoder": "{encoder}", "width": {width}, "norm": "group", "outputs": 1}}"#
    );
    let config: NetworkConfig = serde_json::from_str(&config).expect("a known encoder");
    let image = |i: usize| {
        let values = (0..3 * size * size)
            .map(|at| ((at + 7919 * i) as f32 * 0.37).sin())
            .collect();
        let data = TensorData::new::<f32, _>(values, [1, 3, size, size]);
        Tensor::<4>::from_data(data, &Device::flex())
    };
    let units: Vec<UnitInput> = (0..batch)
        .map(|i| UnitInput {
            input: image(i),
            targets: Targets::Hard {
                shape: [1, size, size],
                labels: (0..size * size)
                    .map(|at| u8::from((at * (i + 3)) % 7 < 3))
                    .collect(),
            },
            dropout: Seed::root(i as u64),
        })
        .collect();
    let x = Tensor::cat(units.iter().map(|u| u.input.clone()).collect(), 0);
    let targets = Targets::concatenated(units.iter().map(|u| &u.targets));
    let (loss, clipping) = (LossConfig::default(), Clipping::default());
    let (mut plain, mut private) = (Trainee::new(&config), Trainee::new(&config));
    let layout = GradientLayout::of(&private.network, |_| true);
    let secret = Secret::from_seed(Seed::root(5));
    println!("{} weights in {} tensors", layout.len(), layout.parts());
    println!("plain | dp = clipped sum + noise + optimizer");
    let mut times = Vec::new();
    for step in 0..=pairs {
        let start = Instant::now();
        let pass = Pass::train(Seed::root(step as u64));
        let value = loss.apply(plain.network.forward(x.clone(), &pass), &targets);
        let gradients = GradientsParams::from_grads(value.mean().backward(), &plain.network);
        plain = plain.step(gradients);
        let ordinary = milliseconds(start);

        let start = Instant::now();
        let mut clipped = clipped_sum(&private.network, &units, &loss, &clipping, &layout, batch);
        let summed = milliseconds(start);
        secret.add_noise(step as u64, 1.0, 1.0 / batch as f64, &mut clipped.sum);
        let noised = milliseconds(start);
        let gradients = layout.scatter(&private.network, clipped.sum);
        private = private.step(gradients);
        let whole = milliseconds(start);
        if step > 0 {
            println!(
                "{ordinary:.1} | {whole:.1} = {summed:.1} + {:.1} + {:.1}",
                noised - summed,
                whole - noised
            );
            times.push([ordinary, whole]);
        }
    }
    let column = |i: usize| median(times.iter().map(|t| t[i]).collect());
    println!(
        "median: plain {:.1} ms, dp {:.1} ms; median ratio of {pairs} pairs {:.3}",
        column(0),
        column(1),
        median(times.iter().map(|t| t[1] / t[0]).collect())
    );
}
