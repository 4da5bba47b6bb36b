//! IBA's formulas in numpy, and torchmetrics' image similarity.

use redmask_core::{Image, LabelMap};
use redmask_metrics::AbsentClass;
use redmask_metrics::backdoor::{AttackSuccess, BenignAccuracy, SuccessCounts};
use redmask_metrics::image_quality::{psnr, ssim};

use crate::{assert_close, fixture, ids, number, numbers};

const BACKDOOR: &str = include_str!("../fixtures/backdoor/backdoor.json");

#[test]
fn success_and_benign_accuracy_agree_with_the_published_formulas() {
    for case in fixture(BACKDOOR)["attacks"].as_array().unwrap() {
        let shape = numbers(&case["shape"]);
        let (h, w) = (shape[1] as usize, shape[2] as usize);
        let (victim, target) = (number(&case["victim"]) as u8, number(&case["target"]) as u8);
        let mut success = AttackSuccess::default();
        let mut pba = BenignAccuracy::new(number(&case["classes"]) as usize, &[victim]).unwrap();
        let (truth, predicted) = (ids(&case["truth"]), ids(&case["predicted"]));
        for (t, p) in truth.chunks_exact(h * w).zip(predicted.chunks_exact(h * w)) {
            let relabelled = t
                .iter()
                .map(|&c| if c == victim { target } else { c })
                .collect();
            let truth = LabelMap::new(h, w, t.to_vec());
            let wanted = LabelMap::new(h, w, relabelled);
            let predicted = LabelMap::new(h, w, p.to_vec());
            success.add_image(SuccessCounts::of_image(&truth, &wanted, &predicted).unwrap());
            pba.add(&truth, &wanted, &predicted).unwrap();
        }
        assert_close(success.pooled().unwrap(), number(&case["asr"]), "ASR");
        assert_close(
            success.residual().unwrap(),
            number(&case["residual"]),
            "residual",
        );
        for (image, expected) in success.images.iter().zip(numbers(&case["image_asr"])) {
            assert_close(image.rate().unwrap(), expected, "image ASR");
        }
        assert_close(
            pba.miou(AbsentClass::Zero).unwrap(),
            number(&case["pba"]),
            "PBA",
        );
    }
}

#[test]
fn image_similarity_agrees_with_torchmetrics() {
    for case in fixture(BACKDOOR)["images"].as_array().unwrap() {
        let shape = numbers(&case["shape"]);
        let image = |key: &str| {
            Image::new(
                shape[0] as usize,
                shape[1] as usize,
                shape[2] as usize,
                ids(&case[key]),
            )
        };
        let (a, b) = (image("a"), image("b"));
        assert_close(psnr(&a, &b).unwrap(), number(&case["psnr"]), "PSNR");
        assert_close(ssim(&a, &b).unwrap(), number(&case["ssim"]), "SSIM");
    }
}
