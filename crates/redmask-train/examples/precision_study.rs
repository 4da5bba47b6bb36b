//! Whether training in bfloat16 ends where training in f32 ends.
//!
//! `precision_study SCENES EPOCHS SIZE SEEDS [ENCODER WIDTH]`, for example
//! `precision_study 'street:1?count=96' 20 64 3`: trains a U-Net at each precision from each of the seeds
//! on the same scenes, and prints the mean IoU on 48 other scenes after the last epoch. Evaluation is f32 for both. SCENES may be
//! several, separated by blanks. Last comes the difference within seeds, bf16 less f32, with a 95 % interval (Student's t).

#![expect(clippy::print_stdout, reason = "the scores are the output")]

use burn::tensor::Device;
use redmask_core::{Result, Seed, Session};
use redmask_data::{OpenOptions, open};
use redmask_nn::network::NetworkConfig;
use redmask_nn::ops::Precision;
use redmask_train::loss::{LossConfig, Reduction};
use redmask_train::optim::OptimizerConfig;
use redmask_train::{TrainConfig, TrainRun, train_segmentation};
use statrs::distribution::{ContinuousCDF, StudentsT};

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
    let encoder = rest.first().map_or("resnet34", String::as_str);
    let width = rest.get(1).map_or("0.5", String::as_str);
    let mut differences = Vec::new();
    for scenes in scenes.split_whitespace() {
        let [fp32, bf16] = study(
            scenes,
            &options,
            number(epochs) as u32,
            number(seeds),
            [encoder, width],
        )?;
        let pairs = bf16.iter().zip(fp32).map(|(bf16, fp32)| bf16 - fp32);
        differences.extend(pairs);
        println!(
            "{scenes} {}",
            interval(&differences[differences.len() - bf16.len()..])
        );
    }
    println!("all {}", interval(&differences));
    Ok(())
}

/// The scores of each seed, in f32 and in bf16.
fn study(
    scenes: &str,
    options: &OpenOptions,
    epochs: u32,
    seeds: usize,
    [encoder, width]: [&str; 2],
) -> Result<[Vec<f64>; 2]> {
    let train = open(&scenes.parse()?, options)?;
    let (reader, _) = scenes.split_once(':').expect("READER:SEED");
    let held_out = open(&format!("{reader}:1000?count=48").parse()?, options)?;
    let classes = train.class_table().len();
    let outputs = if classes == 2 { 1 } else { classes };
    let architecture: NetworkConfig = serde_json::from_str(&format!(
        r#"{{"kind": "unet", "encoder": "{encoder}", "width": {width}, "outputs": {outputs}}}"#
    ))
    .expect("a known encoder");
    let mut both = [Vec::new(), Vec::new()];
    for (precision, scores) in [Precision::Fp32, Precision::Bf16]
        .into_iter()
        .zip(&mut both)
    {
        let config = TrainConfig {
            epochs,
            loss: LossConfig::cross_entropy(Reduction::Batch),
            optimizer: OptimizerConfig::nadam(1e-3),
            precision,
            validate_every: 0,
            ..TrainConfig::default()
        };
        for seed in 0..seeds as u64 {
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
        let (mean, deviation) = moments(scores);
        println!(
            "{scenes} {}: mean {mean:.4}, standard deviation over seeds {deviation:.4}",
            precision.name()
        );
    }
    Ok(both)
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    (mean, (squares / (count - 1.0)).sqrt())
}

/// The mean of differences in words, with its interval.
fn interval(differences: &[f64]) -> String {
    let count = differences.len() as f64;
    if count < 2.0 {
        return "difference: an interval takes two seeds".to_owned();
    }
    let (mean, deviation) = moments(differences);
    let t = StudentsT::new(0.0, 1.0, count - 1.0).expect("at least one degree of freedom");
    let half = t.inverse_cdf(0.975) * deviation / count.sqrt();
    format!(
        "difference of {count} pairs: {mean:.4} [{:.4}, {:.4}]",
        mean - half,
        mean + half
    )
}
