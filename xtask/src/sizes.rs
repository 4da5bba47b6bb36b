//! One idea a file: looked at again at 500 lines, split at 800.

use std::process::Command;

const LOOK_AGAIN: usize = 500;
const SPLIT: usize = 800;

pub(crate) fn check() -> Result<(), String> {
    let output = Command::new("git")
        .args(["ls-files", "*.rs"])
        .output()
        .map_err(|e| format!("git ls-files did not start: {e}"))?;
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut too_long = Vec::new();
    let mut count = 0;
    for file in files.lines() {
        let Ok(text) = std::fs::read_to_string(file) else {
            continue;
        };
        count += 1;
        let lines = text.lines().count();
        if lines > SPLIT {
            too_long.push(format!("{file} has {lines} lines: split it"));
        } else if lines > LOOK_AGAIN {
            println!("{file} has {lines} lines: look again");
        }
    }
    if too_long.is_empty() {
        println!("sizes: {count} files, none over {SPLIT} lines");
        Ok(())
    } else {
        Err(too_long.join("\n"))
    }
}
