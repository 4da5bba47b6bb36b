//! Cityscapes, fine annotations (Cordts et al., CVPR 2016): `leftImg8bit/<split>/<city>/*_leftImg8bit.png` with
//! `gtFine/<split>/<city>/*_gtFine_labelIds.png` and `*_gtFine_instanceIds.png`.
//!
//! The 34 label ids become the 19 train ids of the benchmark; every other id is ignored. Where only
//! `*_gtFine_labelTrainIds.png` exists, that is read. Instance ids are kept as stored (`label id * 1000 + number`);
//! things in a crowd, whose id is below 1000, have none. Frames of one city are one group.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::{ClassId, ClassKind, ClassTable, Error, GroupId, IGNORE, Result, SampleId};

use super::subfolders;
use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, Record, images_in};
use crate::{DataSpec, OpenOptions};

/// The options of `cityscapes:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[(
    "splits",
    "by comma, default train,val: the annotations of test are withheld and hold no class",
)];

/// (label id, name, colour, kind) of the train ids in order, as `cityscapesscripts.helpers.labels` lists them.
const CLASSES: [(u16, &str, [u8; 3], ClassKind); 19] = [
    (7, "road", [128, 64, 128], ClassKind::Stuff),
    (8, "sidewalk", [244, 35, 232], ClassKind::Stuff),
    (11, "building", [70, 70, 70], ClassKind::Stuff),
    (12, "wall", [102, 102, 156], ClassKind::Stuff),
    (13, "fence", [190, 153, 153], ClassKind::Stuff),
    (17, "pole", [153, 153, 153], ClassKind::Stuff),
    (19, "traffic light", [250, 170, 30], ClassKind::Stuff),
    (20, "traffic sign", [220, 220, 0], ClassKind::Stuff),
    (21, "vegetation", [107, 142, 35], ClassKind::Stuff),
    (22, "terrain", [152, 251, 152], ClassKind::Stuff),
    (23, "sky", [70, 130, 180], ClassKind::Stuff),
    (24, "person", [220, 20, 60], ClassKind::Thing),
    (25, "rider", [255, 0, 0], ClassKind::Thing),
    (26, "car", [0, 0, 142], ClassKind::Thing),
    (27, "truck", [0, 0, 70], ClassKind::Thing),
    (28, "bus", [0, 60, 100], ClassKind::Thing),
    (31, "train", [0, 80, 100], ClassKind::Thing),
    (32, "motorcycle", [0, 0, 230], ClassKind::Thing),
    (33, "bicycle", [119, 11, 32], ClassKind::Thing),
];

/// Highest label id.
const LABEL_IDS: u16 = 33;

const IMAGE_SUFFIX: &str = "_leftImg8bit";

/// Opens the splits that are asked for.
///
/// # Errors
/// If a folder is missing or empty, an image has no annotation, or label ids and train ids are mixed.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let root = spec.path()?;
    let splits = spec
        .options
        .get("splits")
        .map_or("train,val", String::as_str);
    let mut records = Vec::new();
    let mut train_ids = None;
    for split in splits.split(',') {
        let images = root.join("leftImg8bit").join(split);
        for city in subfolders(&images)? {
            let masks = root.join("gtFine").join(split).join(&city);
            city_records(
                split,
                &city,
                &images.join(&city),
                &masks,
                &mut train_ids,
                &mut records,
            )?;
        }
    }
    let ignored = |id: &u16| CLASSES.iter().all(|(class, ..)| class != id);
    let labels = if train_ids == Some(true) {
        LabelCode::plain(CLASSES.len(), &[u16::from(IGNORE)])
    } else {
        let classes = CLASSES
            .iter()
            .enumerate()
            .map(|(id, (label, ..))| (*label, id as ClassId));
        let void = (0..=LABEL_IDS).filter(ignored).map(|id| (id, IGNORE));
        LabelCode::Ids(classes.chain(void).collect())
    };
    let rows: Vec<_> = CLASSES
        .iter()
        .map(|&(_, name, colour, kind)| (name, colour, kind))
        .collect();
    let coding = Coding {
        classes: ClassTable::from_rows(&rows),
        channels: 3,
        labels,
        instances: InstanceCode {
            lowest: 1000,
            void: None,
        },
    };
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}

fn city_records(
    split: &str,
    city: &str,
    images: &Path,
    masks: &Path,
    train_ids: &mut Option<bool>,
    records: &mut Vec<Record>,
) -> Result<()> {
    let annotations = images_in(masks)?;
    for (stem, image) in images_in(images)? {
        let Some(frame) = stem.strip_suffix(IMAGE_SUFFIX) else {
            return Err(Error::input(
                &image,
                format!("the name does not end in `{IMAGE_SUFFIX}`"),
            ));
        };
        let find = |kind: &str| annotations.get(&format!("{frame}_gtFine_{kind}"));
        let (mask, of_train_ids) = match (find("labelIds"), find("labelTrainIds")) {
            (Some(mask), _) => (mask, false),
            (None, Some(mask)) => (mask, true),
            (None, None) => {
                return Err(Error::input(
                    &image,
                    format!(
                        "its annotation `{frame}_gtFine_labelIds.png` is missing in {}",
                        masks.display()
                    ),
                ));
            }
        };
        if *train_ids.get_or_insert(of_train_ids) != of_train_ids {
            return Err(Error::input(
                mask,
                "some annotations are label ids, others train ids",
            ));
        }
        let mut record = Record::new(SampleId::new(split, frame), image, mask.clone());
        record.group = GroupId(city.to_owned());
        record.instances = find("instanceIds").cloned();
        record.attributes = BTreeMap::from([("city".to_owned(), city.to_owned())]);
        records.push(record);
    }
    Ok(())
}
