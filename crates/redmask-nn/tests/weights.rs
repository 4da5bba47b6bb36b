//! Weight files: honest ones load bit by bit, hostile ones are refused by name.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "parity/formula.rs"]
mod formula;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::{GroupId, Image, LabelMap, Predictor, Sample, SampleId, ScoreKind, Seed};
use redmask_nn::classifier::{Classifier, ClassifierConfig, SmallClassifierConfig};
use redmask_nn::encoder::EncoderKind;
use redmask_nn::network::{NetworkConfig, UnetConfig};
use redmask_nn::pass::Pass;
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::{self, Checkpoint, LoadReport, ModelCard};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/weights")
        .join(name)
}

fn classifier() -> Classifier {
    let config = ClassifierConfig::Small(SmallClassifierConfig {
        width: 0.25,
        dropout: 0.0,
    });
    config.init(3, Seed::root(1), &Device::flex()).unwrap()
}

fn load(name: &str) -> redmask_core::Result<(Classifier, LoadReport)> {
    weights::load(classifier(), &Checkpoint::open(&fixture(name))?)
}

fn refusal(name: &str) -> String {
    load(name)
        .map(|(_, report)| report)
        .unwrap_err()
        .to_string()
}

#[test]
fn every_way_of_saving_gives_the_same_weights() {
    let expected = formula::state(weights::shapes(&classifier()));
    for name in [
        "plain.safetensors",
        "zip.pth",
        "legacy.pth",
        "nested.pth",
        "strided.pth",
    ] {
        let (loaded, report) = load(name).unwrap();
        assert_eq!(weights::state_dict(&loaded), expected, "{name}");
        assert_eq!(
            (report.loaded, report.unused.len()),
            (expected.len(), 0),
            "{name}"
        );
    }
}

#[test]
fn loaded_weights_compute_what_pytorch_computes() {
    let (loaded, _) = load("zip.pth").unwrap();
    let x = TensorData::new(formula::image("input", 4 * 3 * 64 * 64), [4, 3, 64, 64]);
    let ours: Vec<f32> = loaded
        .forward(Tensor::from_data(x, &Device::flex()), &Pass::eval())
        .into_data()
        .try_into_vec()
        .unwrap();
    let theirs = Checkpoint::open(&fixture("logits.safetensors"))
        .unwrap()
        .read("logits")
        .unwrap();
    for (a, b) in ours.iter().zip(&theirs) {
        assert!((a - b).abs() < 1e-4 * b.abs(), "{a} against {b}");
    }
}

#[test]
fn half_precision_is_widened() {
    let expected = weights::state_dict(&load("plain.safetensors").unwrap().0);
    let half = weights::state_dict(&load("half.safetensors").unwrap().0);
    for (name, tensor) in &expected {
        for (a, b) in tensor.values.iter().zip(&half[name].values) {
            assert!((a - b).abs() < 1e-3, "{name}: {a} against {b}");
        }
    }
}

#[test]
fn pickles_that_want_to_run_something_are_refused_by_name() {
    for name in ["command.pth", "command-legacy.pth", "command-protocol4.pth"] {
        let text = refusal(name);
        assert!(
            text.contains("posix.system") && text.contains(name),
            "{text}"
        );
    }
    assert!(refusal("whole-model.pth").contains("Small"));
    assert!(!Path::new("/tmp/redmask-was-executed").exists());
}

#[test]
fn tensors_that_do_not_fit_are_named_before_anything_is_read() {
    assert!(refusal("missing.pth").contains("`fc.bias` is missing"));
    // A gigabyte by its shape, a few bytes in the file.
    assert!(refusal("expanded.pth").contains("`fc.weight` has shape [16384, 16384], not [1, 16]"));
    assert!(refusal("nan.pth").contains("`fc.bias` holds NaN"));
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain.safetensors", "zip.pth", "legacy.pth", "nested.pth"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for keep in [0, 1, 7, 9, 100, whole.len() / 2, whole.len() - 1] {
            let path = folder.path().join(name);
            std::fs::write(&path, &whole[..keep]).unwrap();
            let outcome = Checkpoint::open(&path).and_then(|c| weights::load(classifier(), &c));
            assert!(outcome.is_err(), "{name} cut to {keep} bytes");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain.safetensors", "zip.pth", "legacy.pth"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        for (i, u) in formula::noise(name, 120).into_iter().enumerate() {
            // Headers and pickles sit at the start, zip directories at the end.
            let reach = [200, 2000, whole.len()][i % 3];
            let offset = (f64::midpoint(u, 1.0) * reach as f64) as usize;
            let mut bytes = whole.clone();
            let place = if i % 2 == 0 {
                offset
            } else {
                whole.len() - 1 - offset
            };
            bytes[place] ^= 1 << (i % 8);
            std::fs::write(&path, &bytes).unwrap();
            // Whether a flip is noticed depends on where it falls; it must not bring the process down.
            let _ = Checkpoint::open(&path).and_then(|c| weights::load(classifier(), &c));
        }
    }
}

#[test]
fn saving_is_exact_and_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let network = classifier();
    weights::save(&network, &a).unwrap();
    weights::save(&network.clone(), &b).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    let (back, _) = weights::load(
        ClassifierConfig::Small(SmallClassifierConfig {
            width: 0.25,
            dropout: 0.0,
        })
        .init(3, Seed::root(2), &Device::flex())
        .unwrap(),
        &Checkpoint::open(&a).unwrap(),
    )
    .unwrap();
    assert_eq!(weights::state_dict(&back), weights::state_dict(&network));
}

fn tiny(outputs: usize) -> NetworkConfig {
    NetworkConfig::Unet(UnetConfig {
        encoder: EncoderKind::Resnet18,
        width: 0.125,
        outputs,
        ..UnetConfig::default()
    })
}

fn sample(stem: &str, size: usize) -> Sample {
    let pixels = formula::image(stem, 3 * size * size)
        .into_iter()
        .map(|v| (v * 127.0 + 128.0) as u8)
        .collect();
    Sample {
        id: SampleId::new("test", stem),
        group: GroupId(stem.to_owned()),
        image: Image::new(3, size, size, pixels),
        labels: LabelMap::filled(size, size, 0),
        instances: None,
        attributes: std::collections::BTreeMap::new(),
    }
}

#[test]
fn a_saved_model_predicts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let card = ModelCard {
        classes: vec!["background".into(), "polyp".into()],
        scaling: InputScaling::ImageNet,
        network: tiny(1),
    };
    let network = card
        .network
        .init(Seed::root(3), &device.clone().autodiff())
        .unwrap();
    let model = folder.path().join("models/victim");
    weights::save_model(&model, &card, &network).unwrap();

    let fresh = NetworkPredictor::new(card.network.clone(), &network, card.scaling, device.clone());
    let saved = NetworkPredictor::open(&model, device)
        .unwrap()
        .with_batch(2);
    assert_eq!(fresh.fingerprint().unwrap(), saved.fingerprint().unwrap());

    let samples: Vec<Sample> = ["a", "b", "c"].iter().map(|s| sample(s, 64)).collect();
    let batch: Vec<&Sample> = samples.iter().collect();
    let scores = fresh.predict(&batch).unwrap().into_scores().unwrap();
    assert_eq!(scores.kind(), ScoreKind::Logits);
    assert_eq!(scores.shape(), [3, 2, 64, 64]);
    assert!(scores.image(1)[..64 * 64].iter().all(|v| *v == 0.0));
    assert!(scores.image(1)[64 * 64..].iter().any(|v| *v != 0.0));
    assert_eq!(
        saved.predict(&batch).unwrap().into_scores().unwrap(),
        scores
    );
}

#[test]
fn threads_may_share_a_predictor() {
    let device = Device::flex();
    let network = tiny(3).init(Seed::root(4), &device).unwrap();
    let predictor = NetworkPredictor::new(tiny(3), &network, InputScaling::Unit, device);
    let a = sample("a", 64);
    let alone = predictor.predict(&[&a]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(predictor.predict(&[&a]).unwrap(), alone));
        }
    });
}

#[test]
fn predictors_refuse_what_they_cannot_take() {
    let device = Device::flex();
    let network = tiny(3).init(Seed::root(4), &device).unwrap();
    let predictor = NetworkPredictor::new(tiny(3), &network, InputScaling::Unit, device);
    let (a, mut grey) = (sample("a", 64), sample("grey", 64));
    grey.image = Image::new(1, 64, 64, vec![0; 64 * 64]);
    let text = predictor.predict(&[&a, &grey]).unwrap_err().to_string();
    assert!(
        text.contains("test/grey") && text.contains("3 channels"),
        "{text}"
    );
    let text = predictor
        .predict(&[&a, &sample("small", 32)])
        .unwrap_err()
        .to_string();
    assert!(text.contains("test/small"), "{text}");
}

#[test]
fn an_imagenet_encoder_loads_under_torchvisions_names() {
    // The encoder of one network, renamed as torchvision has it, goes into another with one image channel.
    let device = Device::flex();
    let donor = tiny(1).init(Seed::root(5), &device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet18.safetensors");
    let state = weights::state_dict(&donor);
    let renamed: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .filter_map(|(name, t)| {
            let bytes = t.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            Some((
                name.strip_prefix("encoder.")?.to_owned(),
                t.shape.clone(),
                bytes,
            ))
        })
        .collect();
    let views = renamed.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();

    let config = tiny(1).for_data(2, 1);
    let target = config.init(Seed::root(6), &device).unwrap();
    let before = weights::state_dict(&target);
    let (loaded, report) =
        weights::load_encoder(target, &Checkpoint::open(&path).unwrap()).unwrap();
    assert_eq!(report.loaded, renamed.len());
    let after = weights::state_dict(&loaded);
    let bn = "encoder.layer3.1.bn2.weight";
    let conv = "encoder.layer3.1.conv2.weight";
    let head = "segmentation_head.0.weight";
    assert_eq!((&after[bn], &after[conv]), (&state[bn], &state[conv]));
    assert_eq!(after[head], before[head]);
    let stem = "encoder.conv1.weight";
    let (rgb, grey) = (&state[stem].values, &after[stem].values);
    assert_eq!(after[stem].shape, [8, 1, 7, 7]);
    assert!((grey[0] - (rgb[0] + rgb[49] + rgb[98])).abs() < 1e-6);
    // Without the adaptation the stem is a misfit.
    let target = config.init(Seed::root(6), &device).unwrap();
    let text = weights::load(target, &Checkpoint::open(&path).unwrap())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(text.contains("missing"), "{text}");
    assert!(loaded.num_params() > 0);
}
