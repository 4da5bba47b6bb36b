//! Readers of published layouts on small data sets in the true layout, made by `fixtures/readers/make.py` with code and
//! label tables that are not ours.
#![expect(clippy::unwrap_used, reason = "a test stops where its fixture fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redmask_core::{ClassKind, Sample, SegDataset};
use redmask_data::{OpenOptions, open};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/readers")
}

fn expected(name: &str) -> Value {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all[name].take()
}

fn opened(reader: &str, folder: &str, query: &str) -> Arc<dyn SegDataset> {
    let spec = format!("{reader}:{}{query}", fixtures().join(folder).display());
    open(&spec.parse().unwrap(), &OpenOptions::default()).unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    let list = value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"));
    list.iter().map(|v| v.as_i64().unwrap()).collect()
}

fn wide<T: Copy + Into<i64>>(data: &[T]) -> Vec<i64> {
    data.iter().map(|&v| v.into()).collect()
}

fn names(data: &dyn SegDataset) -> Vec<&str> {
    let classes = data.class_table().classes();
    classes.iter().map(|c| c.name.as_str()).collect()
}

fn name_list(expected: &Value) -> Vec<&str> {
    let list = expected["names"].as_array().unwrap();
    list.iter().map(|name| name.as_str().unwrap()).collect()
}

/// Checks identity, groups, size, labels and instances of every record, and hands each to `more` with what is expected.
fn check(data: &dyn SegDataset, expected: &Value, more: impl Fn(&Sample, &Value)) {
    let records = expected["records"].as_object().unwrap();
    let ids: Vec<String> = (0..data.len())
        .map(|i| data.id(i).as_str().to_owned())
        .collect();
    let mut sorted = ids.clone();
    sorted.sort();
    let wanted: Vec<&String> = records.keys().collect();
    assert_eq!(sorted.iter().collect::<Vec<_>>(), wanted);
    for (index, id) in ids.iter().enumerate() {
        let (sample, wanted) = (data.sample(index).unwrap(), &records[id]);
        assert_eq!(sample.group.0, wanted["group"].as_str().unwrap(), "{id}");
        let size = if wanted["size"].is_null() {
            &expected["size"]
        } else {
            &wanted["size"]
        };
        assert_eq!(
            [sample.labels.height() as i64, sample.labels.width() as i64],
            numbers(size)[..],
            "{id}"
        );
        assert_eq!(
            wide(sample.labels.data()),
            numbers(&wanted["labels"]),
            "{id}"
        );
        if !wanted["instances"].is_null() {
            let instances = sample.instances.as_ref().unwrap();
            assert_eq!(
                wide(instances.data()),
                numbers(&wanted["instances"]),
                "{id}"
            );
        }
        more(&sample, wanted);
    }
}

/// A picture of one colour that went through a JPEG.
fn one_tone(sample: &Sample, wanted: &Value) {
    let plane = sample.labels.data().len();
    for (channel, tone) in sample
        .image
        .data()
        .chunks_exact(plane)
        .zip(numbers(&wanted["tone"]))
    {
        for &v in channel {
            assert!(
                (i64::from(v) - tone).abs() <= 3,
                "{}: {v} is not {tone}",
                sample.id
            );
        }
    }
}

#[test]
fn cityscapes_maps_34_label_ids_to_19_classes() {
    let (data, expected) = (
        opened("cityscapes", "cityscapes", ""),
        expected("cityscapes"),
    );
    assert_eq!(names(&*data), name_list(&expected));
    check(&*data, &expected, |sample, wanted| {
        assert_eq!(wide(sample.image.data()), numbers(&wanted["image"]));
        assert_eq!(sample.attributes["city"], sample.group.0);
    });
    assert_eq!(opened("cityscapes", "cityscapes", "?splits=val").len(), 1);
}

#[test]
fn voc_reads_palette_files_and_ignores_borders() {
    let (data, expected) = (opened("voc2012", "voc", ""), expected("voc"));
    assert_eq!(names(&*data), name_list(&expected));
    for (class, colour) in data
        .class_table()
        .classes()
        .iter()
        .zip(expected["colours"].as_array().unwrap())
    {
        assert_eq!(wide(&class.colour), numbers(colour), "{}", class.name);
    }
    check(&*data, &expected, one_tone);
    // The folder inside the development kit's, and one list of it.
    let inner = opened("voc2012", "voc/VOC2012", "?splits=val");
    assert_eq!((inner.len(), inner.id(0).as_str()), (1, "val/2007_000033"));
}

#[test]
fn ade20k_takes_zero_for_void() {
    let (data, expected) = (opened("ade20k", "ade20k", ""), expected("ade20k"));
    assert_eq!(names(&*data), name_list(&expected));
    let stuff: Vec<i64> = (0..150)
        .filter(|&c| data.class_table().classes()[c as usize].kind == ClassKind::Stuff)
        .collect();
    assert_eq!(stuff, numbers(&expected["stuff"]));
    check(&*data, &expected, |sample, wanted| {
        one_tone(sample, wanted);
        assert_eq!(
            sample.attributes["scene"],
            wanted["attributes"]["scene"].as_str().unwrap()
        );
    });
}

#[test]
fn msd_liver_turns_every_orientation_and_applies_the_slope() {
    let expected = expected("msd-liver");
    let data = opened("msd-liver", "msd-liver", "?slices=all&tumour=class");
    assert_eq!(names(&*data), name_list(&expected));
    check(&*data, &expected, |sample, wanted| {
        for (&grey, wanted) in sample.image.data().iter().zip(numbers(&wanted["image"])) {
            // Halves may round either way.
            assert!(
                (i64::from(grey) - wanted).abs() <= 1,
                "{}: {grey}, {wanted}",
                sample.id
            );
        }
    });
}

#[test]
fn msd_liver_keeps_slices_with_liver_and_merges_the_tumour() {
    let expected = expected("msd-liver");
    let records = expected["records"].as_object().unwrap();
    let with_liver = records.values().filter(|r| r["liver"] == true).count();
    assert!(with_liver < records.len(), "some slice is empty");
    let data = opened("msd-liver", "msd-liver", "");
    assert_eq!(data.len(), with_liver);
    assert_eq!(names(&*data), ["background", "liver"]);
    for index in 0..data.len() {
        let sample = data.sample(index).unwrap();
        let wanted: Vec<i64> = numbers(&records[sample.id.as_str()]["labels"])
            .into_iter()
            .map(|label| label.min(1))
            .collect();
        assert_eq!(wide(sample.labels.data()), wanted, "{}", sample.id);
    }
}
