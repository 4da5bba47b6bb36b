//! A folder to work in, tiny recipes, and the binary.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Seconds on two cores: two networks of a few thousand weights, 24 scenes of 32 x 32 pixels.
pub(crate) const TINY: &str = r#"
recipe_version = 1
name = "tiny"
title = "A tiny audit"
seeds = 1

[data.polyps]
expected = "procedural frames"
readers = ["polyp"]
size = [32, 32]
bind = "polyp:0"

[split]
data = "polyps"
train = 12
held_out = 12

[network.small]
kind = "unet"
encoder = "resnet18"
width = 0.125

[training]
epochs = 3
batch_size = 4
optimizer = { kind = "nadam", rate = 1e-3 }

[attack.global-loss]
kind = "global-loss"

[[audit]]
victims = ["small"]
attacks = ["global-loss"]

[statistics]
replicates = 200
"#;

/// A temporary folder that commands run in.
pub(crate) struct Scene(tempfile::TempDir);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A scene with the tiny recipe, changed as asked, in `recipe.toml`.
    pub(crate) fn with_recipe(change: impl FnOnce(String) -> String) -> Self {
        let scene = Self::new();
        scene.write("recipe.toml", &change(TINY.to_owned()));
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("inside the scene")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Every file and folder, sorted, relative to the scene.
    pub(crate) fn listing(&self) -> Vec<String> {
        fn walk(dir: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
                let path = entry.path();
                let name = path.strip_prefix(root).expect("below the root");
                names.push(name.to_string_lossy().into_owned());
                if path.is_dir() {
                    walk(&path, root, names);
                }
            }
        }
        let mut names = Vec::new();
        walk(self.0.path(), self.0.path(), &mut names);
        names.sort();
        names
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::cargo_bin("redmask").expect("the binary is built");
        command
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env_remove("RAYON_NUM_THREADS");
        command
    }

    pub(crate) fn redmask(&self, args: &[&str]) -> Ended {
        ended(&self.command().args(args).output().expect("it starts"))
    }
}

pub(crate) fn ended(output: &std::process::Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// The output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// The message of a command that must have been refused.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, 2, "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.stdout);
        // miette wraps long lines; a message is searched as one.
        let words: Vec<&str> = self
            .stderr
            .split_whitespace()
            .filter(|word| *word != "│")
            .collect();
        words.join(" ")
    }
}
