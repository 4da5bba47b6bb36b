//! Two seeds of a procedural data set are one distribution: nothing that sees records but no model tells them apart.
#![expect(clippy::unwrap_used, reason = "a test stops where its scene fails")]

use std::sync::Arc;

use redmask_attacks::controls::{BlindConfig, blind};
use redmask_core::{Seed, SegDataset, Session};
use redmask_data::{OpenOptions, open};

fn scenes(scenery: &str, seed: u64) -> Arc<dyn SegDataset> {
    let options = OpenOptions {
        size: Some((48, 48)),
        ..OpenOptions::default()
    };
    open(
        &format!("{scenery}:{seed}?count=100").parse().unwrap(),
        &options,
    )
    .unwrap()
}

#[test]
fn a_blind_classifier_cannot_tell_two_seeds_apart() {
    let config = BlindConfig {
        permutations: 199,
        ..BlindConfig::default()
    };
    for scenery in ["street", "polyp"] {
        // A 95 % interval misses 0.5 once in twenty draws; these ten are fixed by their seeds.
        let mut covered = 0;
        let mut mean = 0.0;
        for pair in 0..10 {
            let (a, b) = (scenes(scenery, 2 * pair), scenes(scenery, 2 * pair + 1));
            let outcome = blind(&*a, &*b, &config, Seed::root(pair), &Session::default()).unwrap();
            covered += u32::from(outcome.auc.covers(0.5));
            mean += outcome.auc.value / 10.0;
        }
        assert!(
            covered >= 8,
            "{scenery}: {covered} of 10 intervals cover 0.5"
        );
        assert!((0.46..0.54).contains(&mean), "{scenery}: mean AUC {mean}");
    }
}

/// The other way round: the same control does tell one kind of weather from all kinds.
#[test]
fn a_blind_classifier_sees_a_shift_of_the_distribution() {
    let all = scenes("street", 0);
    let options = OpenOptions {
        size: Some((48, 48)),
        ..OpenOptions::default()
    };
    let night = open(&"street:1?count=100&time=night".parse().unwrap(), &options).unwrap();
    let outcome = blind(
        &*all,
        &*night,
        &BlindConfig::default(),
        Seed::root(0),
        &Session::default(),
    )
    .unwrap();
    assert!(outcome.beats_chance(), "{:?}", outcome.auc);
}
