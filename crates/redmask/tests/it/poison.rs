//! `redmask poison` and its undoing.

use std::fs;
use std::path::Path;

use crate::scene::Scene;

/// A clean data set on disk, made by poisoning procedural scenes and taking the poison back.
fn clean(scene: &Scene) {
    let made = [
        "poison",
        "--data",
        "street:5?count=16&size=48x64",
        "--preset",
        "badseg-o2b",
        "--victim",
        "car",
        "--target",
        "road",
        "--trigger-size",
        "3",
        "--count",
        "1",
        "--out",
        "clean",
    ];
    scene.redmask(&made).done();
    scene.redmask(&["poison", "--undo", "clean"]).done();
}

const NNI: [&str; 17] = [
    "poison",
    "--data",
    "driving=folder:clean/dataset.toml",
    "--preset",
    "iba-nni",
    "--victim",
    "car",
    "--target",
    "road",
    "--rate",
    "0.25",
    "--trigger-size",
    "3",
    "--seed",
    "7",
    "--out",
    "new",
];

fn contents(scene: &Scene, folder: &str) -> Vec<(String, Vec<u8>)> {
    let all = scene.listing().into_iter();
    all.filter(|name| name.starts_with(&format!("{folder}/")))
        .filter(|name| scene.path(name).is_file())
        .map(|name| {
            let bytes = fs::read(scene.path(&name)).expect("a file");
            (name[folder.len()..].to_owned(), bytes)
        })
        .collect()
}

#[test]
fn a_data_set_is_poisoned_described_and_restored() {
    let scene = Scene::new();
    clean(&scene);
    let text = scene
        .redmask(&[&NNI[..], &["--preview", "sheet.png"]].concat())
        .done();
    assert!(
        text.starts_with("4 of 16 images of `train` poisoned: rate 0.2500"),
        "{text}"
    );
    assert!(scene.path("sheet.png").is_file());
    let manifest: serde_json::Value =
        serde_json::from_str(&scene.read("new/manifest.json")).expect("JSON");
    assert_eq!(manifest["samples"].as_array().map(Vec::len), Some(4));
    assert_eq!(manifest["parameters"]["trigger_size"], 3);
    // The machine-readable output is the manifest.
    let again = [&NNI[..16], &["again", "--format", "json"]].concat();
    let printed: serde_json::Value =
        serde_json::from_str(&scene.redmask(&again).done()).expect("JSON");
    assert_eq!(printed, manifest);
    assert_eq!(contents(&scene, "new"), contents(&scene, "again"));
    scene.redmask(&["poison", "--undo", "new"]).done();
    assert_eq!(contents(&scene, "new"), contents(&scene, "clean"));
    let message = scene.redmask(&["poison", "--undo", "new"]).refused();
    assert!(message.contains("manifest.json"), "{message}");
}

#[test]
fn bad_input_is_refused_by_name_and_leaves_nothing() {
    let scene = Scene::new();
    clean(&scene);
    let before = scene.listing();
    let with = |key: &str, value: &str| -> Vec<String> {
        let mut args: Vec<String> = NNI.iter().map(|a| (*a).to_owned()).collect();
        let at = args
            .iter()
            .position(|a| a == key)
            .expect("a flag of the command");
        args[at + 1] = value.to_owned();
        args
    };
    for (key, value, words) in [
        ("--victim", "tank", &["victim", "tank", "person"][..]),
        ("--target", "car", &["target", "victim class"]),
        ("--trigger-size", "47", &["47", "no legal place"]),
        ("--trigger-size", "8", &["8 is even", "7 or 9"]),
        ("--rate", "0", &["rate", "above 0"]),
        ("--rate", "1.2", &["rate", "at most 1"]),
        ("--out", "clean", &["clean", "source folder"]),
        ("--out", "clean/deeper", &["source folder"]),
        ("--out", "nowhere/new", &["nowhere"]),
        ("--preset", "iba-mni", &["iba-mni", "iba-nni"]),
        ("--data", "driving=folder:missing.toml", &["missing.toml"]),
    ] {
        let args = with(key, value);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let message = scene.redmask(&args).refused();
        for word in words {
            assert!(
                message.contains(word),
                "{key} {value}: `{word}` in `{message}`"
            );
        }
        assert_eq!(scene.listing(), before, "{key} {value}");
    }
    let split = [&NNI[..], &["--split", "test"]].concat();
    assert!(scene.redmask(&split).refused().contains("train"));
    assert!(!Path::new(&scene.path("new")).exists());
}

#[test]
fn presets_are_listed() {
    let listed = Scene::new().redmask(&["poison", "--list"]).done();
    assert!(listed.contains("iba-nni") && listed.contains("badseg-conditional"));
    assert!(listed.lines().count() >= 22);
}
