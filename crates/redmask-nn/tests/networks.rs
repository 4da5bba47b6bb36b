//! What every network promises, whichever it is.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::Seed;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::ops::KeptWeights;
use redmask_nn::pass::Pass;
use redmask_nn::weights;

/// Small ones of every kind, three classes on grey images.
fn all() -> Vec<NetworkConfig> {
    let rest = r#""width": 0.125, "in_channels": 1, "outputs": 3"#;
    [
        r#""kind": "unet", "encoder": "resnet18""#,
        r#""kind": "unet", "encoder": "mobilenet-v2", "norm": "group""#,
        r#""kind": "unet", "encoder": "vgg11""#,
        r#""kind": "deeplab-v3", "encoder": "resnet50", "auxiliary": true"#,
        r#""kind": "torchvision-deeplab-v3", "encoder": "resnet18""#,
        r#""kind": "deeplab-v3-plus", "encoder": "mobilenet-v2", "output_stride": 8"#,
        r#""kind": "pspnet", "encoder": "resnet18""#,
        r#""kind": "swiftnet""#,
        r#""kind": "pyramid-swiftnet", "norm": "group""#,
    ]
    .iter()
    .map(|kind| serde_json::from_str(&format!("{{{kind}, {rest}}}")).unwrap())
    .collect()
}

fn input(n: usize, h: usize, w: usize) -> Tensor<4> {
    let values: Vec<f32> = (0..n * h * w).map(|i| (i as f32 * 0.37).sin()).collect();
    Tensor::from_data(TensorData::new(values, [n, 1, h, w]), &Device::flex())
}

fn init(config: &NetworkConfig, seed: u64, device: &Device) -> SegmentationNetwork {
    config.init(Seed::root(seed), device).unwrap()
}

fn values(x: Tensor<4>) -> Vec<f32> {
    x.inner().into_data().try_into_vec().unwrap()
}

#[test]
fn logits_have_the_size_of_any_input() {
    for config in all() {
        let network = init(&config, 0, &Device::flex());
        for (h, w) in [(64, 64), (72, 56), (65, 47)] {
            let y = network.forward(input(2, h, w), &Pass::eval());
            assert_eq!(y.dims(), [2, 3, h, w], "{config:?}");
            assert!(values(y).iter().all(|v| v.is_finite()), "{config:?}");
        }
    }
}

#[test]
fn a_configuration_survives_toml() {
    for config in all() {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<NetworkConfig>(&text).unwrap(), config);
    }
}

#[test]
fn weights_follow_the_seed() {
    for config in all() {
        let state = |seed| weights::state_dict(&init(&config, seed, &Device::flex()));
        assert_eq!(state(1), state(1), "{config:?}");
        assert_ne!(state(1), state(2), "{config:?}");
    }
}

#[test]
fn a_training_pass_reaches_every_weight_and_commits_every_statistic() {
    let device = Device::flex().autodiff();
    for config in all() {
        let network = init(&config, 0, &device);
        let before = weights::state_dict(&network);
        let pass = Pass::train(Seed::root(0));
        let logits = network.forward_all(input(2, 128, 128), &pass);
        let mut loss = logits.main.powi_scalar(2).mean();
        if let Some(auxiliary) = logits.auxiliary {
            loss = loss + auxiliary.powi_scalar(2).mean();
        }
        let gradients = weights::gradient_dict(&network, &loss.backward());
        let after = weights::state_dict(&network.commit(pass));
        for (name, tensor) in &before {
            if name.contains("running_") {
                assert_ne!(&after[name], tensor, "{config:?}: {name} stayed");
            } else {
                assert_eq!(&after[name], tensor, "{config:?}: {name} changed");
                let gradient = gradients
                    .get(name)
                    .unwrap_or_else(|| panic!("{config:?}: {name}"));
                assert!(gradient.values.iter().all(|v| v.is_finite()), "{name}");
            }
        }
    }
}

#[test]
fn evaluation_is_pure_and_training_is_not() {
    for config in all() {
        let network = init(&config, 0, &Device::flex());
        let x = input(2, 64, 64);
        let eval = |x: &Tensor<4>| values(network.forward(x.clone(), &Pass::eval()));
        assert_eq!(eval(&x), eval(&x), "{config:?}");
        // One image's answer does not depend on its neighbour.
        let alone = eval(&x.clone().narrow(0, 0, 1));
        let together = eval(&x)[..alone.len()].to_vec();
        let largest = alone.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (a, b) in alone.iter().zip(&together) {
            assert!((a - b).abs() <= 1e-5 * largest, "{config:?}: {a} and {b}");
        }
        let same = init(&config, 0, &Device::flex());
        let committed = {
            let pass = Pass::train(Seed::root(0));
            let _ = same.forward_all(x.clone(), &pass);
            same.commit(pass)
        };
        let has_statistics = weights::shapes(&committed)
            .keys()
            .any(|name| name.contains("running_"));
        let moved = values(committed.forward(x.clone(), &Pass::eval())) != eval(&x);
        assert_eq!(moved, has_statistics, "{config:?}");
        assert!(committed.num_params() > 1000);
    }
}

#[test]
fn kept_weights_answer_as_new_ones() {
    for config in all() {
        let kept = KeptWeights::default();
        // The second network's weights are others of the same shapes.
        for network in [0, 1].map(|seed| init(&config, seed, &Device::flex())) {
            for x in [input(2, 64, 64), input(3, 72, 56)] {
                let new = values(network.forward(x.clone(), &Pass::eval()));
                let again = || {
                    let pass = Pass::eval().with_kept_weights(kept.clone());
                    values(network.forward(x.clone(), &pass))
                };
                let first = again();
                assert_eq!(first, again(), "{config:?}");
                let largest = new.iter().fold(0f32, |m, v| m.max(v.abs()));
                for (a, b) in new.iter().zip(&first) {
                    assert!((a - b).abs() <= 2e-5 * largest, "{config:?}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn impossible_configurations_name_their_key() {
    for (json, key) in [
        (r#"{"kind": "unet", "width": 0}"#, "network.width"),
        (r#"{"kind": "unet", "outputs": 0}"#, "network.outputs"),
        (
            r#"{"kind": "unet", "in_channels": 0}"#,
            "network.in_channels",
        ),
        (
            r#"{"kind": "deeplab-v3", "encoder": "vgg11"}"#,
            "network.encoder",
        ),
        (
            r#"{"kind": "deeplab-v3", "output_stride": 4}"#,
            "network.output_stride",
        ),
        (
            r#"{"kind": "pspnet", "shallow": true, "auxiliary": true}"#,
            "network.auxiliary",
        ),
        (
            r#"{"kind": "swiftnet", "encoder": "resnet50"}"#,
            "network.encoder",
        ),
    ] {
        let config: NetworkConfig = serde_json::from_str(json).unwrap();
        let text = config.validate().unwrap_err().to_string();
        assert!(text.contains(key), "{json}: {text}");
    }
    assert!(serde_json::from_str::<NetworkConfig>(r#"{"kind": "unet", "depth": 5}"#).is_err());
    assert!(serde_json::from_str::<NetworkConfig>(r#"{"kind": "fcn"}"#).is_err());
}
