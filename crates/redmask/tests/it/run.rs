//! `redmask run`, `report`: what is written, what is printed, what is found again.

use std::time::Instant;

use serde_json::Value;

use crate::scene::{Scene, TINY};

const OUT: &str = "redmask-out/tiny";

#[test]
fn a_run_writes_what_it_promises_and_finds_it_again() {
    let scene = Scene::with_recipe(|r| r);
    let text = scene.redmask(&["run", "recipe.toml"]).done();
    assert!(text.contains("Global loss"), "{text}");
    let results = scene.read(&format!("{OUT}/results.json"));
    let json: Value = serde_json::from_str(&results).expect("JSON");
    let names: Vec<&str> = json["measurements"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|m| m["name"].as_str())
        .collect();
    for expected in [
        "membership.global_loss.auc",
        "membership.global_loss.accuracy",
        "control.blind.auc",
        "control.null_victim.global_loss.auc",
        "segmentation.miou",
        "segmentation.gap",
    ] {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    for file in [
        "provenance.json",
        "report-data.json",
        "report.html",
        "recipe.toml",
        "tables/measurements.csv",
    ] {
        assert!(scene.path(&format!("{OUT}/{file}")).is_file(), "{file}");
    }
    // The format is the only thing that decides what stdout holds.
    let printed = scene
        .redmask(&["run", "recipe.toml", "--format", "json"])
        .done();
    assert_eq!(printed, results);
    let csv = scene.redmask(&["run", "recipe.toml", "--format", "csv", "--quiet"]);
    assert!(csv.stderr.is_empty(), "{}", csv.stderr);
    assert_eq!(
        csv.done(),
        scene.read(&format!("{OUT}/tables/measurements.csv"))
    );
    let provenance: Value =
        serde_json::from_str(&scene.read(&format!("{OUT}/provenance.json"))).expect("JSON");
    let cached = provenance["stages"].as_array().expect("a list").iter();
    assert!(cached.clone().count() >= 6 && cached.clone().all(|s| s["cached"] == true));
}

#[test]
fn the_second_run_is_fast() {
    let scene = Scene::with_recipe(|r| r);
    scene.redmask(&["run", "recipe.toml"]).done();
    let clock = Instant::now();
    scene.redmask(&["run", "recipe.toml"]).done();
    assert!(clock.elapsed().as_secs_f64() < 5.0, "{:?}", clock.elapsed());
}

#[test]
fn equal_runs_give_equal_bytes_wherever_they_are() {
    let scene = Scene::with_recipe(|r| r);
    scene.redmask(&["run", "recipe.toml", "--out", "a"]).done();
    scene.redmask(&["run", "recipe.toml", "--out", "b"]).done();
    assert_eq!(scene.read("a/results.json"), scene.read("b/results.json"));
    scene
        .redmask(&["run", "recipe.toml", "--out", "c", "--seed", "1"])
        .done();
    assert_ne!(scene.read("a/results.json"), scene.read("c/results.json"));
}

#[test]
fn a_store_is_shared_between_runs() {
    let scene = Scene::with_recipe(|r| r);
    let other = TINY.replace("name = \"tiny\"", "name = \"other\"");
    scene.write("other.toml", &other);
    scene
        .redmask(&["run", "recipe.toml", "--store", "store"])
        .done();
    let plan = scene
        .redmask(&["plan", "other.toml", "--store", "store"])
        .done();
    let to_do: Vec<&str> = plan.lines().filter(|l| l.starts_with("to do")).collect();
    assert!(to_do.len() == 1 && to_do[0].contains("tabulate"), "{plan}");
}

#[test]
fn a_precision_is_asked_for_and_said() {
    let scene = Scene::with_recipe(|r| r);
    let args = ["run", "recipe.toml", "--precision", "bf16"];
    if !redmask::nn::ops::Precision::Bf16.is_available() {
        let message = scene.redmask(&args).refused();
        assert!(message.contains("precision fp32"), "{message}");
        return;
    }
    let text = scene.redmask(&args).done();
    assert!(text.contains("bfloat16"), "{text}");
    let recipe = scene.read(&format!("{OUT}/recipe.toml"));
    assert!(recipe.contains("precision = \"bf16\""), "{recipe}");
    // Another training, so another run: nothing of it is taken for that one's.
    let message = scene.redmask(&["run", "recipe.toml"]).refused();
    assert!(message.contains("--force"), "{message}");
}

#[test]
fn another_run_into_the_same_folder_needs_force() {
    let scene = Scene::with_recipe(|r| r);
    scene.redmask(&["run", "recipe.toml", "--out", "a"]).done();
    let before = scene.read("a/results.json");
    let again = ["run", "recipe.toml", "--out", "a", "--seed", "5"];
    let message = scene.redmask(&again).refused();
    assert!(message.contains("--force"), "{message}");
    assert_eq!(scene.read("a/results.json"), before);
    let forced: Vec<&str> = again.into_iter().chain(["--force"]).collect();
    scene.redmask(&forced).done();
    assert_ne!(scene.read("a/results.json"), before);
}

#[test]
fn a_failed_gate_is_a_finding() {
    let gate = |gate: &str| {
        Scene::with_recipe(|r| {
            r.replace(
                "seeds = 1\n",
                &format!("seeds = 1\nfail_if = [\"{gate}\"]\n"),
            )
        })
    };
    let failing = gate("membership.global_loss.auc.value >= 0");
    let ended = failing.redmask(&["run", "recipe.toml"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("FAILED"), "{}", ended.stdout);
    assert_eq!(failing.redmask(&["report", OUT]).code, 1);
    let passing = gate("membership.*.auc.value > 1");
    assert_eq!(passing.redmask(&["run", "recipe.toml"]).code, 0);
    let malformed = gate("membership.auc");
    malformed.redmask(&["run", "recipe.toml"]).refused();
    assert_eq!(malformed.listing(), ["recipe.toml"]);
}

#[test]
fn a_report_is_drawn_again_without_the_store() {
    let scene = Scene::with_recipe(|r| r);
    let first = scene.redmask(&["run", "recipe.toml"]).done();
    std::fs::remove_dir_all(scene.path(&format!("{OUT}/store"))).expect("the store is there");
    std::fs::remove_file(scene.path(&format!("{OUT}/report.html"))).expect("the report is there");
    let again = scene.redmask(&["report", OUT]).done();
    assert_eq!(first, again);
    assert!(scene.path(&format!("{OUT}/report.html")).is_file());
    let message = scene.redmask(&["report", "nowhere"]).refused();
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn quickstart_and_reproduce_take_their_recipes_from_the_binary() {
    let scene = Scene::new();
    let message = scene.redmask(&["reproduce", "chobola/table-1"]).refused();
    assert!(
        message.contains("liver") && message.contains("--data"),
        "{message}"
    );
    let message = scene.redmask(&["reproduce", "chobola/table-99"]).refused();
    assert!(message.contains("chobola/table-1"), "{message}");
    let message = scene
        .redmask(&[
            "reproduce",
            "chobola/table-1",
            "--profile",
            "huge",
            "--data",
            "liver=polyp:0",
        ])
        .refused();
    assert!(message.contains("paper, small"), "{message}");
    assert!(scene.listing().is_empty());
}
