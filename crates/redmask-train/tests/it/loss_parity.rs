//! Losses and gradients against segmentation-models-pytorch and PyTorch (`fixtures/loss/export.py`).

use burn::tensor::{Device, Tensor, TensorData};
use redmask_train::loss::{LossConfig, Reduction, Targets};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    shape: [usize; 4],
    logits: Vec<f32>,
    labels: Vec<u8>,
    loss: f64,
    gradient: Vec<f64>,
}

fn config(name: &str) -> LossConfig {
    use Reduction::{Batch, PerImage};
    let reduction = if name.ends_with("batch") || name.ends_with("smooth") {
        Batch
    } else {
        PerImage
    };
    match name.split('-').next().expect("never empty") {
        "dice" => LossConfig::dice(reduction),
        "ce" => LossConfig::CrossEntropy {
            reduction,
            label_smoothing: if name.ends_with("smooth") { 0.1 } else { 0.0 },
        },
        _ => LossConfig::DiceCrossEntropy {
            reduction,
            label_smoothing: 0.0,
            dice_weight: 1.0,
            cross_entropy_weight: 0.5,
        },
    }
}

#[test]
fn losses_and_gradients_agree_with_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/loss/loss.json")).unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let [n, _, h, w] = case.shape;
        let targets = Targets::Hard {
            shape: [n, h, w],
            labels: case.labels,
        };
        let logits = Tensor::<4>::from_data(
            TensorData::new(case.logits, case.shape),
            &Device::flex().autodiff(),
        )
        .require_grad();
        let loss = config(&case.name).apply(logits.clone(), &targets);
        assert!(
            (loss.mean_value() - case.loss).abs() < 1e-6,
            "{}: {} against {}",
            case.name,
            loss.mean_value(),
            case.loss
        );
        let mean = loss.mean();
        assert!((f64::from(mean.clone().into_scalar::<f32>()) - case.loss).abs() < 1e-6);
        let gradient = logits.grad(&mean.backward()).unwrap().into_data();
        for (ours, theirs) in gradient.iter::<f64>().zip(&case.gradient) {
            assert!(
                (ours - theirs).abs() < 1e-7,
                "{}: gradient {ours} against {theirs}",
                case.name
            );
        }
    }
}
