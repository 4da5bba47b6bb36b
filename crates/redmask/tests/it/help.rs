//! Help and usage, as printed.

use crate::scene::Scene;

#[test]
fn help_of_every_verb() {
    let scene = Scene::new();
    insta::with_settings!({filters => vec![(r"redmask \d+\.\d+\.\d+", "redmask [version]")]}, {
        insta::assert_snapshot!("help", scene.redmask(&["--help"]).done());
        for verb in ["audit", "model", "quickstart", "run", "plan", "reproduce", "report", "poison", "dp", "data", "completions"] {
            let help = scene.redmask(&[verb, "--help"]).done();
            insta::assert_snapshot!(format!("help-{verb}"), help);
        }
    });
}

#[test]
fn usage_errors_exit_with_2() {
    let scene = Scene::new();
    for args in [
        &["nonsense"][..],
        &["run"],
        &["run", "x.toml", "--no-such-flag"],
        &["run", "x.toml", "--seeds", "0"],
        &["run", "x.toml", "--data", "polyps"],
        &["plan"],
        &["--threads", "0", "plan", "--list"],
    ] {
        let ended = scene.redmask(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty());
    }
}

#[test]
fn completions_are_printed() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = scene.redmask(&["completions", shell]).done();
        assert!(script.contains("quickstart"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::new();
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "'{}' completions bash | head -n 1; exit \"${{PIPESTATUS:-0}}\"",
            assert_cmd::cargo::cargo_bin("redmask").display()
        ))
        .current_dir(scene.path("."))
        .output()
        .expect("sh runs");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
