//! `redmask plan`

use serde_json::Value;

use crate::scene::Scene;

fn stages(json: &str) -> Vec<(String, String)> {
    let json: Value = serde_json::from_str(json).expect("JSON");
    let stages = json["stages"].as_array().expect("a list").iter();
    stages
        .map(|s| {
            let text = |key: &str| s[key].as_str().expect("a string").to_owned();
            (text("kind"), text("state"))
        })
        .collect()
}

#[test]
fn the_list_shows_every_recipe() {
    let scene = Scene::new();
    let list = scene.redmask(&["plan", "--list"]).done();
    for name in [
        "quickstart",
        "chobola/table-1",
        "chobola/epochs",
        "chobola/table-7-undefended",
        "redmask/kvasir-pool",
        "truth-serum/replicas",
    ] {
        assert!(list.contains(name), "{list}");
    }
    let json: Value = serde_json::from_str(
        &scene
            .redmask(&["plan", "--list", "--format", "json"])
            .done(),
    )
    .expect("JSON");
    let shipped = redmask::lab::recipe::builtins().len();
    assert_eq!(json.as_array().map(Vec::len), Some(shipped));
}

#[test]
fn the_text_of_a_recipe_can_be_copied_and_run() {
    let scene = Scene::new();
    let text = scene.redmask(&["plan", "quickstart", "--recipe"]).done();
    scene.write("mine.toml", &text);
    let plan = scene.redmask(&["plan", "mine.toml"]).done();
    assert!(plan.contains("0 of "), "{plan}");
}

#[test]
fn tables_1_to_3_share_their_trainings() {
    let scene = Scene::new();
    let keys = |table: &str| -> Vec<String> {
        let json = scene
            .redmask(&["plan", table, "--data", "liver=polyp:0", "--format", "json"])
            .done();
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let stages = json["stages"].as_array().expect("a list").iter();
        let trainings = stages.filter(|s| s["kind"] == "train");
        trainings
            .map(|s| s["key"].as_str().expect("a key").to_owned())
            .collect()
    };
    let first = keys("chobola/table-1");
    assert_eq!(
        first.len(),
        18,
        "three architectures, two sides, three seeds"
    );
    assert_eq!(first, keys("chobola/table-2"));
    assert_eq!(first, keys("chobola/table-3"));
    assert_eq!(first, keys("chobola/figure-2"));
    assert!(
        keys("chobola/figure-3")
            .iter()
            .all(|key| first.contains(key))
    );
}

#[test]
fn a_sweep_over_epochs_is_one_training() {
    let scene = Scene::new();
    let json = scene
        .redmask(&[
            "plan",
            "chobola/epochs",
            "--data",
            "liver=polyp:0",
            "--seeds",
            "1",
            "--format",
            "json",
        ])
        .done();
    let kinds: Vec<String> = stages(&json).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "train").count(), 2);
    assert_eq!(kinds.iter().filter(|k| *k == "predict").count(), 7);
    assert_eq!(kinds.iter().filter(|k| *k == "attack").count(), 1);
}

#[test]
fn a_plan_computes_and_writes_nothing_and_knows_what_is_done() {
    let scene = Scene::with_recipe(|r| r);
    let plan = || {
        scene
            .redmask(&["plan", "recipe.toml", "--format", "json"])
            .done()
    };
    let before = stages(&plan());
    assert!(before.iter().all(|(_, state)| state == "to do"));
    assert_eq!(scene.listing(), ["recipe.toml"]);
    scene.redmask(&["run", "recipe.toml"]).done();
    assert!(stages(&plan()).iter().all(|(_, state)| state == "cached"));
    let text = scene.redmask(&["plan", "recipe.toml"]).done();
    assert!(text.contains("about 0 s to go"), "{text}");
}
