//! Differential privacy: the bound holds, the noise is there, what would break the guarantee is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use redmask_core::{Error, Result, Seed, SegDataset, Session};
use redmask_metrics::accountant::Accountant;
use redmask_nn::block::NormKind;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork, UnetConfig};
use redmask_nn::pass::Pass;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::state_dict;
use redmask_train::loss::{LossConfig, Reduction, Targets};
use redmask_train::optim::OptimizerConfig;
use redmask_train::private::{
    Budget, Clipping, GradientAccess, GradientLayout, Parts, PrivacyConfig, PrivacyUnit,
    PrivateOutcome, PrivateSampling, Rule, SecretSource, UnitInput, clipped_sum,
    clipped_sum_one_by_one, gradient_norms, train_privately,
};
use redmask_train::{TrainConfig, TrainRun};

use crate::scenes::{After, Discs, session_that};

fn architecture(norm: NormKind) -> NetworkConfig {
    NetworkConfig::Unet(UnetConfig {
        width: 0.125,
        norm,
        ..UnetConfig::default()
    })
}

fn network(norm: NormKind) -> SegmentationNetwork {
    architecture(norm)
        .init(Seed::root(4), &Device::flex().autodiff())
        .unwrap()
}

fn unit(data: &Discs, index: usize) -> UnitInput {
    let sample = data.sample(index).unwrap();
    UnitInput {
        input: InputScaling::Unit
            .tensor(&[&sample], 3, &Device::flex())
            .unwrap(),
        targets: Targets::from_maps([&sample.labels]).unwrap(),
        dropout: Seed::root(index as u64),
    }
}

fn everything(network: &SegmentationNetwork) -> GradientLayout {
    GradientLayout::of(network, |_| true)
}

fn distance(a: &Parts, b: &Parts) -> f64 {
    a.iter()
        .flatten()
        .zip(b.iter().flatten())
        .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
        .sum::<f64>()
        .sqrt()
}

fn length(a: &Parts) -> f64 {
    a.iter()
        .flatten()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn without_clipping_the_sum_is_the_gradient_of_the_batch() {
    struct Total(f64, GradientsParams);
    impl ModuleVisitor for Total {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(g) = self.1.remove::<D>(param.id) {
                let values: Vec<f32> = g.into_data().try_into_vec().unwrap();
                self.0 += values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            }
        }
    }
    let network = network(NormKind::Group);
    let layout = everything(&network);
    let data = Discs::new(3, 32, 1);
    let units: Vec<UnitInput> = (0..3).map(|i| unit(&data, i)).collect();
    let loss = LossConfig::dice(Reduction::PerImage);
    let wide = Clipping::Flat { norm: 1e9 };
    let clipped = clipped_sum(&network, &units, &loss, &wide, &layout, 16);
    assert_eq!(clipped.norms.len(), 3);

    let samples: Vec<_> = (0..3).map(|i| data.sample(i).unwrap()).collect();
    let borrowed: Vec<_> = samples.iter().collect();
    let x = InputScaling::Unit
        .tensor(&borrowed, 3, &Device::flex())
        .unwrap();
    let targets = Targets::from_maps(samples.iter().map(|s| &s.labels)).unwrap();
    let batch = loss.apply(network.forward(x, &Pass::train(Seed::root(0))), &targets);
    let gradients = GradientsParams::from_grads(batch.mean().backward(), &network);
    let mut total = Total(0.0, gradients);
    network.visit(&mut total);
    let ours = length(&clipped.sum).powi(2) / 9.0;
    assert!(
        (ours / total.0 - 1.0).abs() < 1e-4,
        "squared norms {ours} and {}",
        total.0
    );
}

#[test]
fn one_unit_moves_the_sum_by_at_most_the_bound() {
    let network = network(NormKind::Group);
    let layout = everything(&network);
    for (case, clipping) in clippings(0.05).into_iter().enumerate() {
        let data = Discs::new(4, 32, 10 + case as u64);
        let units: Vec<UnitInput> = (0..4).map(|i| unit(&data, i)).collect();
        let sum = |units: &[UnitInput], reduction| {
            let loss = LossConfig::dice(reduction);
            clipped_sum(&network, units, &loss, &clipping, &layout, 16)
        };
        let moved = |reduction| {
            let all = sum(&units, reduction);
            assert!(
                all.norms.iter().all(|n| *n > 0.05),
                "nothing is clipped: {:?}",
                all.norms
            );
            (0..4)
                .map(|left_out| {
                    let mut rest = units.clone();
                    rest.remove(left_out);
                    distance(&all.sum, &sum(&rest, reduction).sum)
                })
                .fold(0.0, f64::max)
        };
        let separable = moved(Reduction::PerImage);
        assert!(
            separable <= 0.05 * (1.0 + 1e-5),
            "{clipping:?}: {separable}"
        );
        // Why the linter refuses a loss over the batch: the others' shares move too.
        if let Clipping::Flat { norm } = clipping {
            let coupled = moved(Reduction::Batch);
            assert!(coupled > norm * 1.001, "{coupled}");
        }
    }
}

fn clippings(norm: f64) -> [Clipping; 3] {
    [
        Clipping::Flat { norm },
        Clipping::PerLayer { norm },
        Clipping::Automatic {
            norm,
            stability: 0.01,
        },
    ]
}

/// Units of one, two and one images, two of which share a pass when three images fit.
fn mixed_units(data: &Discs) -> Vec<UnitInput> {
    let pair = [0, 1].map(|i| data.sample(i).unwrap());
    let both = UnitInput {
        input: InputScaling::Unit
            .tensor(&pair.each_ref(), 3, &Device::flex())
            .unwrap(),
        targets: Targets::from_maps(pair.iter().map(|s| &s.labels)).unwrap(),
        dropout: Seed::root(9),
    };
    vec![unit(data, 2), both, unit(data, 3)]
}

fn assert_agree(network: &SegmentationNetwork, loss: &LossConfig, what: &str) {
    let layout = everything(network);
    let data = Discs::new(4, 32, 3);
    let units = mixed_units(&data);
    for clipping in clippings(0.05) {
        let loop_sum = clipped_sum_one_by_one(network, &units, loss, &clipping, &layout);
        for images in [1, 3, 16] {
            let sum = clipped_sum(network, &units, loss, &clipping, &layout, images);
            let what = format!("{what} {clipping:?} {images} images at once");
            for (got, expected) in sum.norms.iter().zip(&loop_sum.norms) {
                assert!(
                    (got / expected - 1.0).abs() < 1e-5,
                    "{what}: {got} for {expected}"
                );
            }
            for (got, expected) in sum.losses.iter().zip(&loop_sum.losses) {
                assert!(
                    (got - expected).abs() < 1e-6,
                    "{what}: {got} for {expected}"
                );
            }
            let apart = distance(&sum.sum, &loop_sum.sum) / length(&loop_sum.sum);
            assert!(apart < 2e-5, "{what}: sums are {apart} apart");
        }
    }
}

#[test]
fn one_pass_for_all_units_is_the_loop_over_units() {
    let network = network(NormKind::Group);
    for reduction in [Reduction::PerImage, Reduction::Batch] {
        let loss = LossConfig::dice(reduction);
        assert_agree(&network, &loss, &format!("{reduction:?}"));
    }
    assert_agree(
        &network,
        &LossConfig::cross_entropy(Reduction::PerImage),
        "cross-entropy",
    );
}

#[test]
fn dropout_masks_belong_to_the_unit() {
    for auxiliary in [false, true] {
        let config = format!(
            r#"{{"kind": "deeplab-v3", "encoder": "resnet18", "norm": "group", "width": 0.125, "outputs": 2,
                "auxiliary": {auxiliary}}}"#
        );
        let config: NetworkConfig = serde_json::from_str(&config).unwrap();
        let network = config
            .init(Seed::root(4), &Device::flex().autodiff())
            .unwrap();
        for reduction in [Reduction::PerImage, Reduction::Batch] {
            let what = format!("dropout, auxiliary head {auxiliary}, {reduction:?}");
            assert_agree(&network, &LossConfig::dice(reduction), &what);
        }
    }
}

#[test]
fn a_frozen_part_takes_no_share_of_the_norm() {
    let network = network(NormKind::Group);
    let data = Discs::new(1, 32, 3);
    let units = [unit(&data, 0)];
    let layout = GradientLayout::of(&network, |path| !path.starts_with("encoder"));
    let all = everything(&network);
    assert!(layout.parts() > 0 && layout.parts() < all.parts());
    let clipping = Clipping::Flat { norm: 1e9 };
    let loss = LossConfig::default();
    let part = clipped_sum(&network, &units, &loss, &clipping, &layout, 16);
    let by_loop = clipped_sum_one_by_one(&network, &units, &loss, &clipping, &layout);
    assert!((part.norms[0] / by_loop.norms[0] - 1.0).abs() < 1e-5);
    let whole = clipped_sum(&network, &units, &loss, &clipping, &all, 16);
    assert!(part.norms[0] < whole.norms[0]);
    assert_eq!(part.sum.len(), layout.parts());
}

#[test]
fn gradient_norms_of_records_are_those_of_the_loop() {
    use burn::optim::GradientsParams;
    use redmask_nn::predictor::NetworkPredictor;
    // Batch normalisation with given statistics, as published victims have it.
    for norm in [NormKind::Batch, NormKind::Group] {
        let network = network(norm);
        let layout = everything(&network);
        let data = Discs::new(3, 32, 3);
        let units: Vec<UnitInput> = (0..3).map(|i| unit(&data, i)).collect();
        let loss = LossConfig::default();
        let norms = gradient_norms(&network, &units, &loss, &layout, 2);
        for (unit, got) in units.iter().zip(&norms) {
            struct Total(f64, GradientsParams);
            impl ModuleVisitor for Total {
                fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                    if let Some(g) = self.1.remove::<D>(param.id) {
                        let values: Vec<f32> = g.into_data().try_into_vec().unwrap();
                        self.0 += values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
                    }
                }
            }
            let logits = network.forward(unit.input.clone(), &Pass::eval());
            let gradients = loss.apply(logits, &unit.targets).mean().backward();
            let mut total = Total(0.0, GradientsParams::from_grads(gradients, &network));
            network.visit(&mut total);
            let expected = total.0.sqrt();
            assert!(
                (got.whole / expected - 1.0).abs() < 1e-5,
                "{} {expected}",
                got.whole
            );
            let parts = got.parameters.iter().map(|n| n * n).sum::<f64>().sqrt();
            assert!((parts / got.whole - 1.0).abs() < 1e-9);
        }
        // The same through the predictor that an audit has.
        let predictor = NetworkPredictor::new(
            architecture(norm),
            &network,
            InputScaling::Unit,
            Device::flex(),
        );
        let samples: Vec<_> = (0..3).map(|i| data.sample(i).unwrap()).collect();
        let borrowed: Vec<_> = samples.iter().collect();
        let seen = predictor.gradient_norms(&borrowed, &loss).unwrap();
        for (a, b) in seen.iter().zip(&norms) {
            assert!((a.whole / b.whole - 1.0).abs() < 1e-5);
            assert_eq!(a.parameters.len(), predictor.layout().unwrap().parts());
        }
        let coupled = LossConfig::dice(Reduction::Batch);
        assert!(predictor.gradient_norms(&borrowed, &coupled).is_err());
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 2,
        batch_size: 2,
        optimizer: OptimizerConfig::nadam(1e-3),
        ..TrainConfig::default()
    }
}

fn privacy() -> PrivacyConfig {
    PrivacyConfig {
        secret: SecretSource::Seed,
        ..PrivacyConfig::new(Budget::Noise { multiplier: 0.8 }, 1e-3)
    }
}

fn run(
    folder: &Path,
    session: &Session,
    config: &TrainConfig,
    privacy: &PrivacyConfig,
    data: &Discs,
    norm: NormKind,
) -> Result<PrivateOutcome> {
    let run = TrainRun {
        checkpoint_every: Duration::MAX,
        ..TrainRun::new(Seed::root(4), folder, session)
    };
    let architecture = architecture(norm);
    train_privately(
        &architecture,
        network(norm),
        data,
        None,
        config,
        privacy,
        &run,
    )
}

fn simply(config: &TrainConfig, privacy: &PrivacyConfig, norm: NormKind) -> Result<PrivateOutcome> {
    let folder = tempfile::tempdir().unwrap();
    let data = Discs::new(6, 32, 1);
    run(
        folder.path(),
        &Session::default(),
        config,
        privacy,
        &data,
        norm,
    )
}

fn bits(outcome: &PrivateOutcome) -> BTreeMap<String, Vec<u32>> {
    state_dict(&outcome.training.network)
        .into_iter()
        .map(|(path, t)| (path, t.values.iter().map(|v| v.to_bits()).collect()))
        .collect()
}

#[test]
fn a_resumed_training_goes_on_with_its_secret() {
    for secret in [SecretSource::Seed, SecretSource::Entropy] {
        let privacy = PrivacyConfig {
            secret,
            augmentations: 2,
            images_at_once: 3,
            canaries: 20,
            ..privacy()
        };
        let config = config();
        let data = Discs::new(6, 32, 1);
        let go = |folder: &Path, session: &Session| {
            run(folder, session, &config, &privacy, &data, NormKind::Group)
        };
        let folder = tempfile::tempdir().unwrap();
        let error = go(folder.path(), &session_that(After::Cancel(2))).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        // Two resumes of one checkpoint are one training, even if nobody knows its key.
        let twin = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), twin.path());
        let first = go(folder.path(), &Session::default()).unwrap();
        let second = go(twin.path(), &Session::default()).unwrap();
        assert_eq!(bits(&first), bits(&second));
        assert_eq!(first.training.steps, 6);
        let unbroken = tempfile::tempdir().unwrap();
        let unbroken = go(unbroken.path(), &Session::default()).unwrap();
        assert_eq!(
            bits(&first) == bits(&unbroken),
            secret == SecretSource::Seed
        );
        let rules: Vec<Rule> = first.privacy.findings.iter().map(|f| f.rule).collect();
        assert_eq!(
            rules.contains(&Rule::RepeatableNoise),
            secret == SecretSource::Seed
        );
        assert!(first.privacy.guarantee);
        assert_eq!(first.privacy.audit, second.privacy.audit);
        assert_eq!(first.privacy.audit.unwrap().counts.canaries, 20);
        assert!(folder.path().join("privacy.json").exists());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn empty_batches_are_counted_and_noised() {
    let folder = tempfile::tempdir().unwrap();
    let epochs = 24;
    let config = TrainConfig {
        epochs,
        batch_size: 1,
        optimizer: OptimizerConfig::sgd(1e-3, 0.0),
        keep_epochs: (1..=epochs).collect(),
        ..TrainConfig::default()
    };
    // Two units, two steps an epoch: one epoch in sixteen draws nobody.
    let data = Discs::new(2, 32, 1);
    let privacy = PrivacyConfig {
        delta: 1e-2,
        ..privacy()
    };
    let outcome = run(
        folder.path(),
        &Session::default(),
        &config,
        &privacy,
        &data,
        NormKind::Group,
    )
    .unwrap();
    assert_eq!(outcome.training.steps, 2 * u64::from(epochs));
    assert_eq!(outcome.privacy.steps, 2 * u64::from(epochs));
    let empty: Vec<u32> = outcome
        .training
        .history
        .iter()
        .filter(|e| e.train_loss == 0.0)
        .map(|e| e.epoch)
        .filter(|e| *e > 1)
        .collect();
    assert!(!empty.is_empty(), "no epoch drew nobody; take another seed");
    let weights = |epoch: u32| {
        std::fs::read(outcome.training.kept[&epoch].join("model.safetensors")).unwrap()
    };
    for epoch in empty {
        assert!(
            weights(epoch) != weights(epoch - 1),
            "no noise in epoch {epoch}"
        );
    }
}

#[test]
fn a_target_epsilon_is_met() {
    let privacy = PrivacyConfig {
        budget: Budget::Epsilon {
            target: 8.0,
            accountant: Accountant::Pld,
        },
        ..privacy()
    };
    let outcome = simply(&config(), &privacy, NormKind::Group).unwrap();
    let (rdp, pld) = (
        outcome.privacy.rdp.unwrap().epsilon,
        outcome.privacy.pld.unwrap().epsilon,
    );
    assert!(pld <= 8.0 && pld > 7.9, "{pld}");
    assert!(rdp > pld);
}

fn refused(config: &TrainConfig, privacy: &PrivacyConfig, norm: NormKind, reason: &str) {
    let error = simply(config, privacy, norm).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn what_breaks_the_guarantee_is_refused() {
    let batch_dice = TrainConfig {
        loss: LossConfig::dice(Reduction::Batch),
        ..config()
    };
    refused(&batch_dice, &privacy(), NormKind::Group, "per-image");
    refused(
        &config(),
        &privacy(),
        NormKind::Batch,
        "batch normalisation",
    );
    let large_delta = PrivacyConfig {
        delta: 1.0 / 6.0,
        ..privacy()
    };
    refused(&config(), &large_delta, NormKind::Group, "delta");
    let shuffled = PrivacyConfig {
        sampling: PrivateSampling::Shuffled,
        ..privacy()
    };
    refused(&config(), &shuffled, NormKind::Group, "poisson");
    let no_bound = PrivacyConfig {
        clipping: Clipping::Flat { norm: 0.0 },
        ..privacy()
    };
    refused(&config(), &no_bound, NormKind::Group, "norm");
    let unreachable = PrivacyConfig {
        budget: Budget::Epsilon {
            target: 1e-12,
            accountant: Accountant::Rdp,
        },
        ..privacy()
    };
    refused(&config(), &unreachable, NormKind::Group, "budget");
    let approximate = PrivacyConfig {
        budget: Budget::Epsilon {
            target: 8.0,
            accountant: Accountant::GdpApproximation,
        },
        ..privacy()
    };
    refused(&config(), &approximate, NormKind::Group, "approximation");
}

#[test]
fn paper_compat_goes_on_without_a_guarantee() {
    let config = TrainConfig {
        epochs: 1,
        loss: LossConfig::dice(Reduction::Batch),
        ..config()
    };
    let privacy = PrivacyConfig {
        delta: 1.0 / 6.0,
        paper_compat: true,
        ..privacy()
    };
    let outcome = simply(&config, &privacy, NormKind::Group).unwrap();
    assert!(!outcome.privacy.guarantee);
    let rules: Vec<Rule> = outcome.privacy.findings.iter().map(|f| f.rule).collect();
    assert!(rules.contains(&Rule::CoupledLoss) && rules.contains(&Rule::LargeDelta));
    assert!(outcome.privacy.rdp.is_some());
    // Nothing can be clipped where records are normalised together.
    refused(&config, &privacy, NormKind::Batch, "batch normalisation");
}

#[test]
fn groups_are_units_if_asked() {
    let data = Discs::new(6, 32, 1).in_groups_of(3);
    let privacy = PrivacyConfig {
        delta: 1e-2,
        ..privacy()
    };
    let go = |privacy: &PrivacyConfig| {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::default();
        let norm = NormKind::Group;
        run(folder.path(), &session, &config(), privacy, &data, norm).unwrap()
    };
    let by_record = go(&privacy).privacy;
    assert_eq!(by_record.units, 6);
    assert!(
        by_record
            .findings
            .iter()
            .any(|f| f.rule == Rule::SplitGroups)
    );
    let by_group = go(&PrivacyConfig {
        unit: PrivacyUnit::Group,
        ..privacy.clone()
    })
    .privacy;
    assert_eq!((by_group.units, by_group.sample_rate), (2, 1.0));
    assert!(
        by_group
            .findings
            .iter()
            .all(|f| f.rule != Rule::SplitGroups)
    );
}

#[test]
fn no_noise_means_no_guarantee() {
    let privacy = PrivacyConfig {
        budget: Budget::Noise { multiplier: 0.0 },
        ..privacy()
    };
    let outcome = simply(&config(), &privacy, NormKind::Group).unwrap();
    assert!(!outcome.privacy.guarantee);
    assert!(outcome.privacy.pld.is_none());
}

/// A long training with many canaries; the noise alone decides what the audit can see.
fn audited(multiplier: f64) -> PrivateOutcome {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        epochs: 12,
        batch_size: 2,
        // The weights stand still, so that nothing but the mechanism is measured.
        optimizer: OptimizerConfig::sgd(1e-6, 0.0),
        ..TrainConfig::default()
    };
    let privacy = PrivacyConfig {
        budget: Budget::Noise { multiplier },
        // A thousand canaries share delta: with more of it no outcome could refute the claim.
        delta: 1e-7,
        canaries: 1000,
        ..privacy()
    };
    let data = Discs::new(4, 32, 1);
    let session = Session::default();
    run(
        folder.path(),
        &session,
        &config,
        &privacy,
        &data,
        NormKind::Group,
    )
    .unwrap()
}

#[test]
fn canaries_measure_less_than_the_bound_and_notice_missing_noise() {
    // Two hundred right guesses of two hundred refute an epsilon of 4.19; this noise promises 3.33.
    let honest = audited(4.0).privacy;
    let bound = honest.pld.unwrap().epsilon;
    let measured = honest.audit.unwrap().epsilon;
    assert!(measured > 0.1, "the canaries see nothing: {measured}");
    assert!(measured < bound, "{measured} measured, {bound} claimed");
    assert!(honest.guarantee && !honest.is_contradicted());

    // The same mechanism without its noise, held against the same claim.
    let silent = audited(0.0).privacy;
    let measured = silent.audit.unwrap().epsilon;
    assert!(!silent.guarantee);
    let claim = redmask_train::private::PrivacyReport {
        pld: honest.pld,
        ..silent
    };
    assert!(
        claim.is_contradicted(),
        "{measured} measured, {bound} claimed"
    );
}

#[test]
fn more_canaries_than_weights_are_refused() {
    let privacy = PrivacyConfig {
        canaries: 1 << 30,
        ..privacy()
    };
    refused(&config(), &privacy, NormKind::Group, "canaries");
}
