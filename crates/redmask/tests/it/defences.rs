//! Defences from the recipe to the report, and those that are refused.

use serde_json::Value;

use crate::scene::Scene;

/// The tiny recipe with one defence of each family, against adversaries who ignore them and who know them.
fn defended(recipe: String) -> String {
    let head = recipe
        .replace("held_out = 12", "held_out = 12\nreference = 8")
        .replace(
            "victims = [\"small\"]\n",
            "victims = [\"small\", \"argmax\", \"crop\", \"kd\", \"dp\"]\nshadows = [\"small\"]\n",
        );
    format!(
        r#"{head}
[[audit]]
victims = ["argmax", "crop", "kd", "dp"]
pairing = "in-order"
attacks = ["global-loss"]

[defence.argmax]
kind = "argmax"

[defence.crop]
kind = "crop"
size = [16, 16]

[defence.kd]
kind = "distillation"
selection = {{ kind = "all" }}

[defence.dp]
kind = "dp-sgd"
group_norm = true
privacy = {{ budget = {{ kind = "noise", multiplier = 1.0 }}, delta = 1e-2, secret = "seed" }}

[model]
argmax = {{ network = "small", defence = "argmax" }}
crop = {{ network = "small", defence = "crop", epochs = 4 }}
kd = {{ network = "small", defence = "kd" }}
dp = {{ network = "small", defence = "dp" }}

[[table]]
id = "defences"
title = "Defences"
rows = ["defence", "adversary", "attack"]
columns = ["membership.{{attack}}.accuracy"]

[[figure]]
kind = "trade-off"
id = "trade-off"
title = "Leak against utility"
metric = "auc"

[[figure]]
kind = "defences"
id = "bars"
title = "By defence"
attack = "global_loss"
metric = "accuracy"

[[figure]]
kind = "panels"
id = "panels"
title = "Masks"
models = ["small", "dp"]
records = 2

[overview]
id = "overview"
title = "In words"
protection = [0.3, 0.6]
utility_loss = [0.01, 0.05]
cost = [1.5, 3.0]
published = {{ argmax = ["low", "low", "low", "no"] }}

[[published]]
source = "Nowhere"
columns = ["defence", "adversary", "membership.global_loss.accuracy"]
rows = [["crop", "static", 0.5]]
"#
    )
}

fn find<'a>(results: &'a Value, name: &str, defence: &str, adversary: Option<&str>) -> &'a Value {
    let all = results["measurements"].as_array().expect("a list");
    all.iter()
        .find(|m| {
            m["name"] == name
                && m["conditions"]["defence"] == defence
                && m["conditions"]["adversary"].as_str() == adversary
        })
        .unwrap_or_else(|| panic!("no {name} of {defence} under {adversary:?}"))
}

#[test]
fn every_cell_is_measured_under_both_adversaries() {
    let scene = Scene::with_recipe(defended);
    scene
        .redmask(&["run", "recipe.toml", "--out", "out"])
        .done();
    let text = scene.read("out/results.json");
    let results: Value = serde_json::from_str(&text).expect("JSON");
    let auc = "membership.global_loss.auc";
    for defence in ["argmax", "crop", "kd", "dp"] {
        for adversary in ["static", "adaptive"] {
            find(&results, auc, defence, Some(adversary));
        }
        for name in [
            "segmentation.dice",
            "segmentation.boundary_f1",
            "training.flops",
            "defence.utility_loss",
        ] {
            find(&results, name, defence, None);
        }
    }
    find(&results, auc, "none", None);
    let published = |adversary| {
        let m = find(
            &results,
            "membership.global_loss.accuracy",
            "crop",
            Some(adversary),
        );
        m["published"]["value"].as_f64()
    };
    assert_eq!(
        (published("static"), published("adaptive")),
        (Some(0.5), None)
    );

    // An answer costs no training. Crops of a quarter of the image for 4/3 of the epochs cost a little over a third: the
    // deepest features are one pixel either way. A student costs its teacher besides.
    let cost = |defence| {
        find(&results, "training.cost", defence, None)["value"]
            .as_f64()
            .expect("a number")
    };
    assert_eq!(cost("none"), 1.0);
    assert_eq!(cost("argmax"), 1.0);
    assert!((0.33..0.40).contains(&cost("crop")), "{}", cost("crop"));
    // Eight of twelve records, and one forward pass over the twenty that the teacher is asked about.
    let expected = 1.0 + 8.0 / 12.0 + 20.0 / (3.0 * 12.0 * 3.0);
    assert!((cost("kd") - expected).abs() < 1e-3, "{}", cost("kd"));

    let epsilon = find(&results, "privacy.epsilon", "dp", None);
    let lower = find(&results, "privacy.epsilon_lower", "dp", None);
    assert!(lower["value"].as_f64() < epsilon["value"].as_f64());
    assert_eq!(epsilon["conditions"]["guarantee"], true);
    assert!(!text.contains("epsilon-refuted"));

    let report = scene.read("out/report.html");
    for text in [
        "In words",
        "Leak against utility",
        "Masks",
        "Differential privacy",
    ] {
        assert!(report.contains(text), "{text}");
    }
    // Twice the same bytes, drawn noise included.
    scene
        .redmask(&["run", "recipe.toml", "--out", "again"])
        .done();
    assert_eq!(scene.read("again/results.json"), text);
}

#[test]
fn an_undefended_training_serves_recipes_with_and_without_defences() {
    let scene = Scene::with_recipe(|r| r);
    scene
        .redmask(&["run", "recipe.toml", "--store", "store"])
        .done();
    let with_argmax = scene
        .read("recipe.toml")
        .replace("name = \"tiny\"", "name = \"other\"")
        + "[defence.argmax]\nkind = \"argmax\"\n[model.hidden]\nnetwork = \"small\"\ndefence = \"argmax\"\n\
           [[audit]]\nvictims = [\"hidden\"]\nattacks = [\"global-loss\"]\n";
    scene.write("other.toml", &with_argmax);
    let plan = scene
        .redmask(&["plan", "other.toml", "--store", "store"])
        .done();
    let trains: Vec<&str> = plan
        .lines()
        .filter(|l| l.starts_with("to do") && l.contains(" train "))
        .collect();
    assert!(trains.is_empty(), "{plan}");
}

#[test]
fn defences_that_cannot_work_are_refused_before_anything_is_trained() {
    for (from, to, expected) in [
        (
            "size = [16, 16]",
            "size = [40, 16]",
            "larger than the images",
        ),
        ("reference = 8\n", "", "split.reference"),
        ("group_norm = true\n", "", "group_norm"),
        ("delta = 1e-2", "delta = 0.5", "delta"),
        ("multiplier = 1.0", "multiplier = -1.0", "multiplier"),
        (
            "delta = 1e-2,",
            "delta = 1e-2, clipping = { kind = \"flat\", norm = 0.0 },",
            "clipping.norm",
        ),
        ("kind = \"argmax\"", "kind = \"magic\"", "magic"),
        ("defence = \"kd\" }", "defence = \"dk\" }", "[defence.dk]"),
    ] {
        let scene = Scene::with_recipe(|r| {
            let whole = defended(r);
            assert!(whole.contains(from), "{from}");
            whole.replace(from, to)
        });
        let before = scene.listing();
        let message = scene
            .redmask(&["run", "recipe.toml", "--out", "out"])
            .refused();
        assert!(message.contains(expected), "{expected}: {message}");
        assert_eq!(scene.listing(), before, "{to}");
    }
}
