use std::collections::BTreeSet;

use super::*;

/// The smallest recipe: seconds on procedural data.
const TINY: &str = r#"
recipe_version = 1
name = "tiny"
title = "Tiny"

[data.polyps]
expected = "procedural frames"
readers = ["polyp"]
size = [32, 32]
bind = "polyp:0"

[split]
data = "polyps"
train = 12
held_out = 10

[network.small]
kind = "unet"
encoder = "resnet18"
width = 0.125

[training]
epochs = 3

[attack.global-loss]
kind = "global-loss"

[[audit]]
victims = ["small@2", "small"]
attacks = ["global-loss"]
"#;

fn resolve(text: &str) -> Result<Recipe> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    Ok(RecipeSource::read(&path)?.resolve(None)?.0)
}

fn problem(from: &str, to: &str) -> String {
    assert!(TINY.contains(from), "{from}");
    let error = resolve(&TINY.replace(from, to)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("recipe.toml"), "no file named: {text}");
    text
}

#[test]
fn a_recipe_round_trips() {
    let recipe = resolve(TINY).unwrap();
    let text = toml::to_string(&recipe).unwrap();
    assert_eq!(resolve(&text).unwrap(), recipe);
    assert_eq!(recipe.seeds, 3);
    assert!(recipe.control.blind.is_some() && recipe.control.null_victim);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = problem("epochs = 3", "epocs = 3");
    assert!(text.contains("epocs") && text.contains("line 23"), "{text}");
    let text = problem("bind = ", "binds = ");
    assert!(text.contains("binds") && text.contains("line 10"), "{text}");
}

#[test]
fn what_is_wrong_is_said() {
    for (from, to, expected) in [
        ("recipe_version = 1", "recipe_version = 2", "recipe_version"),
        ("name = \"tiny\"", "name = \"../tiny\"", "a-z"),
        ("data = \"polyps\"", "data = \"liver\"", "[data.liver]"),
        ("train = 12", "train = 0", "split.train"),
        ("train = 12", "train = \"many\"", "invalid type"),
        (
            "victims = [\"small@2\"",
            "victims = [\"small@9\"",
            "3 epochs",
        ),
        ("victims = [\"small@2\"", "victims = [\"small@0\"", "from 1"),
        ("victims = [\"small@2\"", "victims = [\"large\"", "large"),
        (
            "attacks = [\"global-loss\"]",
            "attacks = []",
            "audit[0].attacks",
        ),
        (
            "attacks = [\"global-loss\"]",
            "attacks = [\"lira\"]",
            "[attack.lira]",
        ),
        ("width = 0.125", "width = 0.0", "width"),
        ("size = [32, 32]", "size = [0, 32]", "size"),
        ("kind = \"unet\"", "kind = \"vit\"", "vit"),
        ("epochs = 3", "epochs = 0", "epochs"),
        ("[training]", "[training", "line"),
    ] {
        let text = problem(from, to);
        assert!(text.contains(expected), "{to}: {text}");
    }
}

#[test]
fn models_and_epochs_in_use_are_merged() {
    let recipe = resolve(TINY).unwrap();
    let models = recipe.models_in_use().unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].1, BTreeSet::from([2, 3]));
    let pairs: Vec<String> = recipe.audit[0]
        .pairs()
        .iter()
        .map(|(v, s)| format!("{v} {s}"))
        .collect();
    assert_eq!(
        pairs,
        [
            "small@2 small@2",
            "small@2 small",
            "small small@2",
            "small small"
        ]
    );
}

#[test]
fn pairs_in_order_take_one_shadow_for_all_or_one_each() {
    let audit = |shadows: &[&str]| AuditConfig {
        victims: ["a", "b"].map(|m| m.parse().unwrap()).to_vec(),
        shadows: shadows.iter().map(|m| m.parse().unwrap()).collect(),
        pairing: Pairing::InOrder,
        attacks: Vec::new(),
    };
    let text = |audit: &AuditConfig| -> Vec<String> {
        audit
            .pairs()
            .iter()
            .map(|(v, s)| format!("{v}{s}"))
            .collect()
    };
    assert_eq!(text(&audit(&[])), ["aa", "bb"]);
    assert_eq!(text(&audit(&["s"])), ["as", "bs"]);
    assert_eq!(text(&audit(&["s", "t"])), ["as", "bt"]);
}

#[test]
fn every_recipe_that_ships_is_sound_at_every_profile() {
    for builtin in builtins() {
        let source = RecipeSource::find(builtin.name).unwrap();
        let profiles = source.profiles().unwrap();
        if builtin.name.contains('/') {
            assert_eq!(profiles, ["paper", "small"], "{}", builtin.name);
        }
        let choices: Vec<Option<&str>> = if profiles.is_empty() {
            vec![None]
        } else {
            profiles.iter().map(|p| Some(p.as_str())).collect()
        };
        for profile in choices {
            let (recipe, _) = source
                .resolve(profile)
                .unwrap_or_else(|e| panic!("{} {profile:?}: {e}", builtin.name));
            assert_eq!(recipe.name, builtin.name);
            if profile == Some("small") {
                assert!(recipe.budget.is_some(), "{} states no budget", builtin.name);
            }
            for cell in recipe
                .published
                .iter()
                .flat_map(|t| t.rows.iter().flatten())
            {
                let percent = cell
                    .as_number()
                    .is_some_and(|x| x > 1.0 && x.fract() != 0.0);
                assert!(!percent, "{}: {cell} is not a fraction", builtin.name);
            }
        }
    }
}

#[test]
fn a_recipe_that_does_not_exist_is_answered_with_those_that_are_close() {
    let error = RecipeSource::find("chobola/table-99").unwrap_err();
    assert!(error.hint().unwrap().contains("chobola/table-1"));
    let error = RecipeSource::find("no-such-thing").unwrap_err();
    assert!(error.hint().unwrap().contains("--list"));
}
