//! `redmask audit` and `redmask model inspect` on a model that PyTorch trained and exported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scene::{Ended, Scene};

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit");
    folder.join(name).to_string_lossy().into_owned()
}

/// `discs=folder:FILE@LIST`.
fn records(list: &str) -> String {
    format!(
        "discs=folder:{}@{}",
        fixture("data.toml"),
        fixture(&format!("{list}.txt"))
    )
}

fn audit(scene: &Scene, model: &str, out: &str, more: &[&str]) -> Ended {
    audit_of(scene, model, ["members", "non-members"], out, more)
}

fn audit_of(scene: &Scene, model: &str, lists: [&str; 2], out: &str, more: &[&str]) -> Ended {
    let [members, others] = lists.map(records);
    let mut args = vec![
        "audit",
        "--model",
        model,
        "--members",
        &members,
        "--non-members",
        &others,
        "--out",
        out,
        "--replicates",
        "200",
    ];
    args.extend(more);
    scene.redmask(&args)
}

fn onnx() -> String {
    format!("onnx:{}", fixture("unet.onnx"))
}

fn weights() -> String {
    format!("weights:{}?scaling=imagenet", fixture("unet.safetensors"))
}

fn predictions() -> String {
    format!("predictions:{}", fixture("predictions"))
}

/// Measurements by name and conditions.
fn numbers(scene: &Scene, out: &str) -> BTreeMap<String, f64> {
    let json: Value =
        serde_json::from_str(&scene.read(&format!("{out}/results.json"))).expect("JSON");
    let all = json["measurements"].as_array().expect("a list");
    all.iter()
        .map(|m| {
            let key = format!(
                "{} {}",
                m["name"].as_str().expect("a name"),
                m["conditions"]
            );
            (key, m["value"].as_f64().expect("a number"))
        })
        .collect()
}

fn warnings(scene: &Scene, out: &str) -> Vec<(String, String)> {
    let json: Value =
        serde_json::from_str(&scene.read(&format!("{out}/results.json"))).expect("JSON");
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let all = json["warnings"].as_array().expect("a list");
    all.iter()
        .map(|w| (text(&w["code"]), text(&w["message"])))
        .collect()
}

/// The column of a CSV file, by record.
fn column(scene: &Scene, out: &str, name: &str) -> Vec<f64> {
    let text = scene.read(&format!("{out}/records.csv"));
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let at = head
        .iter()
        .position(|h| *h == name)
        .unwrap_or_else(|| panic!("{name} in {head:?}"));
    lines
        .map(|line| {
            line.split(',')
                .nth(at)
                .expect("a field")
                .parse()
                .expect("a number")
        })
        .collect()
}

#[test]
fn three_forms_of_one_model_give_the_same_numbers() {
    let scene = Scene::new();
    for (model, out) in [
        (onnx(), "onnx"),
        (weights(), "weights"),
        (predictions(), "saved"),
    ] {
        audit(&scene, &model, out, &[]).done();
    }
    let all: Vec<_> = ["onnx", "weights", "saved"]
        .map(|out| numbers(&scene, out))
        .into();
    // Saved answers cannot be asked about other images, and only weights have gradients.
    let common: Vec<&String> = all[2]
        .keys()
        .filter(|key| all[0].contains_key(*key) && all[1].contains_key(*key))
        // An interval for all attacks at once depends on how many there are; a view-averaged score on the views.
        .filter(|key| !key.contains("label_only") && !key.contains("simultaneous"))
        .collect();
    assert!(common.len() > 100, "{}", common.len());
    for key in common {
        let values = [all[0][key], all[1][key], all[2][key]];
        for value in values {
            assert!((value - values[2]).abs() < 1e-4, "{key}: {values:?}");
        }
    }
    let mut farthest = 0.0f64;
    for signal in [
        "loss",
        "dice",
        "margin",
        "hinge",
        "entropy",
        "boundary_loss",
        "mean_iou",
    ] {
        let name = format!("signal.{signal}");
        let reference = column(&scene, "saved", &name);
        for out in ["onnx", "weights"] {
            for (a, b) in column(&scene, out, &name).iter().zip(&reference) {
                farthest = farthest.max((a - b).abs());
            }
        }
    }
    assert!(farthest < 1e-4, "{farthest}");
    // What only some models can be asked is in the results of those, and refused with a reason by the others.
    let has = |i: usize, attack: &str| {
        all[i]
            .keys()
            .any(|key| key.starts_with(&format!("membership.{attack}.auc ")))
    };
    assert!(has(0, "multi_query") && has(1, "multi_query") && !has(2, "multi_query"));
    assert!(!has(0, "gradient_norm") && has(1, "gradient_norm") && !has(2, "gradient_norm"));
    let refused = warnings(&scene, "saved");
    let reason = refused
        .iter()
        .find(|(code, text)| code == "attack-refused" && text.starts_with("gradient_norm"));
    assert!(reason.expect("a reason").1.contains("needs gradients"));
}

#[test]
fn a_memoriser_is_found_and_shuffled_membership_is_not() {
    let scene = Scene::new();
    let gate = ["--fail-if", "membership.*.auc_simultaneous.low > 0.5"];
    let found = audit(&scene, &onnx(), "planted", &gate);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(
        found.stdout.contains("Yes, it leaks") && found.stdout.contains("FAILED"),
        "{}",
        found.stdout
    );
    let shuffled = ["shuffled-members", "shuffled-non-members"];
    let text = audit_of(&scene, &onnx(), shuffled, "shuffled", &gate).done();
    assert!(text.contains("No leak was found"), "{text}");
}

#[test]
fn references_a_population_and_a_null_model_add_their_attacks() {
    let scene = Scene::new();
    let other = format!("weights:{}", fixture("other.safetensors"));
    let population = records("population");
    let more = [
        "--population",
        &population,
        "--scaling",
        "imagenet",
        "--reference-model",
        &other,
        "--null-model",
        &other,
        "--no-requery",
    ];
    // The other model was trained on the population, so it is no fair reference for it; that is for the null control, which
    // looks at members and non-members alone.
    let model = format!("weights:{}", fixture("unet.safetensors"));
    let text = audit(&scene, &model, "out", &more).done();
    assert!(text.contains("RMIA, offline"), "{text}");
    let found = numbers(&scene, "out");
    for name in [
        "membership.attack_p.auc",
        "membership.rmia_offline.auc",
        "membership.difficulty.auc",
        "control.null_victim.threshold_loss.auc",
        "slice.difficulty.auc",
        "slice.outlierness.auc",
        "grain.class.auc",
        "grain.region.auc",
        "segmentation.miou_gap",
        "audit.epsilon_ceiling",
        "membership.threshold_loss.epsilon_lower",
    ] {
        assert!(
            found.keys().any(|key| key.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
    let said = warnings(&scene, "out");
    let lira = said
        .iter()
        .find(|(_, text)| text.starts_with("lira_offline"));
    assert!(
        lira.expect("LiRA is listed").1.contains("at least two"),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|(code, _)| code == "oracle-threshold"),
        "{said:?}"
    );
}

#[test]
fn an_audit_is_resumed_compared_and_not_overwritten() {
    let scene = Scene::new();
    audit(&scene, &predictions(), "a", &[]).done();
    let results = scene.read("a/results.json");
    audit(&scene, &predictions(), "a", &[]).done();
    assert_eq!(scene.read("a/results.json"), results);
    let provenance: Value = serde_json::from_str(&scene.read("a/provenance.json")).expect("JSON");
    let stages = provenance["stages"].as_array().expect("a list");
    assert!(!stages.is_empty() && stages.iter().all(|s| s["cached"] == true));
    let other = audit(&scene, &predictions(), "a", &["--seed", "1"]).refused();
    assert!(other.contains("--force"), "{other}");
    audit(&scene, &onnx(), "b", &["--no-requery", "--threads", "1"]).done();
    let compared = scene.redmask(&["compare", "a", "b"]).done();
    assert!(compared.contains("measurements in both"), "{compared}");
    let report = scene.read("a/report.html");
    assert!(report.contains("Attacks that were not run") && !report.contains("data:image/jpeg"));
}

#[test]
fn a_wrong_normalisation_is_noticed() {
    let scene = Scene::new();
    let model = format!("weights:{}?scaling=raw255", fixture("unet.safetensors"));
    audit(&scene, &model, "out", &["--no-requery"]).done();
    let said = warnings(&scene, "out");
    let scaling = said
        .iter()
        .find(|(code, _)| code == "utility-collapsed" || code == "input-scaling");
    let (_, text) = scaling.unwrap_or_else(|| panic!("{said:?}"));
    assert!(text.contains("scaling=imagenet"), "{text}");
    audit(&scene, &weights(), "right", &["--no-requery"]).done();
    let said = warnings(&scene, "right");
    assert!(
        !said
            .iter()
            .any(|(code, _)| code == "utility-collapsed" || code == "input-scaling"),
        "{said:?}"
    );
}

#[test]
fn threads_change_nothing() {
    let scene = Scene::new();
    audit(&scene, &onnx(), "one", &["--threads", "1"]).done();
    audit(&scene, &onnx(), "three", &["--threads", "3"]).done();
    assert_eq!(
        scene.read("one/records.csv"),
        scene.read("three/records.csv")
    );
    assert_eq!(
        scene.read("one/results.json"),
        scene.read("three/results.json")
    );
}

/// Expects a refusal that names all of `expected` and leaves nothing behind.
#[track_caller]
fn refused(scene: &Scene, model: &str, more: &[&str], expected: &[&str]) {
    let before = scene.listing();
    let message = audit(scene, model, "out", more).refused();
    for text in expected {
        assert!(message.contains(text), "{text} in {message}");
    }
    assert_eq!(scene.listing(), before);
}

#[test]
fn models_that_cannot_be_used() {
    let scene = Scene::new();
    let bad = |name: &str| format!("onnx:{}", fixture(&format!("bad/{name}.onnx")));
    refused(
        &scene,
        &bad("unsupported"),
        &[],
        &["unsupported.onnx", "acme.Sharpen"],
    );
    refused(
        &scene,
        &bad("grey"),
        &[],
        &["grey.onnx", "1 channel(s)", "records have 3"],
    );
    refused(&scene, &bad("nan"), &[], &["all/00", "nan.onnx", "NaN"]);
    let text = format!("onnx:{}", fixture("data.toml"));
    refused(&scene, &text, &[], &["data.toml", "no ONNX model"]);
    refused(&scene, "onnx:missing.onnx", &[], &["missing.onnx"]);
    let wrong = format!("weights:{}?arch=unet-resnet34", fixture("unet.safetensors"));
    refused(&scene, &wrong, &[], &["unet.safetensors", "do not fit"]);
    refused(&scene, &onnx(), &["--fail-if", "auc"], &["gate"]);
    let same = onnx();
    refused(
        &scene,
        &onnx(),
        &["--null-model", &same],
        &["the audited model itself"],
    );
}

#[test]
fn a_gate_that_matches_nothing_writes_no_results_and_keeps_the_answers() {
    let scene = Scene::new();
    let model = predictions();
    let message = audit(
        &scene,
        &model,
        "out",
        &["--fail-if", "nothing.at_all.low > 0"],
    )
    .refused();
    assert!(message.contains("nothing.at_all"), "{message}");
    assert!(!scene.path("out/results.json").exists() && !scene.path("out/report.html").exists());
    audit(&scene, &model, "out", &["--force"]).done();
    let provenance: Value = serde_json::from_str(&scene.read("out/provenance.json")).expect("JSON");
    let mut stages = provenance["stages"].as_array().expect("a list").iter();
    assert!(stages.all(|s| s["cached"] == true));
}

#[test]
fn a_pickle_that_wants_to_execute_code() {
    let scene = Scene::new();
    let pickle = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../redmask-nn/tests/fixtures/weights/command.pth");
    let marker = Path::new("/tmp/redmask-was-executed");
    let before = marker.exists();
    let model = format!("weights:{}?arch=unet-resnet18", pickle.display());
    refused(&scene, &model, &[], &["command.pth", "system"]);
    let inspected = scene
        .redmask(&["model", "inspect", &pickle.to_string_lossy()])
        .refused();
    assert!(inspected.contains("system"), "{inspected}");
    assert_eq!(marker.exists(), before);
}

#[test]
fn predictions_that_do_not_fit_the_records() {
    let scene = Scene::new();
    copy_tree(Path::new(&fixture("predictions")), &scene.path("saved"));
    let file = scene.path("saved/all/20.npy");
    let whole = std::fs::read(&file).expect("a prediction");
    std::fs::remove_file(&file).expect("removed");
    refused(&scene, "predictions:saved", &[], &["20.npy", "missing"]);
    // The same numbers under another shape: the header's length stays.
    let (old, new) = (b"(1, 32, 32)", b"(1, 64, 16)");
    let at = whole
        .windows(old.len())
        .position(|w| w == old)
        .expect("a shape");
    let mut odd = whole.clone();
    odd[at..at + new.len()].copy_from_slice(new);
    std::fs::write(&file, odd).expect("written");
    refused(&scene, "predictions:saved", &[], &["20.npy", "[1, 64, 16]"]);
    let mut nan = whole.clone();
    nan[128..132].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&file, nan).expect("written");
    refused(&scene, "predictions:saved", &[], &["20.npy", "NaN"]);
    std::fs::write(&file, whole).expect("written");
    audit(&scene, "predictions:saved", "out", &[]).done();
}

#[test]
fn records_that_cannot_be_audited() {
    let scene = Scene::new();
    let run = |members: &str, expected: &[&str]| {
        let others = records("non-members");
        let model = predictions();
        let args = [
            "audit",
            "--model",
            &model,
            "--members",
            members,
            "--non-members",
            &others,
        ];
        let message = scene.redmask(&args).refused();
        for text in expected {
            assert!(message.contains(text), "{text} in {message}");
        }
    };
    run(&records("non-members"), &["both a member and a non-member"]);
    scene.write("list.txt", "00\n99\n");
    let listed = format!("discs=folder:{}@list.txt", fixture("data.toml"));
    run(&listed, &["list.txt", "line 2", "99"]);
    run("discs=polyp:0?count=4", &["classes are not those"]);
    assert_eq!(scene.listing(), ["list.txt"]);
}

#[test]
fn models_are_inspected() {
    let scene = Scene::new();
    let text = scene
        .redmask(&["model", "inspect", &fixture("unet.onnx")])
        .done();
    for expected in [
        "opset 17",
        "Conv",
        "image [?, 3, ?, ?]",
        "activation = \"logits\"",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // What is printed is a configuration.
    scene.write("unet.toml", &text);
    let model = format!("{}?config=unet.toml", onnx());
    audit(&scene, &model, "out", &["--no-requery"]).done();
    let bad = scene
        .redmask(&["model", "inspect", &fixture("bad/unsupported.onnx")])
        .done();
    assert!(
        bad.contains("UNSUPPORTED") && bad.contains("acme.Sharpen"),
        "{bad}"
    );
    let json = scene
        .redmask(&[
            "model",
            "inspect",
            &fixture("unet.safetensors"),
            "--format",
            "json",
        ])
        .done();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["architecture"], "unet-resnet18,outputs=1,width=0.05");
}

fn copy_tree(from: &Path, to: &PathBuf) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target);
        } else {
            std::fs::copy(&source, &target).expect("copied");
        }
    }
}
