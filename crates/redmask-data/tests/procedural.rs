//! What procedural data promise beyond looking right: scenes that repeat by seed, and seeds that do not repeat each other.
#![expect(clippy::unwrap_used, reason = "a test stops where its scene fails")]

use std::collections::BTreeSet;
use std::sync::Arc;

use redmask_core::{SegDataset, Session};
use redmask_data::{CheckOptions, OpenOptions, check, near_duplicates_between, open};

const SCENERIES: [&str; 2] = ["street", "polyp"];

fn scenes(scenery: &str, seed: u64, count: usize, side: usize) -> Arc<dyn SegDataset> {
    let spec = format!("{scenery}:{seed}?count={count}");
    let options = OpenOptions {
        size: Some((side, side)),
        ..OpenOptions::default()
    };
    open(&spec.parse().unwrap(), &options).unwrap()
}

#[test]
fn no_scene_of_one_seed_looks_like_one_of_another() {
    let (options, session) = (CheckOptions::default(), Session::default());
    for scenery in SCENERIES {
        let [a, b] = [0, 1].map(|seed| scenes(scenery, seed, 250, 48));
        let across = near_duplicates_between(&*a, &*b, &options, &session).unwrap();
        assert!(across.is_empty(), "{scenery}: {across:?}");
        let within = check(&*a, &options, &session).unwrap();
        assert!(within.near_duplicates.is_empty(), "{scenery}: {within:?}");
    }
}

#[test]
fn a_scene_depends_on_its_seed_and_index_alone() {
    for scenery in SCENERIES {
        let few = scenes(scenery, 3, 5, 40);
        let many = scenes(scenery, 3, 9, 40);
        assert_eq!(few.sample(4).unwrap(), many.sample(4).unwrap());
        let other = scenes(scenery, 4, 5, 40).sample(4).unwrap();
        assert_ne!(few.sample(4).unwrap().image, other.image);
    }
}

#[test]
fn every_class_is_common_and_attributes_vary() {
    let street = scenes("street", 0, 120, 64);
    let report = check(&*street, &CheckOptions::default(), &Session::default()).unwrap();
    assert!(report.classes.len() >= 8);
    for class in &report.classes {
        assert!(
            class.share > 0.008 && class.records >= 60,
            "{}: {:.4} of the pixels, in {} of 120 scenes",
            class.name,
            class.share,
            class.records
        );
    }
    for (attribute, values) in [("weather", 5), ("time", 4), ("city", 4)] {
        let seen: BTreeSet<String> = (0..60)
            .map(|i| street.sample(i).unwrap().attributes[attribute].clone())
            .collect();
        assert_eq!(seen.len(), values, "{attribute}: {seen:?}");
    }
    let instances = (0..20).map(|i| street.sample(i).unwrap().instances.unwrap());
    let most = instances.map(|map| map.data().iter().copied().max().unwrap());
    assert!(
        most.max().unwrap() >= 6,
        "cars, people and signs are counted"
    );
}
