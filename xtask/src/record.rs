//! The record of a finished run, as Markdown for `docs/results/`: every figure from `results.json`, every cost from
//! `provenance.json`, nothing typed by hand.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Patterns of what is listed unless `--only` says otherwise; `*` stands for any run of characters.
const LISTED: [&str; 10] = [
    "*.auc",
    "*.accuracy",
    "*.f1",
    "*.tpr_at_fpr*",
    "segmentation.miou",
    "segmentation.dice",
    "segmentation.gap",
    "backdoor.*",
    "control.backdoor.*",
    "privacy.*",
];

/// Begins everything that [`run`] writes; what stands before it in the file is a person's and is kept.
const MARK: &str = "<!-- measured: written by `cargo xtask record`, do not edit below -->";

/// `cargo xtask record OUT FILE [--only PATTERN]...`
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut places = Vec::new();
    let mut only = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--only" {
            only.push(rest.next().ok_or("--only wants a pattern")?.as_str());
        } else {
            places.push(arg.as_str());
        }
    }
    let [out, file] = places[..] else {
        return Err("usage: cargo xtask record OUT FILE [--only PATTERN]...".to_owned());
    };
    if only.is_empty() {
        only.extend(LISTED);
    }
    let results = read(&Path::new(out).join("results.json"))?;
    let provenance = read(&Path::new(out).join("provenance.json"))?;
    let reading = fs::read_to_string(file).unwrap_or_default();
    let reading = reading.split(MARK).next().unwrap_or_default().trim_end();
    let heading = if reading.is_empty() {
        format!("# {}", text(&provenance["recipe"]))
    } else {
        reading.to_owned()
    };
    let record = format!(
        "{heading}\n\n{MARK}\n\n{}\n{}\n{}",
        setting(&provenance),
        warnings(&results),
        measurements(&results, &only),
    );
    fs::write(file, record).map_err(|e| format!("{file}: {e}"))?;
    println!("wrote {file}");
    Ok(())
}

fn read(path: &Path) -> Result<Value, String> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn setting(provenance: &Value) -> String {
    let mut out = String::from("## Setting\n\n| what | value |\n|---|---|\n");
    let mut row = |what: &str, value: String| {
        let _ = writeln!(out, "| {what} | {value} |");
    };
    row(
        "recipe, profile",
        format!(
            "{}, `{}`",
            text(&provenance["recipe"]),
            text(&provenance["profile"])
        ),
    );
    for data in list(&provenance["data"]) {
        let stands_in = if data["substituted"] == Value::Bool(true) {
            format!(" (stands in for {})", text(&data["expected"]))
        } else {
            String::new()
        };
        row(
            &format!("data `{}`", text(&data["role"])),
            format!(
                "{}, {} records{stands_in}",
                text(&data["bound"]),
                data["records"]
            ),
        );
    }
    for weights in list(&provenance["weights"]) {
        let published = weights["published"]
            .as_str()
            .map_or_else(String::new, |p| format!(" (published: {p})"));
        row(
            &format!("initial weights of `{}`", text(&weights["network"])),
            format!("{}{published}", text(&weights["origin"])),
        );
    }
    let stages = list(&provenance["stages"]);
    let seconds: f64 = stages
        .iter()
        .filter_map(|s| s["wall_seconds"].as_f64())
        .sum();
    row(
        "time of all stages, one after the other",
        format!("{:.0} min ({} stages)", seconds / 60.0, stages.len()),
    );
    if let Some(bytes) = provenance["peak_memory_bytes"].as_f64() {
        row(
            "peak memory",
            format!("{:.0} MiB", bytes / f64::from(1 << 20)),
        );
    }
    row("threads", provenance["threads"].to_string());
    row(
        "machine",
        format!(
            "{}, {} cores",
            text(&provenance["hardware"]["cpu"]),
            provenance["hardware"]["cores"]
        ),
    );
    row("build", text(&provenance["versions"]["redmask"]));
    out
}

fn warnings(results: &Value) -> String {
    let warnings = list(&results["warnings"]);
    if warnings.is_empty() {
        return String::new();
    }
    let mut out = String::from("## Warnings of the run\n\n");
    for warning in warnings {
        let _ = writeln!(out, "- {}", text(&warning["message"]));
    }
    out
}

fn measurements(results: &Value, only: &[&str]) -> String {
    let listed: Vec<&Value> = list(&results["measurements"])
        .iter()
        .filter(|m| {
            let name = m["name"].as_str().unwrap_or_default();
            only.iter().any(|pattern| matches(pattern, name))
        })
        .collect();
    let conditions = varying(&listed);
    let mut out = String::from(
        "## Measurements\n\nMean over seeds, 95 % interval, and each seed.\n\n| measurement |",
    );
    for condition in &conditions {
        let _ = write!(out, " {condition} |");
    }
    out.push_str(" measured | interval | each seed | published |\n|---|");
    out.push_str(&"---|".repeat(conditions.len() + 4));
    out.push('\n');
    for m in listed {
        let control = if m["control"] == Value::Bool(true) {
            " (control)"
        } else {
            ""
        };
        let _ = write!(out, "| `{}`{control} |", text(&m["name"]));
        for condition in &conditions {
            let value = &m["conditions"][condition.as_str()];
            let shown = if value.is_null() {
                String::new()
            } else {
                text(value)
            };
            let _ = write!(out, " {shown} |");
        }
        let interval = match (m["low"].as_f64(), m["high"].as_f64()) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => String::new(),
        };
        let seeds: Vec<String> = list(&m["per_seed"]).iter().map(number).collect();
        let published = m["published"]["value"]
            .as_f64()
            .map_or_else(String::new, |v| format!("{v:.3}"));
        let _ = writeln!(
            out,
            " {} | {interval} | {} | {published} |",
            number(&m["value"]),
            seeds.join(", ")
        );
    }
    out
}

fn number(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(String::new, |v| format!("{v:.3}"))
}

/// The conditions that differ between the listed measurements; the rest is the setting's.
fn varying(listed: &[&Value]) -> Vec<String> {
    let names: BTreeSet<&String> = listed
        .iter()
        .filter_map(|m| m["conditions"].as_object())
        .flat_map(|c| c.keys())
        .collect();
    names
        .into_iter()
        .filter(|name| {
            let values: BTreeSet<String> = listed
                .iter()
                .map(|m| m["conditions"][name.as_str()].to_string())
                .filter(|v| v != "null")
                .collect();
            values.len() > 1
        })
        .cloned()
        .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(i, _)| i)
                .chain([rest.len()])
                .any(|i| matches(tail, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("*.auc", "membership.type_i.auc"));
        assert!(!matches("*.auc", "membership.type_i.auc_low"));
        assert!(matches("*.tpr_at_fpr*", "membership.lira.tpr_at_fpr_0.01"));
        assert!(matches("segmentation.gap", "segmentation.gap"));
        assert!(!matches("segmentation.gap", "segmentation"));
    }

    #[test]
    fn conditions_that_never_differ_are_left_out() {
        let a = serde_json::json!({"conditions": {"data": "x", "seed": 1}});
        let b = serde_json::json!({"conditions": {"data": "x", "seed": 2}});
        assert_eq!(varying(&[&a, &b]), ["seed"]);
    }
}
