//! Bad input: a message that names the thing, exit code 2, nothing left behind.

use std::process::Command;

use crate::scene::Scene;

/// Runs the recipe in the scene, expects a refusal that contains all of `expected` and leaves the scene as it was.
#[track_caller]
fn refused(scene: &Scene, args: &[&str], expected: &[&str]) {
    let before = scene.listing();
    let message = scene.redmask(args).refused();
    for text in expected {
        assert!(message.contains(text), "{text} in {message}");
    }
    assert_eq!(scene.listing(), before);
}

#[test]
fn recipes_that_cannot_be_used() {
    let scene = Scene::new();
    refused(&scene, &["run", "missing.toml"], &["missing.toml"]);
    scene.write("recipe.toml", "");
    refused(
        &scene,
        &["run", "recipe.toml"],
        &["recipe.toml", "missing field"],
    );
    scene.write("recipe.toml", &"x".repeat(2 << 20));
    refused(&scene, &["run", "recipe.toml"], &["recipe.toml", "limit"]);
    std::fs::write(scene.path("recipe.toml"), [0xff, 0xfe, 0x00]).expect("written");
    refused(&scene, &["run", "recipe.toml"], &["recipe.toml", "UTF-8"]);
    let scene = Scene::with_recipe(|r| r.replace("epochs = 3", "epocs = 3"));
    refused(
        &scene,
        &["run", "recipe.toml"],
        &["recipe.toml", "line", "epocs"],
    );
    refused(&scene, &["plan", "recipe.toml"], &["epocs"]);
}

#[test]
fn precisions_that_there_are_not() {
    let scene = Scene::with_recipe(|r| r);
    let args = ["run", "recipe.toml", "--precision", "fp16"];
    refused(&scene, &args, &["fp16", "expected fp32 or bf16"]);
}

#[test]
fn bindings_that_mean_nothing() {
    let scene = Scene::with_recipe(|r| r);
    let run = |data: &str, expected: &[&str]| {
        refused(&scene, &["run", "recipe.toml", "--data", data], expected);
    };
    run("liver=polyp:0", &["no such role", "polyps"]);
    run("polyps=dicom:/x", &["dicom"]);
    run("polyps=polyp:0?colour=red", &["colour"]);
    run("polyps=polyp:0?count=10", &["10 records", "48"]);
    let twice = [
        "run",
        "recipe.toml",
        "--data",
        "polyps=polyp:0",
        "--data",
        "polyps=polyp:1",
    ];
    refused(&scene, &twice, &["twice"]);
}

#[test]
fn folders_that_are_not_free() {
    let scene = Scene::with_recipe(|r| r);
    scene.write("thesis/chapter.tex", "");
    let run = |out: &str, expected: &[&str]| {
        refused(&scene, &["run", "recipe.toml", "--out", out], expected);
    };
    run("thesis", &["thesis", "--force"]);
    run("recipe.toml", &["recipe.toml", "file"]);
    run("recipe.toml/below", &["recipe.toml"]);
}

#[test]
fn a_folder_in_use_by_another_run() {
    let scene = Scene::with_recipe(|r| r);
    // The system's lock, held by this process.
    std::fs::create_dir(scene.path("busy")).expect("a folder");
    let lock = std::fs::File::create(scene.path("busy/.lock")).expect("a file");
    lock.lock().expect("the lock is free");
    refused(
        &scene,
        &["run", "recipe.toml", "--out", "busy"],
        &["busy", "in use by another run"],
    );
    lock.unlock().expect("it was ours");
    scene
        .redmask(&["run", "recipe.toml", "--out", "busy"])
        .done();
}

/// `ulimit -f` makes every write beyond so many blocks fail, as a full disk does.
#[test]
#[cfg(unix)]
fn a_disk_that_is_full() {
    let scene = Scene::with_recipe(|r| r);
    let before = scene.listing();
    let binary = assert_cmd::cargo::cargo_bin("redmask");
    let run = |blocks: u32| {
        let script = format!(
            "ulimit -f {blocks}; exec '{}' run recipe.toml --out out",
            binary.display()
        );
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(scene.path("."))
            .env("NO_COLOR", "1")
            .output()
            .expect("sh runs");
        crate::scene::ended(&output)
    };
    let message = run(0).refused();
    assert!(
        message.contains("out") && message.contains("writing"),
        "{message}"
    );
    assert_eq!(scene.listing(), before);
    // Enough for small files, not for a model.
    let message = run(16).refused();
    assert!(message.contains("model"), "{message}");
    assert_eq!(scene.listing(), before);
    scene
        .redmask(&["run", "recipe.toml", "--out", "out"])
        .done();
}

#[test]
fn a_store_that_was_tampered_with() {
    let scene = Scene::with_recipe(|r| r);
    scene.redmask(&["run", "recipe.toml", "--out", "a"]).done();
    let tampered: Vec<String> = scene
        .listing()
        .into_iter()
        .filter(|name| name.ends_with("outcomes.json"))
        .collect();
    assert_eq!(tampered.len(), 1);
    scene.write(&tampered[0], "{}");
    // The cached table is still whole; another seed's table needs nothing of this one; a new layout does.
    let changed = scene
        .read("recipe.toml")
        .replace("replicates = 200", "replicates = 300");
    scene.write("recipe.toml", &changed);
    let message = scene
        .redmask(&["run", "recipe.toml", "--out", "b", "--store", "a/store"])
        .refused();
    assert!(
        message.contains("outcomes.json") && message.contains("changed"),
        "{message}"
    );
}
