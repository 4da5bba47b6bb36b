//! One training step or one inference of a U-Net, on request: our side of `tools/peers/compare_step.py`.
//!
//! `step_peer ENCODER SIZE BATCH [PRECISION [DEVICE]]` reads commands from standard input, one a line, and answers each with a line:
//! `step` (forward, Dice loss, backward, NAdam), `gradient` (the same without the optimizer) and `infer` with milliseconds,
//! `memory` with the peak resident memory of this process in MiB. DEVICE is `flex` (the CPU), or `vulkan` or `cuda` in a build
//! with the feature of that name.

#![expect(clippy::print_stdout, reason = "the answers are the output")]

use std::io::{BufRead, Write};
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::{LabelMap, Seed};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::ops::{KeptWeights, Precision};
use redmask_nn::pass::Pass;
use redmask_train::loss::{LossConfig, Reduction, Targets};
use redmask_train::optim::{Optimizer, OptimizerConfig};

fn device(name: &str) -> Device {
    match name {
        "flex" => Device::flex(),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "cuda")]
        "cuda" => Device::cuda(0),
        other => panic!("this build knows no device `{other}`"),
    }
}

struct Peer {
    device: Device,
    network: Option<SegmentationNetwork>,
    optimizer: Optimizer,
    precision: Precision,
    x: Tensor<4>,
    targets: Targets,
    steps: u64,
    /// Of the network as it is, for inference, as a `NetworkPredictor` has them.
    kept: KeptWeights,
}

impl Peer {
    fn new(encoder: &str, size: usize, batch: usize, precision: Precision, device: Device) -> Self {
        let config = format!(r#"{{"kind": "unet", "encoder": "{encoder}", "outputs": 1}}"#);
        let config: NetworkConfig = serde_json::from_str(&config).expect("a known encoder");
        let network = config
            .init(Seed::root(1), &device.clone().autodiff())
            .expect("a valid configuration");
        let shape = [batch, 3, size, size];
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|i: usize| (i as f32 * 0.37).sin())
            .collect();
        let area = size * size;
        let maps: Vec<LabelMap> = values
            .chunks_exact(3 * area)
            .map(|image| {
                let labels = image[..area].iter().map(|&v| u8::from(v > 0.0)).collect();
                LabelMap::new(size, size, labels)
            })
            .collect();
        Self {
            network: Some(network),
            optimizer: Optimizer::new(OptimizerConfig::default(), Vec::new()),
            precision,
            x: Tensor::from_data(TensorData::new(values, shape), &device),
            targets: Targets::from_maps(&maps).expect("one size"),
            steps: 0,
            kept: KeptWeights::default(),
            device,
        }
    }

    /// Waits until the device has computed everything that was asked of it.
    fn finish(&self) {
        self.device.sync().expect("the device answers");
    }

    fn train(&mut self, update: bool) {
        self.kept = KeptWeights::default();
        let network = self.network.take().expect("put back below");
        let pass = Pass::train(Seed::root(0).index(self.steps)).with_precision(self.precision);
        self.steps += 1;
        let logits = network.forward(self.x.clone(), &pass);
        let loss = LossConfig::dice(Reduction::PerImage).apply(logits, &self.targets);
        let mut gradients = GradientsParams::from_grads(loss.mean().backward(), &network);
        let network = if update {
            self.optimizer.step(network, &mut gradients, 1.0)
        } else {
            network
        };
        self.network = Some(pass.commit(network));
    }

    fn infer(&self) {
        let network = self.network.as_ref().expect("put back after each step");
        let pass = Pass::eval()
            .with_precision(self.precision)
            .with_kept_weights(self.kept.clone());
        let logits = network.valid().forward(self.x.clone(), &pass);
        std::hint::black_box(logits);
    }
}

fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("the kernel's format")
        / 1024.0
}

fn main() {
    redmask_nn::ops::retain_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, size, batch, rest @ ..] = arguments.as_slice() else {
        panic!("usage: step_peer ENCODER SIZE BATCH [PRECISION [DEVICE]]");
    };
    let number = |text: &String| text.parse().expect("SIZE and BATCH are numbers");
    let precision = rest.first().map_or("fp32", String::as_str);
    let precision = precision.parse().and_then(Precision::checked);
    let precision = precision.unwrap_or_else(|error| panic!("{error}"));
    let device = device(rest.get(1).map_or("flex", String::as_str));
    let mut peer = Peer::new(encoder, number(size), number(batch), precision, device);
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the commands are text");
        let start = Instant::now();
        match line.trim() {
            "step" => peer.train(true),
            "gradient" => peer.train(false),
            "infer" => peer.infer(),
            "memory" => {
                println!("{:.1}", peak_memory());
                continue;
            }
            other => panic!("unknown command `{other}`"),
        }
        peer.finish();
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
        std::io::stdout().flush().expect("somebody reads");
    }
}
