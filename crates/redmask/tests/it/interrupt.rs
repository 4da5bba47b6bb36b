//! Kills and interrupts: a resumed run ends as an unbroken one does.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scene::Scene;

fn longer(recipe: String) -> String {
    recipe.replace("epochs = 3", "epochs = 12")
}

fn start(scene: &Scene) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("redmask"))
        .env("REDMASK_CHECKPOINT_SECONDS", "0.05")
        .args(["--quiet", "run", "recipe.toml", "--out", "broken"])
        .current_dir(scene.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn killed_runs_end_like_an_unbroken_one() {
    let scene = Scene::with_recipe(longer);
    let clock = Instant::now();
    scene
        .redmask(&["run", "recipe.toml", "--out", "unbroken"])
        .done();
    let whole = clock.elapsed();
    // Three kills, spread over the run; tools/kill_resume.sh does it at random and more often.
    for part in [0.15, 0.3, 0.45] {
        let mut child = start(&scene);
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * part));
        child.kill().expect("it runs or has ended");
        child.wait().expect("it ended");
    }
    scene
        .redmask(&["run", "recipe.toml", "--out", "broken"])
        .done();
    assert_eq!(
        scene.read("unbroken/results.json"),
        scene.read("broken/results.json")
    );
    let left: Vec<String> = scene
        .listing()
        .into_iter()
        .filter(|name| name.contains(".partial") || name.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[cfg(unix)]
fn an_interrupt_exits_with_130_and_can_be_resumed() {
    let scene = Scene::with_recipe(longer);
    let mut child = start(&scene);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !scene.path("broken/store/train").exists() {
        assert!(Instant::now() < deadline, "the first training never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(interrupted.success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(!scene.path("broken/results.json").exists());
    scene
        .redmask(&["run", "recipe.toml", "--out", "broken"])
        .done();
}
