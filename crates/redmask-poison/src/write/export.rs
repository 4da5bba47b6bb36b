//! Procedural scenes as files that the `folder` reader reads.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use redmask_core::{ClassKind, Error, Result, SegDataset, Session};
use redmask_data::files::{RawMask, RawPixels, write_image, write_mask};

/// The description file.
pub(super) const DESCRIPTION: &str = "dataset.toml";

/// Writes every record below `target`: `SPLIT/images`, `SPLIT/labels`, `SPLIT/instances`, and the description, whose path
/// comes back.
pub(super) fn scenes(
    dataset: &dyn SegDataset,
    target: &Path,
    session: &Session,
) -> Result<PathBuf> {
    let mut splits: Vec<String> = Vec::new();
    for i in 0..dataset.len() {
        let split = dataset.id(i).split().to_owned();
        if !splits.contains(&split) {
            splits.push(split);
        }
    }
    let has_instances = dataset.sample(0)?.instances.is_some();
    let mut kinds = vec!["images", "labels"];
    kinds.extend(has_instances.then_some("instances"));
    for split in &splits {
        for kind in &kinds {
            let folder = target.join(split).join(kind);
            fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "creating", e))?;
        }
    }
    let task = Mutex::new(
        session
            .progress
            .start("export", dataset.len() as u64, "image"),
    );
    (0..dataset.len())
        .into_par_iter()
        .map(|index| {
            session.cancel.check()?;
            let sample = dataset.sample(index)?;
            let path = |kind: &str| {
                let folder = target.join(sample.id.split()).join(kind);
                folder.join(format!("{}.png", sample.id.stem()))
            };
            let mask = |values: Vec<u16>| RawMask {
                height: sample.labels.height(),
                width: sample.labels.width(),
                pixels: RawPixels::Values {
                    values,
                    palette: None,
                },
            };
            write_image(&path("images"), &sample.image)?;
            let labels = sample.labels.data().iter().map(|&c| u16::from(c));
            write_mask(&path("labels"), &mask(labels.collect()))?;
            if let Some(instances) = &sample.instances {
                write_mask(&path("instances"), &mask(instances.data().to_vec()))?;
            }
            if let Ok(mut task) = task.lock() {
                task.advance(1);
            }
            Ok(())
        })
        .collect::<Vec<Result<()>>>()
        .into_iter()
        .collect::<Result<()>>()?;
    let path = target.join(DESCRIPTION);
    let text = description(dataset, &splits, has_instances);
    fs::write(&path, text).map_err(|e| Error::io(&path, "writing", e))?;
    Ok(path)
}

fn description(dataset: &dyn SegDataset, splits: &[String], has_instances: bool) -> String {
    let names: Vec<String> = splits.iter().map(|s| format!("{s:?}")).collect();
    let mut text = format!(
        "images = \"{{split}}/images\"\nmasks = \"{{split}}/labels\"\nsplits = [{}]\nchannels = {}\n",
        names.join(", "),
        dataset.channels()
    );
    if has_instances {
        text.push_str("instances = \"{split}/instances\"\n");
    }
    text.push_str("\n[labels]\ncode = \"ids\"\nignore = [255]\n");
    for class in dataset.class_table().classes() {
        let [r, g, b] = class.colour;
        let kind = match class.kind {
            ClassKind::Thing => "thing",
            ClassKind::Stuff => "stuff",
        };
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "\n[[classes]]\nname = {:?}\ncolour = \"#{r:02x}{g:02x}{b:02x}\"\nkind = \"{kind}\"\n",
            class.name
        );
    }
    text
}
