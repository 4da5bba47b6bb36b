//! Real data sets, found through `REDMASK_DATA`, the folder that holds `kvasir-seg`, `camvid` and `nuclei`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where its fixture fails, and a skip must be seen"
)]

use std::path::PathBuf;
use std::sync::Arc;

use redmask_core::{IGNORE, SampleId, Seed, SegDataset, Session};
use redmask_data::{CachedDataset, CheckOptions, GroupSplit, OpenOptions, check, open, stratum};

/// The folder of real data, or `None` after saying that the test does not run.
fn data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("REDMASK_DATA").map(|root| PathBuf::from(root).join(name));
    if found.is_none() {
        eprintln!("SKIPPED: REDMASK_DATA is not set, {name} was not read");
    }
    found
}

fn opened(
    reader: &str,
    folder: &str,
    query: &str,
    size: Option<(usize, usize)>,
) -> Option<Arc<dyn SegDataset>> {
    let spec = format!("{reader}:{}{query}", data(folder)?.display());
    let options = OpenOptions {
        size,
        ..OpenOptions::default()
    };
    Some(open(&spec.parse().unwrap(), &options).unwrap())
}

#[test]
fn kvasir_seg_has_999_records_and_a_thousand_on_request() {
    let Some(data) = opened("kvasir-seg", "kvasir-seg", "", Some((64, 64))) else {
        return;
    };
    assert_eq!(data.len(), 999);
    assert!((0..data.len()).all(|i| data.id(i).as_str() != "train/222"));
    let all = opened("kvasir-seg", "kvasir-seg", "?exclude=none", None).unwrap();
    assert_eq!(all.len(), 1000);
    assert_ne!(all.fingerprint(), data.fingerprint());
    let decoded = CachedDataset::load(&*data, &Session::default()).unwrap();
    let polyp: usize = decoded
        .samples()
        .iter()
        .map(|s| {
            s.labels
                .data()
                .iter()
                .map(|&c| usize::from(c == 1))
                .sum::<usize>()
        })
        .sum();
    let share = polyp as f64 / (999.0 * 64.0 * 64.0);
    assert!((0.13..0.18).contains(&share), "polyp share {share}");
}

#[test]
fn kvasir_seg_keeps_its_twins_in_one_group() {
    let Some(data) = opened("kvasir-seg", "kvasir-seg", "", Some((64, 64))) else {
        return;
    };
    let report = check(&*data, &CheckOptions::default(), &Session::default()).unwrap();
    assert_eq!(
        report.groups, 994,
        "999 records, five of them twins of others"
    );
    assert!(
        report.near_duplicates.is_empty(),
        "{:?}",
        report.near_duplicates
    );
    assert!(report.suggested_groups.is_empty() && report.splits_are_apart());

    // With the record that the default leaves out, its group is in two published splits.
    let all = opened("kvasir-seg", "kvasir-seg", "?exclude=none", Some((64, 64))).unwrap();
    let report = check(&*all, &CheckOptions::default(), &Session::default()).unwrap();
    assert_eq!(report.groups, 994);
    assert!(
        report.near_duplicates.is_empty(),
        "{:?}",
        report.near_duplicates
    );
    let leaking: Vec<&str> = report
        .leaking_groups
        .iter()
        .map(|g| g.group.0.as_str())
        .collect();
    assert_eq!(leaking, ["test/16"]);
}

/// The split layout's training folder, opened as the original layout is: stems say nothing there, so the check must
/// find the twins and say what to group.
#[test]
fn a_check_suggests_the_groups_of_kvasir_segs_twins() {
    let Some(data) = opened("kvasir-seg", "kvasir-seg/train", "", Some((64, 64))) else {
        return;
    };
    let report = check(&*data, &CheckOptions::default(), &Session::default()).unwrap();
    let suggested: Vec<Vec<&str>> = report
        .suggested_groups
        .iter()
        .map(|set| set.iter().map(SampleId::stem).collect())
        .collect();
    assert_eq!(
        suggested,
        [
            ["300", "667"],
            ["33", "453"],
            ["459", "620"],
            ["460", "532"],
            ["510", "593"]
        ]
    );
    assert_eq!(report.near_duplicates.len(), 5);
}

#[test]
fn camvid_has_three_splits_in_blocks() {
    let Some(data) = opened("camvid", "camvid", "", None) else {
        return;
    };
    let count = |split: &str| {
        (0..data.len())
            .filter(|&i| data.id(i).split() == split)
            .count()
    };
    assert_eq!(
        [count("train"), count("val"), count("test")],
        [367, 101, 233]
    );
    let sample = data.sample(0).unwrap();
    assert_eq!((sample.image.height(), sample.image.width()), (360, 480));
    assert!(sample.labels.data().iter().all(|&c| c < 11 || c == IGNORE));
    let dropped = opened("camvid", "camvid", "?boundary=drop", None).unwrap();
    assert!((550..580).contains(&dropped.len()), "{}", dropped.len());

    let split = GroupSplit::new([("a", 200), ("b", 200)])
        .stratified()
        .draw(&*dropped, &Seed::root(0))
        .unwrap();
    for drive in ["0001TP", "0006R0", "0016E5", "Seq05VD"] {
        let share = |part: &str| {
            let indices = split.part(part).unwrap();
            indices
                .iter()
                .filter(|&&i| stratum(&dropped.group(i)) == drive)
                .count() as f64
                / 200.0
        };
        assert!((share("a") - share("b")).abs() < 0.05, "{drive}");
    }
}

#[test]
fn nuclei_have_instances() {
    let Some(data) = opened("nuclei", "nuclei", "", None) else {
        return;
    };
    assert_eq!(data.len(), 641);
    let sample = data.sample(0).unwrap();
    let instances = sample.instances.unwrap();
    assert!(instances.data().iter().max().unwrap() > &1);
    for (&instance, &class) in instances.data().iter().zip(sample.labels.data()) {
        assert_eq!(instance > 0, class == 1);
    }
}
