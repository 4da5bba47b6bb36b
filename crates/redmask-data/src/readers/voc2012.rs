//! PASCAL VOC 2012 segmentation (Everingham et al., IJCV 2015): `JPEGImages/`, `SegmentationClass/` and
//! `SegmentationObject/` as palette PNGs, lists in `ImageSets/Segmentation/`. The folder may be `VOC2012` or
//! `VOCdevkit` above it. Indices are classes; 255, the border around objects, is ignored.

use std::path::Path;

use redmask_core::{ClassInfo, ClassKind, ClassTable, Error, IGNORE, Result, SampleId};

use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, Record};
use crate::{DataSpec, OpenOptions};

/// The options of `voc2012:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[(
    "splits",
    "lists in ImageSets/Segmentation by comma, default train,val",
)];

const CLASSES: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
];

/// The colour of an index in VOC's palette: the index's bits, dealt in turn to red, green and blue from the top.
pub(crate) fn palette(index: u8) -> [u8; 3] {
    let mut colour = [0u8; 3];
    for bit in 0..8 {
        let shift = 7 - bit / 3;
        colour[bit % 3] |= (index >> bit & 1) << shift;
    }
    colour
}

/// Opens the lists that are asked for.
///
/// # Errors
/// If a list is missing or empty, or a listed record lacks its picture or its mask.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let given = spec.path()?;
    let inner = given.join("VOC2012");
    let root = if inner.is_dir() {
        inner
    } else {
        given.to_owned()
    };
    let splits = spec
        .options
        .get("splits")
        .map_or("train,val", String::as_str);
    let mut records = Vec::new();
    for split in splits.split(',') {
        let list = root
            .join("ImageSets/Segmentation")
            .join(format!("{split}.txt"));
        let text = options.limits.read_text(&list)?;
        let before = records.len();
        for stem in text.lines().map(str::trim).filter(|stem| !stem.is_empty()) {
            records.push(record(&root, &list, split, stem)?);
        }
        if records.len() == before {
            return Err(Error::input(&list, "the list is empty"));
        }
    }
    let classes = CLASSES
        .iter()
        .enumerate()
        .map(|(id, name)| ClassInfo {
            name: (*name).to_owned(),
            colour: palette(id as u8),
            kind: if id == 0 {
                ClassKind::Stuff
            } else {
                ClassKind::Thing
            },
        })
        .collect();
    let void = u16::from(IGNORE);
    let coding = Coding {
        classes: ClassTable::new(classes),
        channels: 3,
        labels: LabelCode::plain(CLASSES.len(), &[void]),
        instances: InstanceCode {
            lowest: 1,
            void: Some(void),
        },
    };
    PairDataset::new(root, records, coding, options.limits)
}

fn record(root: &Path, list: &Path, split: &str, stem: &str) -> Result<Record> {
    if stem.contains(['/', '\\']) {
        return Err(Error::input(list, format!("`{stem}` is no file name")));
    }
    let file =
        |folder: &str, extension: &str| root.join(folder).join(format!("{stem}.{extension}"));
    let existing = |path: std::path::PathBuf| {
        if path.is_file() {
            Ok(path)
        } else {
            Err(Error::input(
                &path,
                format!("the file is missing, {} names it", list.display()),
            ))
        }
    };
    let mut record = Record::new(
        SampleId::new(split, stem),
        // A picture that was altered without loss stands under the same stem.
        existing(file("JPEGImages", "jpg"))
            .or_else(|e| existing(file("JPEGImages", "png")).map_err(|_| e))?,
        existing(file("SegmentationClass", "png"))?,
    );
    let objects = file("SegmentationObject", "png");
    record.instances = objects.is_file().then_some(objects);
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_is_vocs() {
        assert_eq!(palette(0), [0, 0, 0]);
        assert_eq!(palette(1), [128, 0, 0]);
        assert_eq!(palette(15), [192, 128, 128]);
        assert_eq!(palette(20), [0, 64, 128]);
        assert_eq!(palette(255), [224, 224, 192]);
    }
}
