//! CamVid in SegNet's form: 701 frames of four drives, 480x360, 11 classes (Brostow et al., 2009; Badrinarayanan et
//! al., 2017). Folders `train`, `val`, `test` hold images, `trainannot` and so on id PNGs; id 11 is void.
//!
//! Frames of one drive follow each other, at one second or less, also across the published splits. They are grouped into
//! blocks of ten consecutive frames of a drive, `0016E5:block-03`; the drive is the group's stratum. Two blocks still
//! touch, so `boundary=drop` leaves out the first and last frame of each block.

use std::collections::BTreeMap;

use redmask_core::{ClassKind, ClassTable, Error, GroupId, Result};

use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, Record, pair};
use crate::{DataSpec, OpenOptions};

/// The options of `camvid:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[(
    "boundary",
    "`keep` (default) or `drop` the frames at the borders of the blocks that are groups",
)];

/// Frames in a group.
const BLOCK: usize = 10;

const VOID: u16 = 11;

/// The 11 classes; the position is the id in the files.
const CLASSES: [(&str, [u8; 3], ClassKind); 11] = [
    ("sky", [128, 128, 128], ClassKind::Stuff),
    ("building", [128, 0, 0], ClassKind::Stuff),
    ("pole", [192, 192, 128], ClassKind::Thing),
    ("road", [128, 64, 128], ClassKind::Stuff),
    ("pavement", [60, 40, 222], ClassKind::Stuff),
    ("tree", [128, 128, 0], ClassKind::Stuff),
    ("sign", [192, 128, 128], ClassKind::Thing),
    ("fence", [64, 64, 128], ClassKind::Stuff),
    ("car", [64, 0, 128], ClassKind::Thing),
    ("pedestrian", [64, 64, 0], ClassKind::Thing),
    ("bicyclist", [0, 128, 192], ClassKind::Thing),
];

/// Opens the three splits, or those that exist.
///
/// # Errors
/// If there is none, an image has no mask, or a file name is not `DRIVE_FRAME`.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let root = spec.path()?;
    let drop_boundary = match spec.options.get("boundary").map(String::as_str) {
        None | Some("keep") => false,
        Some("drop") => true,
        Some(other) => {
            return Err(Error::config(
                "boundary",
                format!("`{other}` is neither keep nor drop"),
            ));
        }
    };
    let mut records = Vec::new();
    for split in ["train", "val", "test"] {
        if root.join(split).is_dir() {
            let masks = root.join(format!("{split}annot"));
            records.extend(pair(split, &root.join(split), &masks, str::to_owned)?);
        }
    }
    if records.is_empty() {
        return Err(Error::input(root, "this is no CamVid folder")
            .with_hint("it holds `train`, `trainannot`, `val`, `valannot`, `test`, `testannot`"));
    }
    let kept = group_by_block(&mut records)?;
    if drop_boundary {
        let mut inside = kept.into_iter();
        records.retain(|_| inside.next().unwrap_or(true));
    }
    let coding = Coding {
        classes: ClassTable::from_rows(&CLASSES),
        channels: 3,
        labels: LabelCode::plain(CLASSES.len(), &[VOID]),
        instances: InstanceCode::default(),
    };
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}

/// Sets groups and the attribute `drive`; says of each record whether it lies inside its block.
fn group_by_block(records: &mut [Record]) -> Result<Vec<bool>> {
    let mut drives: BTreeMap<String, Vec<(u64, usize)>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        let stem = record.id.stem();
        let named = stem.rsplit_once('_').and_then(|(drive, frame)| {
            let digits = frame.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits.parse::<u64>().ok().map(|frame| (drive, frame))
        });
        let Some((drive, frame)) = named else {
            return Err(Error::input(&record.image, "the name is not DRIVE_FRAME"));
        };
        drives
            .entry(drive.to_owned())
            .or_default()
            .push((frame, index));
    }
    let mut inside = vec![true; records.len()];
    for (drive, mut frames) in drives {
        frames.sort_unstable();
        let count = frames.len();
        for (position, (_, index)) in frames.into_iter().enumerate() {
            let first = position % BLOCK == 0 && position > 0;
            let last = position % BLOCK == BLOCK - 1 && position + 1 < count;
            inside[index] = !first && !last;
            records[index].group = GroupId(format!("{drive}:block-{:02}", position / BLOCK));
            records[index]
                .attributes
                .insert("drive".to_owned(), drive.clone());
        }
    }
    Ok(inside)
}
