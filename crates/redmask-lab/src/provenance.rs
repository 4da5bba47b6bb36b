//! Where a result comes from: the machine, the versions, the cost of each stage.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use redmask_report::schema::{DataBinding, Hardware, Provenance, StageTime, WeightsOrigin};

use crate::bind::BoundData;
use crate::plan::{Plan, Task};
use crate::recipe::Recipe;
use crate::store::StageRecord;
use crate::weights::InitialWeights;

/// The tensor library; a test holds it to the lock file.
const BURN: &str = "0.22.1";

/// What one stage did in this sitting.
#[derive(Debug, Clone)]
pub struct StageLog {
    /// What the stage says about itself.
    pub record: StageRecord,
    /// Whether it was found in the store.
    pub cached: bool,
}

/// The most memory this process has held so far, in bytes, where the system says.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The machine.
pub fn hardware() -> Hardware {
    let field = |path: &str, key: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    Hardware {
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        memory_bytes: memory.map(|kib| kib * 1024),
        cpu_features: cpu_features(),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Instruction sets that select kernels, and with them the last bits of results.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<String> {
    let mut features = Vec::new();
    let mut add = |name: &str, there: bool| {
        if there {
            features.push(name.to_owned());
        }
    };
    add("avx2", std::is_x86_feature_detected!("avx2"));
    add("fma", std::is_x86_feature_detected!("fma"));
    add("avx512f", std::is_x86_feature_detected!("avx512f"));
    features
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<String> {
    Vec::new()
}

/// A run as its provenance describes it.
#[derive(Debug)]
pub struct RunFacts<'a> {
    /// The command line.
    pub command: &'a [String],
    /// The resolved recipe.
    pub recipe: &'a Recipe,
    /// The profile.
    pub profile: &'a str,
    /// The data.
    pub data: &'a BoundData,
    /// Weights that networks started from.
    pub weights: &'a BTreeMap<String, InitialWeights>,
    /// The plan.
    pub plan: &'a Plan,
    /// The stages, in order.
    pub stages: &'a [StageLog],
    /// When the command began.
    pub started: SystemTime,
    /// Worker threads.
    pub threads: usize,
}

/// Writes down where a result comes from.
pub fn provenance(facts: &RunFacts<'_>) -> Provenance {
    Provenance {
        recipe: facts.recipe.name.clone(),
        profile: facts.profile.to_owned(),
        seed: facts.plan.seeds.first().copied().unwrap_or(0),
        threads: facts.threads as u64,
        data: vec![DataBinding {
            role: facts.data.role.clone(),
            expected: facts.data.expected.clone(),
            bound: facts.data.name(),
            substituted: facts.data.substituted,
            records: facts.data.dataset.len() as u64,
            fingerprint: facts.data.dataset.fingerprint().to_hex(),
        }],
        weights: weights(facts),
        ..base_provenance(facts.command, facts.stages, facts.started)
    }
}

/// What is the same for every kind of run: the command, the machine, the versions, the cost of each stage.
pub(crate) fn base_provenance(
    command: &[String],
    stages: &[StageLog],
    started: SystemTime,
) -> Provenance {
    let peaks = stages.iter().filter_map(|s| s.record.cost.peak_bytes);
    let times = stages.iter().map(|stage| StageTime {
        key: stage.record.hash.to_hex(),
        kind: stage.record.kind.as_str().to_owned(),
        label: stage.record.label.clone(),
        wall_seconds: stage.record.cost.seconds,
        cached: stage.cached,
    });
    Provenance {
        command: command.to_vec(),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        wall_seconds: started.elapsed().map_or(0.0, |d| d.as_secs_f64()),
        peak_memory_bytes: peaks.chain(peak_memory()).max(),
        device: "cpu".to_owned(),
        threads: rayon::current_num_threads() as u64,
        hardware: hardware(),
        versions: BTreeMap::from([
            ("redmask".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("burn".to_owned(), BURN.to_owned()),
            ("rustc".to_owned(), env!("REDMASK_RUSTC").to_owned()),
        ]),
        stages: times.collect(),
        ..Provenance::new()
    }
}

/// Where each network's first weights came from.
fn weights(facts: &RunFacts<'_>) -> Vec<WeightsOrigin> {
    let mut networks: Vec<&str> = facts
        .plan
        .stages
        .iter()
        .filter_map(|stage| match &stage.task {
            Task::Train(task) => Some(task.network_name.as_str()),
            _ => None,
        })
        .collect();
    networks.sort_unstable();
    networks.dedup();
    networks
        .into_iter()
        .map(|network| WeightsOrigin {
            network: network.to_owned(),
            origin: match facts.weights.get(network) {
                None => "from scratch".to_owned(),
                Some(weights) => {
                    let name = weights.file.file_name().unwrap_or_default();
                    format!(
                        "{}, blake3 {}",
                        name.to_string_lossy(),
                        weights.hash.short()
                    )
                }
            },
            published: facts.recipe.published_weights.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_version_of_burn_is_the_locked_one() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, package) = lock
            .split_once("name = \"burn\"\n")
            .expect("the lock file has Burn");
        let version = package.lines().next().expect("a version follows");
        assert_eq!(version, format!("version = \"{BURN}\""));
    }

    #[test]
    fn the_machine_is_described() {
        let hardware = hardware();
        assert!(hardware.cores >= 1 && !hardware.os.is_empty());
    }
}
