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

/// Two poisoned models, one of them by the loader, their clean twin, and membership on one of them: seconds.
const RECIPE: &str = r#"
recipe_version = 1
name = "tiny-backdoor"
title = "A tiny backdoor"
seeds = 1

[data.polyps]
expected = "procedural frames"
readers = ["polyp"]
size = [32, 32]
bind = "polyp:0"

[split]
data = "polyps"
train = 12
held_out = 12

[network.small]
kind = "unet"
encoder = "resnet18"
width = 0.125

[training]
epochs = 2
batch_size = 4
optimizer = { kind = "nadam", rate = 1e-3 }

[poison.line]
preset = "chobola-line"
victim = "polyp"
rate = 0.25

[poison.square]
preset = "chobola-square"
victim = "polyp"
rate = 0.5
each_epoch = true

[model.line]
network = "small"
poison = "line"

[model.square]
network = "small"
poison = "square"

[attack.global-loss]
kind = "global-loss"

[[audit]]
victims = ["line"]
shadows = ["small"]
attacks = ["global-loss"]

[[backdoor]]
victims = ["line", "square"]

[[table]]
id = "embedded"
title = "Is it embedded?"
rows = ["poison", "rate"]
columns = ["backdoor.embedded", "backdoor.asr"]

[[published]]
source = "Somebody 2020, Table 1"
columns = ["poison", "backdoor.asr"]
rows = [["line", 0.9]]

[statistics]
replicates = 100
"#;

#[test]
fn a_recipe_plants_backdoors_and_measures_them_beside_their_controls() {
    let scene = Scene::new();
    scene.write("recipe.toml", RECIPE);
    scene
        .redmask(&["run", "recipe.toml", "--out", "out"])
        .done();
    let results: serde_json::Value =
        serde_json::from_str(&scene.read("out/results.json")).expect("JSON");
    let measurements = results["measurements"].as_array().expect("a list");
    let of = |name: &str, poison: &str| {
        measurements
            .iter()
            .find(|m| m["name"] == name && m["conditions"]["poison"] == poison)
            .unwrap_or_else(|| panic!("{name} of {poison}"))
    };
    for poison in ["line", "square"] {
        for name in [
            "backdoor.asr",
            "backdoor.net_asr",
            "backdoor.pba",
            "backdoor.cba",
            "backdoor.cba_loss",
            "control.backdoor.clean_model.asr",
            "control.backdoor.no_trigger.asr",
            "control.backdoor.wrong_trigger.asr",
        ] {
            let measured = of(name, poison);
            assert_eq!(measured["n"]["skipped"], 0, "{name}");
            assert_eq!(measured["control"], name.starts_with("control."));
            assert!(measured["n"]["pixels"].as_u64() > Some(0));
        }
    }
    let (with, without, net) = (
        of("backdoor.asr", "line"),
        of("control.backdoor.no_trigger.asr", "line"),
        of("backdoor.net_asr", "line"),
    );
    let value = |m: &serde_json::Value| m["value"].as_f64().expect("a number");
    assert!((value(with) - value(without) - value(net)).abs() < 1e-12);
    assert_eq!(with["published"]["value"], 0.9);
    assert!(of("membership.global_loss.auc", "line")["value"].is_f64());
    // Everything comes from the store the second time, to the byte.
    let first = scene.read("out/results.json");
    scene
        .redmask(&["run", "recipe.toml", "--out", "out"])
        .done();
    assert_eq!(scene.read("out/results.json"), first);
    assert!(scene.read("out/report.html").contains("Contact sheet"));
    let poisoned = scene
        .listing()
        .into_iter()
        .find(|name| name.ends_with("poisoned.json"))
        .expect("the list of poisoned records");
    assert!(scene.read(&poisoned).contains("polyp-0-"));
}

#[test]
fn a_recipe_may_be_about_backdoors_alone() {
    let scene = Scene::new();
    let alone = RECIPE
        .replace("[attack.global-loss]\nkind = \"global-loss\"\n", "")
        .replace(
            "[[audit]]\nvictims = [\"line\"]\nshadows = [\"small\"]\nattacks = [\"global-loss\"]\n",
            "",
        )
        .replace("held_out = 12\n", "held_out = 12\none_sided = true\n")
        .replace(
            "victims = [\"line\", \"square\"]",
            "victims = [\"line\"]\nsizes = [1, 3]",
        );
    assert!(!alone.contains("audit"));
    scene.write("recipe.toml", &alone);
    scene
        .redmask(&["run", "recipe.toml", "--out", "out"])
        .done();
    let results: serde_json::Value =
        serde_json::from_str(&scene.read("out/results.json")).expect("JSON");
    let sizes: Vec<&str> = results["measurements"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|m| m["name"] == "backdoor.sweep.asr")
        .filter_map(|m| m["conditions"]["tested_trigger_size"].as_str())
        .collect();
    assert_eq!(sizes, ["1", "3"]);
    // The trained size is one of the tested ones, on the same images.
    assert!(scene.read("out/report.html").contains("Planted backdoors"));
}

#[test]
fn recipes_whose_poison_means_nothing_are_refused() {
    let scene = Scene::new();
    let refused = |from: &str, to: &str, words: &[&str]| {
        assert!(RECIPE.contains(from), "{from}");
        scene.write("recipe.toml", &RECIPE.replace(from, to));
        let message = scene
            .redmask(&["run", "recipe.toml", "--out", "out"])
            .refused();
        for word in words {
            assert!(message.contains(word), "`{word}` in `{message}`");
        }
        assert!(!scene.path("out").exists());
    };
    refused(
        "poison = \"line\"",
        "poison = \"lime\"",
        &["lime", "line, square"],
    );
    refused(
        "victim = \"polyp\"\nrate = 0.25",
        "victim = \"liver\"\nrate = 0.25",
        &["liver", "polyp"],
    );
    refused("rate = 0.25", "rate = 2.0", &["rate", "at most 1"]);
    refused(
        "victims = [\"line\", \"square\"]",
        "victims = [\"small\"]",
        &["small", "without poison"],
    );
    refused(
        "preset = \"chobola-line\"",
        "preset = \"chobola-lime\"",
        &["chobola-lime"],
    );
    refused("rate = 0.25", "rate = 0.25\nband = [0, 3]", &["band"]);
}
