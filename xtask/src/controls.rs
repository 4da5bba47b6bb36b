//! How often the controls' intervals cover chance over many seeds: a control that cries wolf is worth nothing, one that
//! never does may be too wide to see a wolf.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const USAGE: &str = "controls REDMASK RECIPE [SEEDS [OUT]] [-- ARGUMENTS OF `redmask run`]";

/// Least share of the seeds whose interval must cover 0.5. A sound 95 % interval covers it 17 times of 20 or more often
/// with probability 0.98.
const COVERED: (usize, usize) = (17, 20);

/// One number over the seeds: (seed, value, interval).
type Series = Vec<(u64, f64, Option<(f64, f64)>)>;

pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let (own, passed) = match words.iter().position(|w| w == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[] as &[String]),
    };
    let [binary, recipe, rest @ ..] = own else {
        return Err(format!("usage: cargo xtask {USAGE}"));
    };
    let seeds: u64 = match rest.first() {
        None => 20,
        Some(word) => word
            .parse()
            .map_err(|_| format!("SEEDS: `{word}` is not a whole number"))?,
    };
    let out = rest.get(1).map_or("redmask-out/controls", String::as_str);
    let mut table: BTreeMap<(String, String), Series> = BTreeMap::new();
    for seed in 0..seeds {
        let results = results_of(binary, recipe, seed, Path::new(out), passed)?;
        collect(&results, seed, &mut table)?;
        eprintln!("seed {seed}: done");
    }
    print(&table, seeds)
}

/// Runs one seed in a folder of its own, which a second call resumes or finds finished.
fn results_of(
    binary: &str,
    recipe: &str,
    seed: u64,
    out: &Path,
    passed: &[String],
) -> Result<Value, String> {
    let folder = out.join(format!("seed-{seed}"));
    let status = Command::new(binary)
        .args(["--quiet", "run", recipe, "--seeds", "1", "--format", "json"])
        .args(["--seed", &seed.to_string()])
        .arg("--out")
        .arg(&folder)
        .args(passed)
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(|e| format!("{binary} did not start: {e}"))?;
    // 1 says that a gate failed: a finding, with results.
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(format!("seed {seed}: {binary} ended with {status}"));
    }
    let path = folder.join("results.json");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Takes the AUCs of attacks and controls out of a result file.
fn collect(
    results: &Value,
    seed: u64,
    table: &mut BTreeMap<(String, String), Series>,
) -> Result<(), String> {
    let measurements = results["measurements"]
        .as_array()
        .ok_or_else(|| format!("seed {seed}: results.json has no measurements"))?;
    for measurement in measurements {
        let name = measurement["name"].as_str().unwrap_or_default();
        let of_interest = measurement["control"] == true || name.starts_with("membership.");
        let Some(value) = measurement["value"].as_f64() else {
            continue;
        };
        if !of_interest || name.rsplit('.').next() != Some("auc") {
            continue;
        }
        let ends = (measurement["low"].as_f64(), measurement["high"].as_f64());
        let interval = match ends {
            (Some(low), Some(high)) => Some((low, high)),
            _ => None,
        };
        let key = (name.to_owned(), measurement["conditions"].to_string());
        table.entry(key).or_default().push((seed, value, interval));
    }
    Ok(())
}

fn print(table: &BTreeMap<(String, String), Series>, seeds: u64) -> Result<(), String> {
    let mut failures = Vec::new();
    let mut controls = 0;
    println!(
        "{:45} {:>7} {:>6} {:>6} {:>6}  seeds that miss 0.5",
        "", "covers", "mean", "least", "most"
    );
    for ((name, conditions), series) in table {
        let values = || series.iter().map(|(_, value, _)| *value);
        let mean = values().sum::<f64>() / series.len() as f64;
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        let missing: Vec<String> = series
            .iter()
            .filter(|(_, _, interval)| !covers_half(*interval))
            .map(|(seed, value, _)| format!("{seed} ({value:.2})"))
            .collect();
        let covered = series.len() - missing.len();
        let is_control = name.starts_with("control.");
        let shown = format!("{covered}/{}", series.len());
        println!(
            "{name:45} {shown:>7} {mean:6.3} {least:6.3} {most:6.3}  {}",
            if is_control {
                missing.join(", ")
            } else {
                String::new()
            }
        );
        if table.keys().filter(|(other, _)| other == name).count() > 1 {
            println!("  {conditions}");
        }
        if is_control {
            controls += 1;
            if covered * COVERED.1 < COVERED.0 * series.len() {
                failures.push(format!("{name} covers 0.5 in {shown} seeds"));
            }
        }
    }
    if controls == 0 {
        return Err("the recipe has no control".to_owned());
    }
    if failures.is_empty() {
        println!(
            "every control covers 0.5 in at least {} of {} of its seeds",
            COVERED.0, COVERED.1
        );
        return Ok(());
    }
    Err(format!("of {seeds} seeds: {}", failures.join("; ")))
}

fn covers_half(interval: Option<(f64, f64)>) -> bool {
    interval.is_some_and(|(low, high)| (low..=high).contains(&0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(blind: [f64; 3]) -> Value {
        let [value, low, high] = blind;
        serde_json::json!({"measurements": [
            {"name": "control.blind.auc", "value": value, "low": low, "high": high, "control": true, "conditions": {}},
            {"name": "membership.global_loss.auc", "value": 0.8, "low": 0.7, "high": 0.9, "control": false, "conditions": {}},
            {"name": "segmentation.miou", "value": 0.5, "low": null, "high": null, "control": false, "conditions": {}},
        ]})
    }

    fn tabulated(blind: impl Fn(u64) -> [f64; 3]) -> Result<(), String> {
        let mut table = BTreeMap::new();
        for seed in 0..20 {
            collect(&results(blind(seed)), seed, &mut table)?;
        }
        assert_eq!(table.len(), 2, "one control and one attack");
        print(&table, 20)
    }

    #[test]
    fn three_misses_of_twenty_pass_and_four_do_not() {
        let missing = |misses: u64| {
            move |seed| {
                if seed < misses {
                    [0.7, 0.6, 0.8]
                } else {
                    [0.5, 0.4, 0.6]
                }
            }
        };
        assert!(tabulated(missing(3)).is_ok());
        let problem = tabulated(missing(4)).unwrap_err();
        assert!(
            problem.contains("control.blind.auc") && problem.contains("16/20"),
            "{problem}"
        );
    }

    #[test]
    fn no_interval_is_no_cover() {
        assert!(!covers_half(None));
        assert!(covers_half(Some((0.5, 0.7))));
    }
}
