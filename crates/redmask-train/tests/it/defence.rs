//! Defences of the training: each resumes bit-equal, does what it says, and refuses what would make it a sham.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use redmask_core::{Error, Result, Seed, SegDataset, Session};
use redmask_nn::network::{NetworkConfig, UnetConfig};
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::state_dict;
use redmask_train::defence::{DefendedOutcome, DefendedSets, TrainingDefence, train_defended};
use redmask_train::{TrainConfig, TrainOutcome, TrainRun};

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
        ..TrainConfig::default()
    }
}

fn defence(text: &str) -> TrainingDefence {
    serde_json::from_str(text).expect("a defence")
}

/// Train, held out, reference: three sets of ten.
fn sets() -> [Discs; 3] {
    [1, 2, 3].map(|seed| Discs::new(10, 32, seed))
}

fn run_on(
    folder: &Path,
    session: &Session,
    defence: &TrainingDefence,
    sets: DefendedSets<'_>,
) -> Result<DefendedOutcome> {
    let device = Device::flex().autodiff();
    let network = defence.architecture(&architecture())?;
    let training = defence.training(&config());
    let teacher = defence.needs_teacher().then(|| {
        let teacher = architecture().init(Seed::root(8), &Device::flex()).unwrap();
        NetworkPredictor::new(architecture(), &teacher, InputScaling::Unit, Device::flex())
    });
    let run = TrainRun {
        checkpoint_every: Duration::MAX,
        ..TrainRun::new(Seed::root(0), folder, session)
    };
    train_defended(
        &network,
        network.init(Seed::root(4), &device)?,
        sets,
        &training,
        defence,
        teacher.as_ref(),
        &run,
    )
}

fn run(folder: &Path, session: &Session, defence: &TrainingDefence) -> Result<DefendedOutcome> {
    let [train, validation, reference] = &sets();
    let sets = DefendedSets {
        train,
        validation: Some(validation),
        reference: Some(reference),
    };
    run_on(folder, session, defence, sets)
}

fn simply(defence: &TrainingDefence) -> Result<DefendedOutcome> {
    run(
        tempfile::tempdir().unwrap().path(),
        &Session::default(),
        defence,
    )
}

fn bits(outcome: &TrainOutcome) -> BTreeMap<String, Vec<u32>> {
    state_dict(&outcome.network)
        .into_iter()
        .map(|(path, v)| (path, v.values.iter().map(|x| x.to_bits()).collect()))
        .collect()
}

const EVERY_KIND: [&str; 12] = [
    r#"{"kind": "crop", "size": [16, 24]}"#,
    r#"{"kind": "crop", "size": [16, 24], "paper_compat": true}"#,
    r#"{"kind": "mix-up"}"#,
    r#"{"kind": "mix-up", "paper_compat": true}"#,
    r#"{"kind": "min-max", "weight": 0.1}"#,
    r#"{"kind": "min-max", "weight": 0.05, "paper_compat": true}"#,
    r#"{"kind": "distillation", "selection": {"kind": "entropy", "share": 0.6}}"#,
    r#"{"kind": "distillation", "selection": {"kind": "all"}, "labels": {"kind": "soft", "temperature": 2.0}}"#,
    r#"{"kind": "dropout", "rate": 0.3}"#,
    r#"{"kind": "weight-decay", "decay": 0.01}"#,
    r#"{"kind": "label-smoothing", "share": 0.2}"#,
    r#"{"kind": "early-stopping", "patience": 5}"#,
];

#[test]
fn interrupted_defences_end_like_the_unbroken_one() {
    let mut seen: Vec<BTreeMap<String, Vec<u32>>> = Vec::new();
    for text in EVERY_KIND {
        let defence = defence(text);
        let reference = simply(&defence)
            .unwrap_or_else(|e| panic!("{text}: {e}"))
            .training;
        // In the first epoch, and again in the second.
        let folder = tempfile::tempdir().unwrap();
        for cut in [1, 3] {
            let session = session_that(After::Cancel(cut));
            let error = run(folder.path(), &session, &defence).unwrap_err();
            assert!(matches!(error, Error::Interrupted), "{text}: {error}");
        }
        let resumed = run(folder.path(), &Session::default(), &defence)
            .unwrap()
            .training;
        assert_eq!(resumed.history, reference.history, "{text}");
        assert!(bits(&resumed) == bits(&reference), "{text}");
        let again = run(folder.path(), &session_that(After::Die(1)), &defence).unwrap();
        assert!(
            bits(&again.training) == bits(&reference),
            "{text}: read back"
        );
        // Every defence does something.
        assert!(!seen.contains(&bits(&reference)), "{text}");
        seen.push(bits(&reference));
    }
}

#[test]
fn the_penalty_takes_from_the_adversary() {
    // With a large weight the network gives the adversary up and segments worse on what it trains on.
    let loss = |text: &str| {
        let outcome = simply(&defence(text)).unwrap().training;
        outcome.history.last().unwrap().train_loss
    };
    let plain = loss(r#"{"kind": "min-max", "weight": 0.0}"#);
    let heavy = loss(r#"{"kind": "min-max", "weight": 100.0}"#);
    assert!(heavy > plain, "{heavy} and {plain}");
}

#[test]
fn the_student_hears_only_what_was_kept() {
    let by_loss = simply(&defence(r#"{"kind": "distillation"}"#)).unwrap();
    let lesson = by_loss.lesson.unwrap();
    assert_eq!(lesson.candidates, 10);
    assert!(
        !lesson.kept.is_empty() && lesson.kept.len() < 10,
        "{lesson:?}"
    );
    let text = r#"{"kind": "distillation", "selection": {"kind": "entropy", "share": 0.4}}"#;
    let by_entropy = simply(&defence(text)).unwrap().lesson.unwrap();
    assert_eq!(by_entropy.kept.len(), 4);
    assert!(by_entropy.kept.is_sorted());
}

#[test]
fn early_stopping_ends_early_and_keeps_the_best_epoch() {
    // Nothing is ever an improvement by this much, so the first epoch stays the best.
    let text = r#"{"kind": "early-stopping", "patience": 1, "least_gain": 10.0}"#;
    let stopped = simply(&defence(text)).unwrap().training;
    assert_eq!(stopped.history.len(), 2);
    let one_epoch = {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig {
            epochs: 1,
            ..config()
        };
        let session = Session::default();
        let run = TrainRun::new(Seed::root(0), folder.path(), &session);
        let network = architecture()
            .init(Seed::root(4), &Device::flex().autodiff())
            .unwrap();
        let [train, ..] = &sets();
        redmask_train::train_segmentation(&architecture(), network, train, None, &config, &run)
            .unwrap()
    };
    assert!(bits(&stopped) == bits(&one_epoch));
}

fn refused(defence: &TrainingDefence, sets: DefendedSets<'_>, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let error = run_on(folder.path(), &Session::default(), defence, sets).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "half-written output");
}

#[test]
fn shams_are_refused_with_the_reason() {
    let [train, validation, reference] = &sets();
    let sound = DefendedSets {
        train,
        validation: Some(validation),
        reference: Some(reference),
    };
    refused(
        &defence(r#"{"kind": "crop", "size": [33, 8]}"#),
        sound,
        "larger than the image",
    );
    let min_max = defence(r#"{"kind": "min-max", "weight": 0.1}"#);
    let without = DefendedSets {
        reference: None,
        ..sound
    };
    refused(&min_max, without, "reference records");
    let overlapping = DefendedSets {
        reference: Some(train),
        ..sound
    };
    refused(&min_max, overlapping, "among the private training records");
    let audited = DefendedSets {
        reference: Some(validation),
        ..sound
    };
    refused(&min_max, audited, "among the held-out records");
    // Frames of one drive on both sides are an overlap too.
    let half = |range: std::ops::Range<usize>| {
        let drive: std::sync::Arc<dyn SegDataset> =
            std::sync::Arc::new(Discs::new(10, 32, 1).in_groups_of(10));
        redmask_core::Subset::new(drive, range.collect()).unwrap()
    };
    let (front, back) = (half(0..5), half(5..10));
    let one_drive = DefendedSets {
        train: &front,
        validation: None,
        reference: Some(&back),
    };
    refused(&min_max, one_drive, "is of group");
    for (text, reason) in [
        (r#"{"kind": "min-max", "weight": -1.0}"#, "weight"),
        (r#"{"kind": "mix-up", "copies": 1}"#, "copies"),
        (r#"{"kind": "early-stopping", "patience": 0}"#, "patience"),
        (r#"{"kind": "dropout", "rate": 1.0}"#, "dropout"),
    ] {
        refused(&defence(text), sound, reason);
    }
    let private = r#"{"kind": "dp-sgd", "privacy": {"budget": {"kind": "noise", "multiplier": 1.0}, "delta": 1e-3}}"#;
    refused(&defence(private), sound, "batch normalisation");
}

#[test]
fn private_training_is_a_defence_like_the_others() {
    let text = r#"{"kind": "dp-sgd", "group_norm": true, "rate": 4e-4,
        "privacy": {"budget": {"kind": "noise", "multiplier": 1.0}, "delta": 1e-3, "secret": "seed"}}"#;
    let outcome = simply(&defence(text)).unwrap();
    let privacy = outcome.privacy.unwrap();
    assert!(privacy.guarantee);
    assert_eq!(privacy.steps, 9);
    assert_eq!(outcome.training.history[0].rate, 4e-4);
}
