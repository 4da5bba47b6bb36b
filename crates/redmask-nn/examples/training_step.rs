//! Times training steps (without the optimiser) and inference of one network.
//!
//! `training_step ENCODER NORM SIZE BATCH WIDTH STEPS PRECISION`, for example
//! `training_step resnet34 batch 128 8 1.0 20 fp32`:
//! prints one line of milliseconds for each pair `step inference`.

#![expect(clippy::print_stdout, reason = "the times are the output")]

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::Seed;
use redmask_nn::{network::NetworkConfig, ops::Precision, pass::Pass};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, norm, size, batch, width, steps, precision] = arguments.as_slice() else {
        panic!("usage: training_step ENCODER NORM SIZE BATCH WIDTH STEPS PRECISION");
    };
    let number = |text: &String| {
        text.parse::<usize>()
            .expect("SIZE, BATCH and STEPS are numbers")
    };
    let (size, batch, steps) = (number(size), number(batch), number(steps));
    redmask_nn::ops::retain_freed_memory();
    let precision: Precision = precision.parse().expect("fp32 or bf16");
    let config = format!(
        r#"{{"kind": "unet", "encoder": "{encoder}", "width": {width}, "norm": "{norm}", "outputs": 1}}"#
    );
    let config: NetworkConfig = serde_json::from_str(&config).expect("a known encoder and norm");
    let device = Device::flex().autodiff();
    let mut network = config
        .init(Seed::root(1), &device)
        .expect("a valid configuration");
    let shape = [batch, 3, size, size];
    let values = (0..shape.iter().product())
        .map(|i: usize| (i as f32 * 0.37).sin())
        .collect();
    let x = Tensor::<4>::from_data(TensorData::new::<f32, _>(values, shape), &Device::flex());
    let target = x.clone().slice([0..batch, 0..1]).greater_elem(0.0).float();
    for i in 0..=steps {
        let start = Instant::now();
        let pass = Pass::train(Seed::root(i as u64)).with_precision(precision);
        let logits = network.forward(x.clone(), &pass);
        let loss = (logits - target.clone().autodiff()).powf_scalar(2.0).mean();
        let gradients = loss.backward();
        std::hint::black_box(gradients);
        network = pass.commit(network);
        let step = start.elapsed();
        let start = Instant::now();
        let logits = network
            .valid()
            .forward(x.clone(), &Pass::eval().with_precision(precision));
        std::hint::black_box(logits);
        if i > 0 {
            println!(
                "{:.3} {:.3}",
                step.as_secs_f64() * 1e3,
                start.elapsed().as_secs_f64() * 1e3
            );
        }
    }
}
