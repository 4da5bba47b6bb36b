//! ADE20K as the scene-parsing challenge publishes it (Zhou et al., CVPR 2017; `ADEChallengeData2016`):
//! `images/{training,validation}/*.jpg`, `annotations/{training,validation}/*.png`. In the files 0 is void and 1 to 150
//! are classes, which become 0 to 149 here. Names and the stuff column come from `objectInfo150.txt`; scene categories,
//! where `sceneCategories.txt` exists, are the attribute `scene`.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::{ClassId, ClassInfo, ClassKind, ClassTable, Error, IGNORE, Result};

use super::voc2012::palette;
use crate::files::{Coding, InstanceCode, LabelCode, Limits, PairDataset, pair};
use crate::{DataSpec, OpenOptions};

const CLASSES: usize = 150;

/// Opens both splits, or the one that exists.
///
/// # Errors
/// If a folder is missing or empty, an image has no annotation, or the class list is not 150 lines of
/// `Idx Ratio Train Val Stuff Name`.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let root = spec.path()?;
    let mut records = Vec::new();
    for split in ["training", "validation"] {
        let images = root.join("images").join(split);
        if images.is_dir() {
            let masks = root.join("annotations").join(split);
            records.extend(pair(split, &images, &masks, str::to_owned)?);
        }
    }
    if records.is_empty() {
        return Err(Error::input(root, "this is no ADE20K folder")
            .with_hint("it holds images/training, annotations/training, objectInfo150.txt"));
    }
    let scenes = root.join("sceneCategories.txt");
    if scenes.is_file() {
        let text = options.limits.read_text(&scenes)?;
        let by_stem: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|l| l.trim().split_once(' '))
            .collect();
        for record in &mut records {
            if let Some(scene) = by_stem.get(record.id.stem()) {
                record
                    .attributes
                    .insert("scene".to_owned(), (*scene).to_owned());
            }
        }
    }
    let ids = (0..CLASSES as u16).map(|id| (id + 1, id as ClassId));
    let coding = Coding {
        classes: class_table(&root.join("objectInfo150.txt"), &options.limits)?,
        channels: 3,
        labels: LabelCode::Ids(ids.chain([(0, IGNORE)]).collect()),
        instances: InstanceCode::default(),
    };
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}

/// Reads `objectInfo150.txt`. The first of a class's synonyms is its name; where two classes share it, the second takes
/// all of its synonyms.
fn class_table(path: &Path, limits: &Limits) -> Result<ClassTable> {
    let text = limits.read_text(path)?;
    let mut classes: Vec<ClassInfo> = Vec::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, l)| !l.trim().is_empty())
    {
        // Five numbers, then a name that holds commas and spaces.
        let mut rest = line.trim();
        let mut fields = Vec::new();
        for _ in 0..5 {
            let (field, tail) = rest
                .split_once(char::is_whitespace)
                .ok_or_else(|| Error::input(path, format!("line {} is too short", number + 1)))?;
            fields.push(field);
            rest = tail.trim_start();
        }
        if fields[0] != (classes.len() + 1).to_string() || rest.is_empty() {
            return Err(Error::input(
                path,
                format!(
                    "line {} is not class {} as `Idx Ratio Train Val Stuff Name`",
                    number + 1,
                    classes.len() + 1
                ),
            ));
        }
        let first = rest.split([',', ';']).next().unwrap_or(rest).trim();
        let taken = classes.iter().any(|c| c.name == first);
        classes.push(ClassInfo {
            name: if taken { rest } else { first }.to_owned(),
            colour: palette(classes.len() as u8 + 1),
            kind: if fields[4] == "1" {
                ClassKind::Stuff
            } else {
                ClassKind::Thing
            },
        });
    }
    if classes.len() != CLASSES {
        return Err(Error::input(
            path,
            format!("{} classes, {CLASSES} were expected", classes.len()),
        ));
    }
    Ok(ClassTable::new(classes))
}
