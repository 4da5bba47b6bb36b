//! torchmetrics, segmentation-models-pytorch and scipy on random label maps.

use redmask_core::LabelMap;
use redmask_metrics::boundary::{BoundaryCounts, BoundaryTolerance, boundary_counts};
use redmask_metrics::{AbsentClass, ConfusionMatrix, SoftDice, SoftDiceOptions};
use serde_json::Value;

use crate::{assert_close, fixture, ids, number, numbers};

const SEGMENTATION: &str = include_str!("../fixtures/segmentation/segmentation.json");

fn maps(case: &Value, key: &str) -> Vec<LabelMap> {
    let shape = ids(&case["shape"])
        .into_iter()
        .map(usize::from)
        .collect::<Vec<_>>();
    let pixels = ids(&case[key]);
    let per_image = pixels.chunks_exact(shape[1] * shape[2]);
    per_image
        .map(|p| LabelMap::new(shape[1], shape[2], p.to_vec()))
        .collect()
}

#[test]
fn overlap_agrees_with_torchmetrics() {
    for case in fixture(SEGMENTATION)["maps"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (truth, predicted) = (maps(case, "truth"), maps(case, "predicted"));
        let pairs: Vec<_> = truth.iter().zip(&predicted).collect();
        let matrix = ConfusionMatrix::of_pairs(classes, &pairs).unwrap();

        let expected = numbers(&case["confusion"]);
        for t in 0..classes {
            for p in 0..classes {
                assert_eq!(
                    matrix.count(t, p) as f64,
                    expected[t * classes + p],
                    "{name} {t} {p}"
                );
            }
        }
        assert_close(
            matrix.miou(AbsentClass::Skip).unwrap(),
            number(&case["miou"]),
            name,
        );
        assert_close(
            matrix.pixel_accuracy().unwrap(),
            number(&case["pixel_accuracy"]),
            name,
        );
        for (c, counts) in matrix.class_counts().iter().enumerate() {
            for (key, found) in [
                ("iou", counts.iou()),
                ("class_accuracy", counts.accuracy()),
                ("dice", counts.dice()),
            ] {
                // torchmetrics writes 0 for 0/0.
                let what = format!("{name} {key} {c}");
                assert_close(found.unwrap_or(0.0), numbers(&case[key])[c], &what);
            }
        }
    }
}

#[test]
fn contours_agree_with_scipys_distance_transform() {
    for case in fixture(SEGMENTATION)["maps"].as_array().unwrap() {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let reach = BoundaryTolerance::Pixels(number(&case["boundary_reach"]));
        let images = maps(case, "truth").into_iter().zip(maps(case, "predicted"));
        for ((truth, predicted), expected) in images.zip(case["boundary_f1"].as_array().unwrap()) {
            let found = boundary_counts(&truth, &predicted, classes, reach).unwrap();
            for (counts, expected) in found.iter().zip(expected.as_array().unwrap()) {
                match counts.f1() {
                    Some(f1) => assert_close(f1, number(expected), "boundary F1"),
                    None => assert!(expected.is_null()),
                }
            }
        }
    }
}

#[test]
fn pooling_contours_is_counting_them_together() {
    let case = &fixture(SEGMENTATION)["maps"][0];
    let (truth, predicted) = (maps(case, "truth"), maps(case, "predicted"));
    let mut pooled = BoundaryCounts::default();
    let mut longest = 0;
    for (t, p) in truth.iter().zip(&predicted) {
        let counts = boundary_counts(t, p, 3, BoundaryTolerance::Pixels(1.0)).unwrap()[1];
        pooled.merge(&counts);
        longest = longest.max(counts.truth);
    }
    assert!(pooled.truth > longest && pooled.f1().unwrap() < 1.0);
}

#[test]
fn soft_dice_agrees_with_segmentation_models_pytorch() {
    for case in fixture(SEGMENTATION)["soft_dice"].as_array().unwrap() {
        let mode = case["mode"].as_str().unwrap();
        let options = SoftDiceOptions {
            smooth: number(&case["smooth"]),
            ..SoftDiceOptions::default()
        };
        let labels = maps(case, "labels");
        let probabilities: Vec<f32> = numbers(&case["probabilities"])
            .into_iter()
            .map(|p| p as f32)
            .collect();
        let images: Vec<SoftDice> = probabilities
            .chunks_exact(probabilities.len() / labels.len())
            .zip(&labels)
            .map(|(p, y)| match mode {
                "binary" => SoftDice::of_foreground(p, y, &options).unwrap(),
                _ => SoftDice::of_classes(p, y, &options).unwrap(),
            })
            .collect();
        for (image, expected) in images.iter().zip(numbers(&case["image_losses"])) {
            assert_close(image.loss(), expected, mode);
        }
        let mut batch = images[0].clone();
        for image in &images[1..] {
            batch.merge(image).unwrap();
        }
        assert_close(batch.loss(), number(&case["batch_loss"]), mode);
    }
}
