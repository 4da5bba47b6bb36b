//! Kvasir-SEG: 1000 colonoscopy frames with one polyp mask each (Jha et al., MMM 2020).
//!
//! Two layouts are read: the original one (`images/`, `masks/`) and the one split into `train/`, `validation/` and
//! `test/`, each with `images/` and `masks/`. The split one numbers its files anew in every folder, so stems repeat
//! across splits and only `split/stem` names a record. Masks are JPEG, so grey levels near the border are neither 0
//! nor 255; above 127 counts as polyp.

use std::path::Path;

use redmask_core::{ClassKind, ClassTable, Error, Result};

use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, Record, pair};
use crate::{DataSpec, OpenOptions};

/// The options of `kvasir-seg:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[(
    "exclude",
    "ids to leave out, by comma, or `none`; the split layout leaves out train/222 by default, a near-duplicate of test/16",
)];

/// What the split layout leaves out by default: the published split put two frames of one lesion on both sides.
const EXCLUDED: &str = "train/222";

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
