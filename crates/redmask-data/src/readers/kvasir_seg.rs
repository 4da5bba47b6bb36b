//! Kvasir-SEG: 1000 colonoscopy frames with one polyp mask each (Jha et al., MMM 2020).
//!
//! Two layouts are read: the original one (`images/`, `masks/`) and the one split into `train/`, `validation/` and
//! `test/`, each with `images/` and `masks/`. The split one numbers its files anew in every folder, so stems repeat
//! across splits and only `split/stem` names a record. Masks are JPEG, so grey levels near the border are neither 0
//! nor 255; above 127 counts as polyp.
//!
//! The set has no patient ids. What is known of its near-duplicates in the split layout is `TWINS`: each pair is one
//! group, so that no split of ours puts one frame among the members and its twin among the non-members. The original
//! layout names its files otherwise; `redmask data check` finds its pairs.

use std::path::Path;

use redmask_core::{ClassKind, ClassTable, Error, GroupId, Result};

use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, Record, pair};
use crate::{DataSpec, OpenOptions};

/// The options of `kvasir-seg:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[(
    "exclude",
    "ids to leave out, by comma, or `none`; the split layout leaves out train/222 by default, a near-duplicate of test/16",
)];

/// What the split layout leaves out by default: the published split put two frames of one lesion on both sides.
const EXCLUDED: &str = "train/222";

/// Pairs of frames of the split layout that show one lesion within seconds, of which the first gives the group its
/// name. Perceptual hashes find them among the 499 500 pairs: `redmask data check` with its default limits, five at the
/// files' own sizes, the sixth (33 and 453) at 64 x 64. Looked at side by side, four are one frame saved twice, with
/// masks drawn by different hands; 33 and 453, and 460 and 532, are seconds apart. A membership bit that differs within a
/// pair is noise: the record that the model did not see is one that it did see.
const TWINS: [(&str, &str); 6] = [
    ("test/16", "train/222"),
    ("train/33", "train/453"),
    ("train/300", "train/667"),
    ("train/459", "train/620"),
    ("train/460", "train/532"),
    ("train/510", "train/593"),
];

const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// Opens either layout.
///
/// # Errors
/// If the folder has neither layout, an image has no mask, or `exclude` names a record that does not exist.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let root = spec.path()?;
    let split_layout = SPLITS.iter().any(|split| root.join(split).is_dir());
    let mut records = Vec::new();
    if split_layout {
        for split in SPLITS.iter().filter(|split| root.join(split).is_dir()) {
            records.extend(folder_pair(split, &root.join(split))?);
        }
        for record in &mut records {
            let twin = TWINS.iter().find(|(_, b)| *b == record.id.as_str());
            if let Some((first, _)) = twin {
                record.group = GroupId((*first).to_owned());
            }
        }
    } else if root.join("images").is_dir() {
        records = folder_pair("all", root)?;
    } else {
        return Err(Error::input(root, "this is no Kvasir-SEG folder")
            .with_hint("it holds `images` and `masks`, or `train`, `validation` and `test` with these in each"));
    }
    match spec.options.get("exclude").map(String::as_str) {
        None if split_layout => records.retain(|r| r.id.as_str() != EXCLUDED),
        None | Some("none" | "") => {}
        Some(ids) => {
            for id in ids.split(',') {
                let before = records.len();
                records.retain(|r| r.id.as_str() != id);
                if records.len() == before {
                    return Err(Error::config(
                        "exclude",
                        format!("there is no record `{id}`"),
                    ));
                }
            }
        }
    }
    let coding = Coding {
        classes: ClassTable::from_rows(&[
            ("background", [0, 0, 0], ClassKind::Stuff),
            ("polyp", [240, 228, 66], ClassKind::Thing),
        ]),
        channels: 3,
        labels: LabelCode::Threshold(127),
        instances: InstanceCode::default(),
    };
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}

fn folder_pair(split: &str, folder: &Path) -> Result<Vec<Record>> {
    pair(
        split,
        &folder.join("images"),
        &folder.join("masks"),
        str::to_owned,
    )
}
