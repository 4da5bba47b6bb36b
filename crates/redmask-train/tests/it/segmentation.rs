//! Trainings that learn, and trainings that fail early.

use burn::tensor::Device;
use redmask_core::{Error, Fingerprint, Sample, Seed, SegDataset, Session};
use redmask_nn::network::{NetworkConfig, PspNetConfig, UnetConfig};
use redmask_train::loss::{LossConfig, Reduction};
use redmask_train::optim::OptimizerConfig;
use redmask_train::{
    EpochRewrite, TrainConfig, TrainOutcome, TrainRun, train_rewritten, train_segmentation,
};

use crate::scenes::Discs;

fn train(
    config: &TrainConfig,
    data: &dyn SegDataset,
    architecture: &NetworkConfig,
) -> redmask_core::Result<TrainOutcome> {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::default();
    let run = TrainRun::new(Seed::root(3), folder.path(), &session);
    let network = architecture.init(Seed::root(3), &Device::flex().autodiff())?;
    train_segmentation(
        architecture,
        network,
        data,
        Some(&Discs::new(8, 32, 9)),
        config,
        &run,
    )
}

fn small() -> NetworkConfig {
    NetworkConfig::Unet(UnetConfig {
        width: 0.25,
        ..UnetConfig::default()
    })
}

#[test]
fn a_small_network_learns_discs() {
    for loss in [
        LossConfig::dice(Reduction::PerImage),
        LossConfig::cross_entropy(Reduction::Batch),
    ] {
        let config = TrainConfig {
            epochs: 12,
            loss,
            optimizer: OptimizerConfig::nadam(2e-3),
            validate_every: 4,
            ..TrainConfig::default()
        };
        let outcome = train(&config, &Discs::new(24, 32, 1), &small()).unwrap();
        assert_eq!(outcome.steps, 36);
        let measured: Vec<u32> = outcome
            .history
            .iter()
            .filter(|e| e.report.validation.is_some())
            .map(|e| e.epoch)
            .collect();
        assert_eq!(measured, [4, 8, 12]);
        let last = outcome.history.last().unwrap().report.validation.unwrap();
        assert!(last.miou > 0.8, "{loss:?}: {last:?}");
        assert!(outcome.history[0].train_loss > 2.0 * outcome.history[11].train_loss);
    }
}

#[test]
fn a_diverging_training_stops_and_names_the_records() {
    let config = TrainConfig {
        epochs: 20,
        loss: LossConfig::cross_entropy(Reduction::PerImage),
        optimizer: OptimizerConfig::sgd(1e30, 0.0),
        ..TrainConfig::default()
    };
    let error = train(&config, &Discs::new(8, 32, 1), &small()).unwrap_err();
    assert!(matches!(error, Error::Numeric { .. }), "{error}");
    assert!(error.to_string().contains("discs/1-"), "{error}");
}

#[test]
fn records_that_do_not_fit_the_network_are_refused() {
    let grey = NetworkConfig::Unet(UnetConfig {
        width: 0.125,
        in_channels: 1,
        ..UnetConfig::default()
    });
    let error = train(&TrainConfig::default(), &Discs::new(8, 32, 1), &grey).unwrap_err();
    assert!(error.to_string().contains("channels"), "{error}");
    let never = TrainConfig {
        batch_size: 16,
        drop_last: true,
        ..TrainConfig::default()
    };
    assert!(train(&never, &Discs::new(8, 32, 1), &small()).is_err());
}

#[test]
fn the_auxiliary_head_s_loss_is_added_with_its_weight() {
    let network = NetworkConfig::PspNet(PspNetConfig {
        width: 0.125,
        auxiliary: true,
        ..PspNetConfig::default()
    });
    let first_loss = |auxiliary_weight: f64| {
        let config = TrainConfig {
            epochs: 1,
            batch_size: 4,
            auxiliary_weight,
            optimizer: OptimizerConfig::sgd(0.0, 0.0),
            ..TrainConfig::default()
        };
        let outcome = train(&config, &Discs::new(4, 32, 1), &network).unwrap();
        outcome.history[0].train_loss
    };
    let (without, usual, double) = (first_loss(0.0), first_loss(0.4), first_loss(0.8));
    assert!(usual > without);
    assert!((double - without - 2.0 * (usual - without)).abs() < 1e-6);
}

/// Paints every second epoch's records black.
struct Blackout;

impl EpochRewrite for Blackout {
    fn rewrite(&self, sample: &Sample, epoch: u32) -> Option<Sample> {
        (epoch % 2 == 1).then(|| {
            let mut black = sample.clone();
            black.image.data_mut().fill(0);
            black
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(b"blackout")
    }
}

#[test]
fn a_rewriting_loader_changes_the_epochs_that_it_says() {
    let config = TrainConfig {
        epochs: 2,
        optimizer: OptimizerConfig::nadam(1e-3),
        ..TrainConfig::default()
    };
    let data = Discs::new(8, 32, 1);
    let plain = train(&config, &data, &small()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let session = Session::default();
    let run = TrainRun::new(Seed::root(3), folder.path(), &session);
    let network = small()
        .init(Seed::root(3), &Device::flex().autodiff())
        .unwrap();
    let held_out = Discs::new(8, 32, 9);
    let rewritten = train_rewritten(
        &small(),
        network,
        &data,
        Some(&held_out),
        &config,
        &Blackout,
        &run,
    )
    .unwrap();
    assert_eq!(plain.history[0], rewritten.history[0]);
    assert_ne!(plain.history[1].train_loss, rewritten.history[1].train_loss);
}
