//! Attack classifiers: they learn, keep every epoch's scores, and resume exactly.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use rand::RngExt;
use redmask_core::{Error, Result, Seed, Session};
use redmask_nn::classifier::{Classifier, ClassifierConfig};
use redmask_nn::weights::state_dict;
use redmask_train::optim::OptimizerConfig;
use redmask_train::{
    ClassifierOutcome, ClassifierTrainConfig, MemoryInputs, TrainRun, train_classifier,
};

use crate::scenes::{After, session_that};

const SHAPE: [usize; 3] = [2, 16, 16];

/// Noise; in records with target 1 the first channel has a bright left half, flipped in half of them.
fn records(count: usize, seed: u64) -> MemoryInputs {
    let mut rng = Seed::root(seed).child("records").rng();
    let mut data = Vec::new();
    for i in 0..count {
        let bright_left = rng.random::<bool>();
        for c in 0..SHAPE[0] {
            for px in 0..SHAPE[1] * SHAPE[2] {
                let left = px % SHAPE[2] < SHAPE[2] / 2;
                let signal = i % 2 == 1 && c == 0 && left == bright_left;
                data.push(rng.random_range(-1.0..1.0) + if signal { 0.7 } else { 0.0 });
            }
        }
    }
    let ids = (0..count).map(|i| format!("{seed}-{i}")).collect();
    let targets = (0..count).map(|i| i % 2 == 1).collect();
    MemoryInputs::new(SHAPE, ids, targets, data).unwrap()
}

fn config() -> ClassifierTrainConfig {
    ClassifierTrainConfig {
        epochs: 4,
        batch_size: 8,
        optimizer: OptimizerConfig::nadam(2e-3),
        horizontal_flip: true,
        vertical_flip: true,
        ..ClassifierTrainConfig::default()
    }
}

fn run(folder: &Path, session: &Session) -> Result<ClassifierOutcome> {
    let network = ClassifierConfig::default().init(
        SHAPE[0],
        Seed::root(5).child("init"),
        &Device::flex().autodiff(),
    )?;
    let run = TrainRun {
        checkpoint_every: Duration::MAX,
        ..TrainRun::new(Seed::root(5), folder, session)
    };
    train_classifier(
        network,
        &records(60, 1),
        &[&records(20, 2), &records(6, 3)],
        &config(),
        &run,
    )
}

fn bits(network: &Classifier) -> BTreeMap<String, Vec<u32>> {
    state_dict(network)
        .into_iter()
        .map(|(path, t)| (path, t.values.iter().map(|v| v.to_bits()).collect()))
        .collect()
}

#[test]
fn it_learns_and_keeps_every_epochs_scores() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), &Session::default()).unwrap();
    assert_eq!(outcome.held_out.len(), 12);
    assert_eq!(outcome.history.len(), 4);
    for epoch in &outcome.history {
        let lengths: Vec<usize> = epoch.report.scores.iter().map(Vec::len).collect();
        assert_eq!(lengths, [20, 6]);
    }
    let best = outcome.best_epoch;
    let right = outcome
        .scores(best, 0)
        .iter()
        .enumerate()
        .filter(|(i, s)| (**s > 0.0) == (i % 2 == 1))
        .count();
    assert!(right >= 18, "{right} of 20 fresh records");
    let held_out = |epoch: u32| {
        outcome.history[epoch as usize - 1]
            .report
            .held_out
            .as_ref()
            .unwrap()
    };
    for epoch in 1..=4 {
        assert!(!held_out(epoch).beats(held_out(best)));
    }
}

#[test]
fn an_interrupted_training_ends_like_the_unbroken_one() {
    let reference_folder = tempfile::tempdir().unwrap();
    let reference = run(reference_folder.path(), &Session::default()).unwrap();
    // Six steps an epoch: within the first, at the end of the second, and in the last, after the best may have been.
    for cuts in [vec![3], vec![12], vec![7, 14]] {
        let folder = tempfile::tempdir().unwrap();
        for cut in cuts {
            let session = session_that(After::Cancel(cut));
            let error = run(folder.path(), &session).unwrap_err();
            assert!(matches!(error, Error::Interrupted), "{error}");
        }
        let outcome = run(folder.path(), &Session::default()).unwrap();
        let again = run(folder.path(), &session_that(After::Die(1))).unwrap();
        for outcome in [outcome, again] {
            assert_eq!(outcome.history, reference.history);
            assert_eq!(outcome.best_epoch, reference.best_epoch);
            assert_eq!(bits(&outcome.last), bits(&reference.last));
            assert_eq!(bits(&outcome.best), bits(&reference.best));
        }
    }
}

#[test]
fn a_single_target_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::default();
    let network = ClassifierConfig::default()
        .init(1, Seed::root(0), &Device::flex().autodiff())
        .unwrap();
    let ids = vec!["a".to_owned(), "b".to_owned()];
    let inputs = MemoryInputs::new([1, 8, 8], ids, vec![true, true], vec![0.0; 128]).unwrap();
    let error = train_classifier(
        network,
        &inputs,
        &[],
        &ClassifierTrainConfig::default(),
        &TrainRun::new(Seed::root(0), folder.path(), &session),
    )
    .unwrap_err();
    assert!(error.to_string().contains("target false"), "{error}");
}
