//! `redmask dp` against the test vectors of the literature.

use crate::scene::Scene;

fn number(args: &str, field: &str) -> f64 {
    let scene = Scene::new();
    let args: Vec<&str> = std::iter::once("dp").chain(args.split(' ')).collect();
    let json: serde_json::Value =
        serde_json::from_str(&scene.redmask(&args).done()).expect("one JSON object");
    json[field].as_f64().expect("a number")
}

#[test]
fn epsilon_of_the_published_confusion() {
    let epsilon = number(
        "bound --tp 310 --members 500 --fp 4 --non-members 500 --alpha 0.05",
        "epsilon",
    );
    assert!((epsilon - 3.342).abs() < 1e-3, "{epsilon}");
}

#[test]
fn epsilon_of_a_one_run_audit() {
    let epsilon = number(
        "one-run --canaries 1000 --guesses 100 --correct 90 --delta 0 --significance 0.05",
        "epsilon",
    );
    assert!((epsilon - 1.63082).abs() < 1e-4, "{epsilon}");
}

#[test]
fn impossible_counts_are_refused() {
    let scene = Scene::new();
    let message = scene
        .redmask(&[
            "dp",
            "bound",
            "--tp",
            "9",
            "--members",
            "5",
            "--fp",
            "0",
            "--non-members",
            "5",
        ])
        .refused();
    assert!(
        message.contains("--tp") && message.contains("--members"),
        "{message}"
    );
    let one_run = [
        "dp",
        "one-run",
        "--canaries",
        "10",
        "--guesses",
        "20",
        "--correct",
        "5",
    ];
    scene.redmask(&one_run).refused();
}
