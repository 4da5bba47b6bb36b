//! Whether training in bfloat16 ends where training in f32 ends.
//!
//! `precision_study SCENES EPOCHS SIZE SEEDS [ENCODER WIDTH]`, for example
//! `precision_study 'street:1?count=96' 20 64 3`: trains a U-Net at each precision from each of the seeds
//! on the same scenes, and prints the mean IoU on 48 other scenes after the last epoch. Evaluation is f32 for both.

#![expect(clippy::print_stdout, reason = "the scores are the output")]

use burn::tensor::Device;
use redmask_core::{Result, Seed, Session};
use redmask_data::{OpenOptions, open};
use redmask_nn::network::NetworkConfig;
use redmask_nn::ops::Precision;
use redmask_train::loss::{LossConfig, Reduction};
use redmask_train::optim::OptimizerConfig;
use redmask_train::{TrainConfig, TrainRun, train_segmentation};

fn main() -> Result<()> {
    redmask_nn::ops::retain_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenes, epochs, size, seeds, rest @ ..] = arguments.as_slice() else {
        panic!("usage: precision_study SCENES EPOCHS SIZE SEEDS [ENCODER WIDTH]");
    };
    let number = |text: &String| {
        text.parse::<usize>()
            .expect("EPOCHS, SIZE and SEEDS are numbers")
    };
    let options = OpenOptions {
        size: Some((number(size), number(size))),
        ..OpenOptions::default()
    };
    let train = open(&scenes.parse()?, &options)?;
    let (reader, _) = scenes.split_once(':').expect("READER:SEED");
    let held_out = open(&format!("{reader}:1000?count=48").parse()?, &options)?;
    let classes = train.class_table().len();
    let outputs = if classes == 2 { 1 } else { classes };
    let encoder = rest.first().map_or("resnet34", String::as_str);
    let width = rest.get(1).map_or("0.5", String::as_str);
    let architecture: NetworkConfig = serde_json::from_str(&format!(
        r#"{{"kind": "unet", "encoder": "{encoder}", "width": {width}, "outputs": {outputs}}}"#
    ))
    .expect("a known encoder");
    for precision in [Precision::Fp32, Precision::Bf16] {
        let config = TrainConfig {
            epochs: number(epochs) as u32,
            loss: LossConfig::cross_entropy(Reduction::Batch),
            optimizer: OptimizerConfig::nadam(1e-3),
            precision,
            validate_every: 0,
            ..TrainConfig::default()
        };
        let mut scores = Vec::new();
        for seed in 0..number(seeds) as u64 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let session = Session::default();
            let run = TrainRun::new(Seed::root(seed), folder.path(), &session);
            let network = architecture.init(Seed::root(seed), &Device::flex().autodiff())?;
            let outcome = train_segmentation(
                &architecture,
                network,
                train.as_ref(),
                Some(held_out.as_ref()),
                &config,
                &run,
            )?;
            let last = outcome.history.last().expect("at least one epoch");
            let score = last.report.validation.expect("after the last epoch").miou;
            println!(
                "{} seed {seed}: mIoU {score:.4}, loss {:.4}",
                precision.name(),
                last.train_loss
            );
            scores.push(score);
        }
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let variance = scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (count - 1.0);
        println!(
            "{scenes} {}: mean {mean:.4}, standard deviation over seeds {:.4}",
            precision.name(),
            variance.sqrt()
        );
    }
    Ok(())
}
