//! Random label maps made of blobs, and tables for them.

use proptest::prelude::*;
use redmask_core::{
    ClassKind, ClassTable, GroupId, Image, InstanceMap, LabelMap, Sample, SampleId,
};

/// Four classes; `car` is the usual victim.
pub(crate) fn table() -> ClassTable {
    ClassTable::from_rows(&[
        ("road", [128, 64, 128], ClassKind::Stuff),
        ("sky", [70, 130, 180], ClassKind::Stuff),
        ("car", [0, 0, 142], ClassKind::Thing),
        ("person", [220, 20, 60], ClassKind::Thing),
    ])
}

pub(crate) const CAR: u8 = 2;

/// A scene of rectangles over two halves, some of them ignored.
pub(crate) fn labels() -> impl Strategy<Value = LabelMap> {
    let blob = (
        0usize..40,
        0usize..40,
        1usize..14,
        1usize..14,
        prop_oneof![
            3 => Just(CAR),
            1 => Just(3u8),
            1 => Just(0u8),
            1 => Just(255u8),
        ],
    );
    (12usize..40, 12usize..40, prop::collection::vec(blob, 1..6)).prop_map(|(h, w, blobs)| {
        let mut map = LabelMap::filled(h, w, 0);
        for y in 0..h / 2 {
            for x in 0..w {
                map.set(y, x, 1);
            }
        }
        for (top, left, height, width, class) in blobs {
            for y in top.min(h - 1)..(top + height).min(h) {
                for x in left.min(w - 1)..(left + width).min(w) {
                    map.set(y, x, class);
                }
            }
        }
        map
    })
}

/// A record with this annotation and a picture that shows it.
pub(crate) fn sample(labels: LabelMap, instances: Option<InstanceMap>) -> Sample {
    let (h, w) = (labels.height(), labels.width());
    let plane = |c: u32| {
        let pixels = labels.data().iter().enumerate();
        pixels.map(move |(i, &l)| (u32::from(l) * 40 + i as u32 * 7 + c * 31) as u8)
    };
    let data: Vec<u8> = (0..3).flat_map(plane).collect();
    Sample {
        id: SampleId::new("train", "scene"),
        group: GroupId("scene".into()),
        image: Image::new(3, h, w, data),
        labels,
        instances,
        attributes: std::collections::BTreeMap::new(),
    }
}
