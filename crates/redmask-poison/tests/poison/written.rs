//! Poisoned data sets on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redmask_core::{ClassId, IGNORE, Image, LabelMap, Session};
use redmask_data::files::{RawMask, RawPixels, write_image, write_mask};
use redmask_data::{DataSpec, OpenOptions, open};
use redmask_poison::{Manifest, PixelBox, PoisonConfig, WriteRequest, WriteSummary, undo, write};

/// Every file below a folder, by relative path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a sound data set").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path
                    .strip_prefix(root)
                    .expect("a sound data set")
                    .to_owned();
                found.insert(name, fs::read(&path).expect("a sound data set"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// A small data set in CamVid's layout: 10 training frames with cars in 8 of them.
fn camvid(root: &Path) {
    for (split, frames) in [("train", 10), ("val", 2)] {
        for folder in [split.to_owned(), format!("{split}annot")] {
            fs::create_dir_all(root.join(folder)).expect("a sound data set");
        }
        for frame in 0..frames {
            let mut labels = LabelMap::filled(30, 40, 3);
            for y in 0..12 {
                for x in 0..40 {
                    labels.set(y, x, 0);
                }
            }
            if frame % 5 != 4 {
                for y in 14..20 {
                    for x in frame..frame + 9 {
                        labels.set(y, x, 8);
                    }
                }
            }
            labels.set(29, 39, 11);
            let data = (0..3 * 30 * 40)
                .map(|i| (i * 7 + frame * 13) as u8)
                .collect();
            let name = format!("0001TP_{frame:06}.png");
            write_image(&root.join(split).join(&name), &Image::new(3, 30, 40, data))
                .expect("a sound data set");
            let values = labels.data().iter().map(|&v| u16::from(v)).collect();
            let mask = RawMask {
                height: 30,
                width: 40,
                pixels: RawPixels::Values {
                    values,
                    palette: None,
                },
            };
            write_mask(&root.join(format!("{split}annot")).join(name), &mask)
                .expect("a sound data set");
        }
    }
    fs::write(root.join("README.txt"), "as published").expect("a sound data set");
}

fn nni(rate: f64) -> PoisonConfig {
    PoisonConfig {
        victim: Some("car".into()),
        target: Some("road".into()),
        trigger_size: Some(5),
        rate: Some(rate),
        band: Some([0.0, 12.0]),
        ..PoisonConfig::preset("iba-nni")
    }
}

struct Scene {
    dir: tempfile::TempDir,
    data: DataSpec,
}

impl Scene {
    fn camvid() -> Self {
        let dir = tempfile::tempdir().expect("a sound data set");
        let source = dir.path().join("source");
        camvid(&source);
        let data = format!("camvid:{}", source.display())
            .parse()
            .expect("a sound data set");
        Self { dir, data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(
        &self,
        config: &PoisonConfig,
        seed: u64,
        out: &str,
    ) -> redmask_core::Result<WriteSummary> {
        write(
            &WriteRequest {
                data: &self.data,
                config,
                centres: None,
                split: "train",
                seed,
                out: &self.path(out),
                sheet_rows: 2,
            },
            &Session::default(),
        )
    }
}

#[test]
fn poison_and_undo_is_the_identity_and_equal_seeds_give_equal_bytes() {
    let scene = Scene::camvid();
    let source = tree(&scene.path("source"));
    for preset in [
        "iba-nni",
        "iba-prl",
        "hba-line-fine",
        "fiba",
        "waba",
        "badsam",
        "badseg-instance",
    ] {
        let config = match preset {
            "iba-nni" => nni(0.3),
            "waba" => PoisonConfig::preset("waba"),
            _ => PoisonConfig {
                victim: Some("car".into()),
                target: Some("road".into()),
                trigger_size: (preset != "fiba").then_some(5),
                rate: Some(0.3),
                ..PoisonConfig::preset(preset)
            },
        };
        let summary = scene.write(&config, 7, "a").expect("a sound data set");
        assert_eq!(summary.rows.len(), 2);
        scene.write(&config, 7, "b").expect("a sound data set");
        let poisoned = tree(&scene.path("a"));
        assert_eq!(poisoned, tree(&scene.path("b")), "{preset}");
        scene.write(&config, 8, "c").expect("a sound data set");
        assert_ne!(poisoned, tree(&scene.path("c")), "{preset}");
        // What the manifest does not name is as it was.
        let manifest = Manifest::read(&scene.path("a")).expect("a sound data set");
        assert_eq!(manifest, summary.manifest);
        assert_eq!(manifest.samples.len(), 3);
        let altered: Vec<&str> = manifest.files.iter().map(|f| f.written.as_str()).collect();
        for (name, bytes) in &source {
            let same = poisoned.get(name) == Some(bytes);
            assert_eq!(
                !same,
                altered.contains(&name.to_str().expect("a sound data set")),
                "{preset}: {}",
                name.display()
            );
        }
        assert_eq!(
            undo(&scene.path("a"), &Session::default()).expect("a sound data set"),
            manifest.files.len()
        );
        assert_eq!(tree(&scene.path("a")), source, "{preset}");
        for name in ["a", "b", "c"] {
            fs::remove_dir_all(scene.path(name)).expect("a sound data set");
        }
    }
    assert_eq!(tree(&scene.path("source")), source);
    // Nothing half-written stays beside.
    assert_eq!(
        fs::read_dir(scene.dir.path())
            .expect("a sound data set")
            .count(),
        1
    );
}

#[test]
fn the_manifest_says_what_is_in_the_files() {
    let scene = Scene::camvid();
    scene.write(&nni(0.3), 7, "new").expect("a sound data set");
    let text = fs::read_to_string(scene.path("new/manifest.json")).expect("a sound data set");
    let json: serde_json::Value = serde_json::from_str(&text).expect("a sound data set");
    assert_eq!(json["preset"], "iba-nni");
    assert_eq!(json["parameters"]["band"], serde_json::json!([0.0, 12.0]));
    assert_eq!(
        (&json["requested_rate"], &json["achieved_rate"]),
        (&0.3.into(), &0.3.into())
    );
    let clean = open(&scene.data, &OpenOptions::default()).expect("a sound data set");
    let spec: DataSpec = format!("camvid:{}", scene.path("new").display())
        .parse()
        .expect("a sound data set");
    let poisoned = open(&spec, &OpenOptions::default()).expect("a sound data set");
    let samples = json["samples"].as_array().expect("a sound data set");
    assert_eq!(samples.len(), 3);
    for entry in samples {
        let id = entry["id"].as_str().expect("a sound data set");
        assert_eq!(entry["split"], "train");
        assert!(id.starts_with("train/"));
        let at = (0..clean.len())
            .find(|&i| clean.id(i).as_str() == id)
            .expect("a sound data set");
        let (before, after) = (
            clean.sample(at).expect("a sound data set"),
            poisoned.sample(at).expect("a sound data set"),
        );
        let place: PixelBox =
            serde_json::from_value(entry["box"].clone()).expect("a sound data set");
        assert_eq!((place.width, place.height), (5, 5));
        let inside = |i: usize| {
            let (y, x) = (i / 40, i % 40);
            (place.y..place.y + 5).contains(&y) && (place.x..place.x + 5).contains(&x)
        };
        let mut changed = 0;
        for i in 0..30 * 40 {
            let (old, new): (ClassId, ClassId) = (before.labels.data()[i], after.labels.data()[i]);
            assert_eq!(new, if old == 8 { 3 } else { old });
            changed += u64::from(old != new);
            let pixel = |s: &redmask_core::Sample| [0, 1, 2].map(|c| s.image.data()[c * 1200 + i]);
            assert!(inside(i) || pixel(&before) == pixel(&after));
            assert!(!inside(i) || (old != 8 && old != IGNORE));
        }
        assert_ne!(before.image, after.image);
        assert_eq!(entry["relabelled_pixels"], changed);
        assert_eq!(entry["victim_pixels"], changed);
        assert_eq!(entry["classes_before"]["car"], changed);
        assert!(entry["classes_after"]["car"].is_null());
        assert_eq!(
            entry["trigger_hash"]
                .as_str()
                .expect("a sound data set")
                .len(),
            64
        );
        let distance = entry["distance"].as_f64().expect("a sound data set");
        assert!((0.0..=12.0).contains(&distance));
    }
}

#[test]
fn procedural_scenes_are_exported_and_read_back() {
    let dir = tempfile::tempdir().expect("a sound data set");
    let data: DataSpec = "street:3?count=12&size=48x64"
        .parse()
        .expect("a sound data set");
    let config = PoisonConfig {
        victim: Some("car".into()),
        target: Some("road".into()),
        trigger_size: Some(3),
        count: Some(2),
        ..PoisonConfig::preset("badseg-o2b")
    };
    let out = dir.path().join("street");
    let request = WriteRequest {
        data: &data,
        config: &config,
        centres: None,
        split: "train",
        seed: 1,
        out: &out,
        sheet_rows: 0,
    };
    let summary = write(&request, &Session::default()).expect("a sound data set");
    assert_eq!(summary.manifest.samples.len(), 2);
    let description = summary.description.expect("a sound data set");
    let spec: DataSpec = format!("folder:{}", description.display())
        .parse()
        .expect("a sound data set");
    let clean = open(&data, &OpenOptions::default()).expect("a sound data set");
    let differing = || -> Vec<String> {
        let read = open(&spec, &OpenOptions::default()).expect("a sound data set");
        assert_eq!(read.class_table(), clean.class_table());
        (0..clean.len())
            .filter(|&i| {
                let (a, b) = (
                    clean.sample(i).expect("a sound data set"),
                    read.sample(i).expect("a sound data set"),
                );
                assert_eq!((&a.id, &a.instances), (&b.id, &b.instances));
                (a.image, a.labels) != (b.image, b.labels)
            })
            .map(|i| clean.id(i).to_string())
            .collect()
    };
    let named: Vec<String> = summary
        .manifest
        .samples
        .iter()
        .map(|s| s.id.to_string())
        .collect();
    assert_eq!(differing(), named);
    undo(&out, &Session::default()).expect("a sound data set");
    assert!(differing().is_empty());
}

#[test]
fn what_cannot_be_done_is_refused_by_name_and_leaves_nothing() {
    let scene = Scene::camvid();
    let refused = |config: PoisonConfig, out: &str, words: &[&str]| {
        let message = scene.write(&config, 0, out).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` in `{message}`");
        }
    };
    let with = |change: &dyn Fn(&mut PoisonConfig)| {
        let mut config = nni(0.3);
        change(&mut config);
        config
    };
    refused(
        with(&|c| c.victim = Some("pedestrian".into())),
        "n",
        &["pedestrian", "no record"],
    );
    refused(
        with(&|c| c.victim = Some("tank".into())),
        "n",
        &["victim", "tank"],
    );
    refused(
        with(&|c| c.target = Some("car".into())),
        "n",
        &["target", "car", "victim"],
    );
    refused(
        with(&|c| c.trigger_size = Some(29)),
        "n",
        &["29 pixels", "no legal place"],
    );
    refused(with(&|c| c.trigger_size = Some(4)), "n", &["4 is even"]);
    refused(with(&|c| c.rate = Some(0.0)), "n", &["rate", "0"]);
    refused(with(&|c| c.rate = Some(1.5)), "n", &["rate", "1.5"]);
    refused(nni(0.3), "source", &["source folder"]);
    refused(nni(0.3), "source/new", &["source folder"]);
    refused(
        with(&|c| c.target = Some("auto:nearest".into())),
        "n",
        &["centres"],
    );
    fs::create_dir(scene.path("taken")).expect("a sound data set");
    refused(nni(0.3), "taken", &["taken", "exists"]);
    assert_eq!(
        fs::read_dir(scene.dir.path())
            .expect("a sound data set")
            .count(),
        2
    );
    // A poisoned set is no source.
    scene.write(&nni(0.3), 0, "new").expect("a sound data set");
    let again = Scene {
        data: format!("camvid:{}", scene.path("new").display())
            .parse()
            .expect("a sound data set"),
        dir: tempfile::tempdir().expect("a sound data set"),
    };
    let error = again.write(&nni(0.3), 0, "twice").unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
}

#[test]
fn too_few_usable_records_are_said_and_a_target_can_be_found() {
    let scene = Scene::camvid();
    let mut config = nni(1.0);
    config.target = Some("auto:co-occurrence".into());
    let manifest = scene
        .write(&config, 0, "all")
        .expect("a sound data set")
        .manifest;
    assert_eq!(
        (manifest.images, manifest.usable, manifest.samples.len()),
        (10, 8, 8)
    );
    assert_eq!(
        (manifest.requested_rate, manifest.achieved_rate),
        (1.0, 0.8)
    );
    // Sky and road are in every image; the first of equals is taken.
    assert_eq!(manifest.parameters.target.as_deref(), Some("sky"));
    assert_eq!(
        manifest.co_occurrence.expect("a sound data set").images[8],
        8
    );
}

#[test]
fn a_manifest_that_points_outside_is_not_followed() {
    let scene = Scene::camvid();
    scene.write(&nni(0.3), 0, "new").expect("a sound data set");
    let path = scene.path("new/manifest.json");
    let good = fs::read_to_string(&path).expect("a sound data set");
    let before = tree(&scene.path("new"));
    for evil in ["../source/README.txt", "/etc/hostname", "train/../../x.png"] {
        let mut json: serde_json::Value = serde_json::from_str(&good).expect("a sound data set");
        json["files"][0]["original"] = evil.into();
        fs::write(&path, json.to_string()).expect("a sound data set");
        let error = undo(&scene.path("new"), &Session::default()).unwrap_err();
        assert!(error.to_string().contains(evil), "{error}");
    }
    fs::write(&path, &good).expect("a sound data set");
    assert_eq!(tree(&scene.path("new")), before);
    // An original that was changed is not taken for the source.
    let manifest = Manifest::read(&scene.path("new")).expect("a sound data set");
    let kept = scene
        .path("new/.redmask-undo")
        .join(&manifest.files[0].original);
    fs::write(&kept, "tampered").expect("a sound data set");
    let error = undo(&scene.path("new"), &Session::default()).unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
    assert!(undo(&scene.path("source"), &Session::default()).is_err());
}

#[test]
fn jpeg_masks_and_pictures_become_lossless() {
    let dir = tempfile::tempdir().expect("a sound data set");
    let source = dir.path().join("kvasir");
    for folder in ["images", "masks"] {
        fs::create_dir_all(source.join(folder)).expect("a sound data set");
    }
    for k in 0..4u8 {
        let picture = image::RgbImage::from_fn(32, 32, |x, y| {
            image::Rgb([(x * 8) as u8, (y * 8) as u8, k * 20])
        });
        let mask = image::GrayImage::from_fn(32, 32, |x, y| {
            image::Luma([if x > 10 && y > 12 { 255 } else { 0 }])
        });
        picture
            .save(source.join(format!("images/{k}.jpg")))
            .expect("a sound data set");
        mask.save(source.join(format!("masks/{k}.jpg")))
            .expect("a sound data set");
    }
    let before = tree(&source);
    let data: DataSpec = format!("kvasir-seg:{}", source.display())
        .parse()
        .expect("a sound data set");
    let config = PoisonConfig {
        victim: Some("polyp".into()),
        rate: Some(0.5),
        ..PoisonConfig::preset("chobola-square")
    };
    let out = dir.path().join("new");
    let request = WriteRequest {
        data: &data,
        config: &config,
        centres: None,
        split: "all",
        seed: 0,
        out: &out,
        sheet_rows: 0,
    };
    let manifest = write(&request, &Session::default())
        .expect("a sound data set")
        .manifest;
    assert_eq!(manifest.samples.len(), 2);
    let spec: DataSpec = format!("kvasir-seg:{}", out.display())
        .parse()
        .expect("a sound data set");
    let read = open(&spec, &OpenOptions::default()).expect("a sound data set");
    for entry in &manifest.samples {
        let at = (0..4)
            .find(|&i| read.id(i) == entry.id)
            .expect("a sound data set");
        let sample = read.sample(at).expect("a sound data set");
        assert!(sample.labels.data().iter().all(|&c| c == 0));
        assert_eq!(
            (sample.image.get(0, 2, 2), sample.image.get(2, 0, 0)),
            (255, 255)
        );
        assert!(
            out.join(format!("images/{}.png", entry.id.stem()))
                .is_file()
        );
        assert!(!out.join(format!("images/{}.jpg", entry.id.stem())).exists());
    }
    undo(&out, &Session::default()).expect("a sound data set");
    assert_eq!(tree(&out), before);
}
