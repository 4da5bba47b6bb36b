//! Pools of models: attacks across models from one command.

use serde_json::Value;

use crate::scene::Scene;

/// Six tiny networks on halves of 40 scenes of 32 x 32 pixels, and one on the population.
const POOL: &str = r#"
recipe_version = 1
name = "tiny-pool"
title = "A tiny pool"
seeds = 1

[data.polyps]
expected = "procedural frames"
readers = ["polyp"]
size = [32, 32]
bind = "polyp:0"

[split]
data = "polyps"

[network.small]
kind = "unet"
encoder = "resnet18"
width = 0.125

[training]
epochs = 2
batch_size = 4
drop_last = true
optimizer = { kind = "nadam", rate = 1e-3 }
validate_every = 0

[attack.lira-online]
kind = "lira"
side = "online"

[attack.lira-pooled]
kind = "lira"
side = "online"
variance = { pooled = { shrinkage = 0.5 } }

[attack.lira-offline]
kind = "lira"
side = "offline"

[attack.rmia-online]
kind = "rmia"
side = "online"

[attack.rmia-offline]
kind = "rmia"
z_prior = "raw_out"

[attack.attack-p]
kind = "attack-p"

[attack.attack-r]
kind = "attack-r"

[attack.quantile-regression]
kind = "quantile-regression"

[attack.difficulty]
kind = "difficulty"

[attack.combination]
kind = "combination"
vector = { scalars = ["dice", "margin"] }

[attack.global-loss]
kind = "global-loss"

[attack.label-only]
kind = "label-only"

[attack.type-ii]
kind = "type-ii"
training = { epochs = 1 }

[attack.patch]
kind = "patch"
size = 16
patches = 2
training = { epochs = 1 }

[[pool]]
model = "small"
records = 40
population = 20
models = 6
targets = 2
curve = [2]
attacks = [
  "lira-online", "lira-pooled", "lira-offline", "rmia-online", "rmia-offline", "attack-p", "attack-r",
  "quantile-regression", "difficulty", "combination", "global-loss", "label-only", "type-ii", "patch",
]

[control.blind]
permutations = 99

[statistics]
replicates = 200
"#;

fn measurements(json: &str) -> Vec<Value> {
    let json: Value = serde_json::from_str(json).expect("JSON");
    json["measurements"].as_array().expect("a list").clone()
}

#[test]
fn every_attack_is_measured_on_one_pool() {
    let scene = Scene::new();
    scene.write("pool.toml", POOL);
    let text = scene.redmask(&["run", "pool.toml"]).done();
    assert!(text.contains("LiRA online"), "{text}");
    let found = measurements(&scene.read("redmask-out/tiny-pool/results.json"));
    let with = |name: &str, shadows: u64| {
        let of = |m: &&Value| m["name"] == name && m["conditions"]["shadows"] == shadows;
        found.iter().filter(of).count()
    };
    for attack in [
        "lira_online",
        "lira_pooled",
        "lira_offline",
        "rmia_online",
        "rmia_offline",
        "attack_p",
        "attack_r",
        "quantile_regression",
        "difficulty",
        "combination",
        "global_loss",
        "label_only",
        "type_ii",
        "patch",
    ] {
        for metric in ["auc", "tpr_at_fpr_1e-1", "epsilon_one_run", "epsilon_lower"] {
            assert_eq!(
                with(&format!("membership.{attack}.{metric}"), 4),
                1,
                "{attack} {metric}"
            );
        }
        assert_eq!(
            with(&format!("control.null_victim.{attack}.auc"), 4),
            1,
            "{attack}"
        );
        // Ten non-members a target cannot show one in a thousand.
        assert_eq!(with(&format!("membership.{attack}.tpr_at_fpr_1e-3"), 4), 0);
    }
    // A curve has points only for attacks that shadows change, and that so few can serve.
    assert_eq!(with("membership.lira_online.auc", 2), 1);
    assert_eq!(with("membership.attack_r.auc", 2), 0);
    assert_eq!(with("membership.global_loss.auc", 2), 0);
    let auc = found
        .iter()
        .find(|m| m["name"] == "membership.lira_online.auc")
        .expect("measured");
    assert_eq!(auc["seeds"], serde_json::json!([0, 1]), "the targets");

    let records = scene.read("redmask-out/tiny-pool/records.csv");
    let lines: Vec<&str> = records.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 40);
    let columns = lines[0].split(',').count();
    assert!(lines[0].contains("margin_gap") && lines[0].contains("lira_online"));
    assert!(
        lines
            .iter()
            .all(|l| l.split(',').count() == columns && !l.contains(",,"))
    );

    // Everything comes from the store the second time, and another attack costs no training.
    let plan = scene.redmask(&["plan", "pool.toml"]).done();
    assert!(!plan.contains("to do"), "{plan}");
    let more = POOL.replace(
        "[[pool]]",
        "[attack.more]\nkind = \"difficulty\"\nsignal = \"hinge\"\n\n[[pool]]",
    );
    let more = more.replace(
        "\"lira-online\", \"lira-pooled\"",
        "\"more\", \"lira-online\", \"lira-pooled\"",
    );
    scene.write("more.toml", &more.replace("tiny-pool", "more"));
    let store = [
        "plan",
        "more.toml",
        "--store",
        "redmask-out/tiny-pool/store",
    ];
    let plan = scene.redmask(&store).done();
    let to_do: Vec<&str> = plan.lines().filter(|l| l.starts_with("to do")).collect();
    assert!(
        to_do.len() == 3 && to_do[0].contains("attack more"),
        "{plan}"
    );
}

#[test]
fn mislabelled_copies_train_other_models_and_keep_their_controls() {
    let scene = Scene::new();
    let pool = |copies: usize| {
        format!(
            "[[pool]]\nmodel = \"small\"\nrecords = 24\npopulation = 20\nmodels = 4\ntargets = 2\n\
             replicas = {{ targets = 16, copies = {copies}, mislabel = \"empty-mask\" }}\nattacks = [\"global-loss\"]\n"
        )
    };
    let head = POOL.split("[[pool]]").next().expect("a head");
    let tail = "\n[statistics]\nreplicates = 200\n[control]\n";
    scene.write("serum.toml", &format!("{head}{}{}{tail}", pool(0), pool(2)));
    scene.redmask(&["run", "serum.toml"]).done();
    let found = measurements(&scene.read("redmask-out/tiny-pool/results.json"));
    let areas: Vec<&Value> = found
        .iter()
        .filter(|m| m["name"] == "membership.global_loss.auc")
        .collect();
    assert_eq!(areas.len(), 2);
    for (area, copies) in areas.iter().zip([0, 2]) {
        assert_eq!(area["conditions"]["copies"], copies);
        assert_eq!(area["conditions"]["mislabel"], "empty-mask");
        let n = |key: &str| area["n"][key].as_u64().expect("a count");
        assert_eq!(n("members") + n("non_members"), 16);
    }
    assert_ne!(areas[0]["per_seed"], areas[1]["per_seed"]);
    let plan = scene.redmask(&["plan", "serum.toml"]).done();
    let trainings = plan.lines().filter(|l| l.contains("train small")).count();
    assert_eq!(trainings, 4 + 4 + 1, "{plan}");
}

#[test]
fn pools_that_cannot_be_are_refused_by_key() {
    for (from, to, expected) in [
        ("models = 6", "models = 5", "even number"),
        ("population = 20", "population = 2", "pool[0].population"),
        ("targets = 2", "targets = 7", "pool[0].targets"),
        ("curve = [2]", "curve = [3]", "pool[0].curve"),
        ("\"patch\",\n]", "\"patches\",\n]", "[attack.patches]"),
        ("models = 6", "models = 4", "needs 4 shadows"),
        ("side = \"offline\"", "side = \"sideways\"", "sideways"),
        ("records = 40", "recrods = 40", "recrods"),
    ] {
        assert!(POOL.contains(from), "{from}");
        let scene = Scene::new();
        scene.write("pool.toml", &POOL.replace(from, to));
        let message = scene.redmask(&["run", "pool.toml"]).refused();
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!scene.path("redmask-out").exists());
    }
    let scene = Scene::new();
    let audit = POOL.replace(
        "[control.blind]",
        "[[audit]]\nvictims = [\"small\"]\nattacks = [\"lira-online\"]\n\n[control.blind]",
    );
    let audit = audit.replace(
        "data = \"polyps\"\n",
        "data = \"polyps\"\ntrain = 10\nheld_out = 10\n",
    );
    scene.write("audit.toml", &audit);
    let message = scene.redmask(&["run", "audit.toml"]).refused();
    assert!(message.contains("[[pool]]"), "{message}");
}

/// Fifty scenes, a network that trains until it knows its half by heart: the plain loss tells members from others, and
/// finds nothing in a network that saw neither.
#[test]
fn what_is_learnt_by_heart_is_found() {
    let scene = Scene::new();
    let head = POOL.split("[[pool]]").next().expect("a head");
    let head = head.replace("epochs = 2", "epochs = 60");
    let pool = "[[pool]]\nmodel = \"small\"\nrecords = 50\npopulation = 25\nmodels = 4\ntargets = 3\n\
                attacks = [\"global-loss\"]\n\n[statistics]\nreplicates = 200\n\n[control.blind]\npermutations = 99\n";
    scene.write("memory.toml", &format!("{head}{pool}"));
    scene.redmask(&["run", "memory.toml"]).done();
    let found = measurements(&scene.read("redmask-out/tiny-pool/results.json"));
    let per_target = |name: &str| -> Vec<f64> {
        let m = found.iter().find(|m| m["name"] == name).expect("measured");
        let values = m["per_seed"].as_array().expect("a list").iter();
        values.map(|v| v.as_f64().expect("a number")).collect()
    };
    let victims = per_target("membership.global_loss.auc");
    assert!(victims.iter().all(|auc| *auc > 0.9), "{victims:?}");
    // Targets 0 and 1 are complements, so the null victim is measured on 0 and on 2 alone.
    let null = per_target("control.null_victim.global_loss.auc");
    assert_eq!(null.len(), 2);
    let mean = f64::midpoint(null[0], null[1]);
    assert!((0.4..=0.6).contains(&mean), "{null:?}");
}
