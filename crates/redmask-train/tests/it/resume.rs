//! A training that is interrupted and resumed ends bit-equal to an unbroken one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use redmask_core::{Error, Result, Seed, Session};
use redmask_data::Augmentation;
use redmask_nn::network::{NetworkConfig, UnetConfig};
use redmask_nn::weights::state_dict;
use redmask_train::optim::Schedule;
use redmask_train::{TrainConfig, TrainOutcome, TrainRun, train_segmentation};

use crate::scenes::{After, Discs, session_that};

fn architecture() -> NetworkConfig {
    NetworkConfig::Unet(UnetConfig {
        width: 0.125,
        ..UnetConfig::default()
    })
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 4,
        schedule: Schedule::Poly { power: 0.9 },
        augmentation: Augmentation {
            horizontal_flip: true,
            max_shift: 0.1,
            ..Augmentation::default()
        },
        keep_epochs: vec![2],
        ..TrainConfig::default()
    }
}

fn run(folder: &Path, session: &Session, every: Duration, seed: u64) -> Result<TrainOutcome> {
    let device = Device::flex().autodiff();
    let network = architecture().init(Seed::root(seed).child("init"), &device)?;
    let run = TrainRun {
        checkpoint_every: every,
        ..TrainRun::new(Seed::root(seed), folder, session)
    };
    train_segmentation(
        &architecture(),
        network,
        &Discs::new(10, 32, 1),
        Some(&Discs::new(4, 32, 2)),
        &config(),
        &run,
    )
}

fn bits(outcome: &TrainOutcome) -> BTreeMap<String, Vec<u32>> {
    state_dict(&outcome.network)
        .into_iter()
        .map(|(path, v)| (path, v.values.iter().map(|x| x.to_bits()).collect()))
        .collect()
}

fn assert_equal(
    folder: &Path,
    outcome: &TrainOutcome,
    reference: &(tempfile::TempDir, TrainOutcome),
) {
    assert_eq!(outcome.history, reference.1.history);
    assert_eq!(outcome.steps, reference.1.steps);
    let (ours, theirs) = (bits(outcome), bits(&reference.1));
    assert!(ours.len() > 100, "{} tensors", ours.len());
    for (path, bits) in &theirs {
        assert_eq!(ours.get(path), Some(bits), "{path}");
    }
    for file in [
        "epochs.jsonl",
        "epoch-0002/model.safetensors",
        "model/model.safetensors",
    ] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(folder) == read(reference.0.path()), "{file} differs");
    }
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("checkpoint") || n.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn unbroken() -> (tempfile::TempDir, TrainOutcome) {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), &Session::default(), Duration::MAX, 0).unwrap();
    (folder, outcome)
}

#[test]
fn interrupted_trainings_end_like_the_unbroken_one() {
    let reference = unbroken();
    assert_eq!(reference.1.steps, 9);
    let repeated = unbroken();
    assert_equal(repeated.0.path(), &repeated.1, &reference);

    // Cancelled in the middle of an epoch, at its end, twice in a row, and at the very last step.
    for cuts in [vec![2], vec![3], vec![1, 1, 5], vec![8], vec![9]] {
        let folder = tempfile::tempdir().unwrap();
        for &cut in &cuts {
            let session = session_that(After::Cancel(cut));
            match run(folder.path(), &session, Duration::MAX, 0) {
                Err(Error::Interrupted) => {}
                // Nothing is left to stop after the last step.
                Ok(_) => assert_eq!(cut, 9),
                Err(other) => panic!("{other}"),
            }
        }
        let outcome = run(folder.path(), &Session::default(), Duration::MAX, 0).unwrap();
        assert_equal(folder.path(), &outcome, &reference);
    }
}

#[test]
fn killed_trainings_end_like_the_unbroken_one() {
    let reference = unbroken();
    // With a checkpoint at every step, and with none but that of an earlier cancellation: then the log is ahead of
    // the checkpoint and must be cut back.
    for (every, first, death) in [
        (Duration::ZERO, None, 5),
        (Duration::MAX, Some(2), 6),
        (Duration::MAX, None, 4),
    ] {
        let folder = tempfile::tempdir().unwrap();
        if let Some(cut) = first {
            let session = session_that(After::Cancel(cut));
            assert!(run(folder.path(), &session, every, 0).is_err());
        }
        let session = session_that(After::Die(death));
        let died = catch_unwind(AssertUnwindSafe(|| run(folder.path(), &session, every, 0)));
        assert!(died.is_err());
        let outcome = run(folder.path(), &Session::default(), every, 0).unwrap();
        assert_equal(folder.path(), &outcome, &reference);
    }
}

#[test]
fn a_finished_training_is_read_back() {
    let reference = unbroken();
    let session = session_that(After::Die(1));
    let again = run(reference.0.path(), &session, Duration::MAX, 0).unwrap();
    assert_equal(reference.0.path(), &again, &reference);
}

#[test]
fn another_training_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let session = session_that(After::Cancel(2));
    assert!(run(folder.path(), &session, Duration::MAX, 0).is_err());
    let error = run(folder.path(), &Session::default(), Duration::MAX, 1).unwrap_err();
    assert!(error.to_string().contains("another training"), "{error}");
    run(folder.path(), &Session::default(), Duration::MAX, 0).unwrap();
    assert!(run(folder.path(), &Session::default(), Duration::MAX, 1).is_err());
}
