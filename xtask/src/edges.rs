//! Dependencies point one way: the allowed-edge table of ARCHITECTURE.md, checked.

use std::process::Command;

/// Crate, and what it may depend on inside the workspace. Attacks and defences know neither each other nor the lab nor
/// the report; the report knows only the vocabulary.
const ALLOWED: &[(&str, &[&str])] = &[
    ("redmask-core", &[]),
    ("redmask-metrics", &["core"]),
    ("redmask-data", &["core"]),
    ("redmask-poison", &["core", "metrics", "data"]),
    ("redmask-nn", &["core"]),
    ("redmask-onnx", &["core", "data"]),
    ("redmask-train", &["core", "metrics", "data", "nn"]),
    (
        "redmask-attacks",
        &["core", "metrics", "data", "poison", "nn", "train"],
    ),
    (
        "redmask-defences",
        &["core", "metrics", "data", "nn", "train"],
    ),
    ("redmask-report", &["core"]),
    (
        "redmask-lab",
        &[
            "core", "metrics", "data", "poison", "nn", "onnx", "train", "attacks", "defences",
            "report",
        ],
    ),
    (
        "redmask",
        &[
            "core", "metrics", "data", "poison", "nn", "onnx", "train", "attacks", "defences",
            "report", "lab",
        ],
    ),
    ("xtask", &[]),
];

pub(crate) fn check() -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .output()
        .map_err(|e| format!("cargo metadata did not start: {e}"))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("cargo metadata said no JSON: {e}"))?;
    let mut broken = Vec::new();
    let mut edges = 0;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED.iter().find(|(n, _)| *n == name) else {
            broken.push(format!("{name} is not in the table of xtask/src/edges.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().unwrap_or_default();
            // Tests may reach anywhere below; only what ships counts.
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if let Some(short) = target.strip_prefix("redmask-") {
                edges += 1;
                if !allowed.contains(&short) {
                    broken.push(format!("{name} -> {target} is not allowed"));
                }
            }
        }
    }
    if broken.is_empty() {
        println!("edges: {edges} dependencies, all allowed");
        Ok(())
    } else {
        Err(broken.join("\n"))
    }
}
